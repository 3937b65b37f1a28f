//! The ranking: all stages over a pool, and one order of its candidates.

use crate::features::{Feature, Features};
use crate::pool::{Member, Pool};
use crate::redundancy;
use crate::stages::{Nearness, STAGES, Scene, View, late_interaction, repetition};
use crate::weights::{Level, Weights};

/// Candidates in the order in which they answer.
#[derive(Debug, Clone, PartialEq)]
pub struct Ranking {
    /// The candidates, the best first. Of equal ones the newer row.
    pub ranked: Vec<Ranked>,
    /// What the stages measured, one row a candidate in the order of [`Pool::candidates`].
    pub features: Features,
    /// The cosine of the question and each candidate, where both have a vector, in the order of the candidates.
    pub cosines: Vec<Option<f32>>,
    /// How near anything comes to the question.
    pub nearness: Nearness,
    /// The chance, from 0 to 1, that anything here is about what was asked: of answers with a relevance of 0.7 about 7 in
    /// 10 are, where questions about what was said and about what never was are equally many. `None` when the cosines of
    /// the model mean something else than those for which this was fitted.
    pub relevance: Option<f32>,
    /// The weights that were used.
    pub weights: Weights,
}

/// A candidate with its score.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Ranked {
    /// Its index among the members of the pool.
    pub member: usize,
    /// Its index among the candidates, and so its row of features.
    pub candidate: usize,
    /// The weighted sum of its features. Comparable within one question only; a difference of 1 means odds of e to 1.
    pub score: f32,
}

/// At the thorough level so many of the best candidates are looked at more closely. Looking at all of them finds no more:
/// docs/DESIGN.md has the figures.
const CLOSER: usize = 100;

/// A first look at the candidates of a pool: all that the fast level measures but what is repeated.
pub struct Draft<'a> {
    view: View<'a>,
    features: Features,
    nearness: Nearness,
    /// The candidates to be looked at more closely, by their indexes among the candidates.
    best: Vec<usize>,
}

impl<'a> Draft<'a> {
    /// Looks at a scene. `after` is told the name of each stage when it is done.
    #[must_use]
    pub fn new(scene: &'a Scene<'a>, after: &mut dyn FnMut(&'static str)) -> Self {
        let mut features = Features::new(scene.pool.candidates().len());
        let mut nearness = Nearness { passages: scene.statistics.passages, ..Nearness::default() };
        let view = View::new(scene);
        after("comparison");
        for stage in &STAGES {
            (stage.measure)(&view, &mut features, &mut nearness);
            after(stage.name);
        }
        let best = match (scene.level, scene.tokens) {
            (Level::Thorough, Some(_)) => Weights::of(Level::Fast).best(&features, CLOSER),
            _ => Vec::new(),
        };
        Self { view, features, nearness, best }
    }

    /// The members whose pieces the closer look compares, by their indexes, ascending: none at the fast level.
    #[must_use]
    pub fn compared(&self) -> Vec<usize> {
        late_interaction::members(self.view.scene.pool, &self.best)
    }

    /// Looks at the best more closely, and ranks all. `tokens` gives the vectors of the pieces of a member, as [`encode`]
    /// made them, where it has any; where none has, the order is that of the fast level. `after` is told the name of each
    /// stage when it is done.
    ///
    /// [`encode`]: crate::encode
    #[must_use]
    pub fn rank<'t>(self, tokens: &dyn Fn(usize) -> Option<&'t [u8]>, after: &mut dyn FnMut(&'static str)) -> Ranking {
        let Self { view, mut features, mut nearness, best } = self;
        let scene = view.scene;
        let mut level = Level::Fast;
        if !best.is_empty() {
            // Without pieces to compare there is no closer look, and its weights would be those of a part.
            if late_interaction::measure(&view, &best, tokens, &mut features, &mut nearness) {
                level = Level::Thorough;
            }
            after("late_interaction");
        }
        let weights = Weights::of(level);
        repetition::measure(&view, &weights, &mut features);
        after("repetition");
        let mut ranked: Vec<Ranked> = scene
            .pool
            .candidates()
            .iter()
            .zip(features.rows())
            .enumerate()
            .map(|(candidate, (&member, row))| Ranked { member, candidate, score: weights.score(row) })
            .collect();
        let id = |ranked: &Ranked| scene.pool.get(ranked.member).map_or(0, |member| member.id);
        ranked.sort_by(|a, b| b.score.total_cmp(&a.score).then_with(|| id(b).cmp(&id(a))));
        let relevance = match nearness.cosine {
            _ if ranked.is_empty() => Some(0.0),
            Some(_) if !scene.calibrated => None,
            _ => Some(weights.relevance(&nearness)),
        };
        after("fusion");
        Ranking { ranked, features, cosines: view.of_candidates(), nearness, relevance, weights }
    }
}

impl Ranking {
    /// What each feature adds to the score of a candidate, those that add nothing left out, the most telling first.
    #[must_use]
    pub fn contributions(&self, candidate: usize) -> Vec<Contribution> {
        let contribution = |feature: &Feature| {
            let value = self.features.get(candidate, *feature);
            Contribution { feature: *feature, value, weight: self.weights.get(*feature) }
        };
        let mut all: Vec<Contribution> = Feature::ALL.iter().map(contribution).filter(|c| c.points() != 0.0).collect();
        all.sort_by(|a, b| b.points().abs().total_cmp(&a.points().abs()));
        all
    }
}

/// What a feature adds to a score.
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize)]
pub struct Contribution {
    /// The feature.
    pub feature: Feature,
    /// What was measured.
    pub value: f32,
    /// What it is worth.
    pub weight: f32,
}

impl Contribution {
    /// Value times weight.
    #[must_use]
    pub fn points(&self) -> f32 {
        self.value * self.weight
    }
}

/// Walks through ranked candidates and tells for each whether a better one that was kept says all that it says: then
/// that one's place in `ranked`. Stops when `keep` candidates are kept; the answer is as long as the walk was.
#[must_use]
pub fn redundant(pool: &Pool<'_>, ranked: &[Ranked], keep: usize) -> Vec<Option<usize>> {
    let mut kept: Vec<&Member<'_>> = Vec::new();
    let mut places = Vec::new();
    let mut said = Vec::with_capacity(ranked.len());
    for (place, entry) in ranked.iter().enumerate() {
        if kept.len() == keep {
            break;
        }
        let Some(member) = pool.get(entry.member) else { continue };
        let by = redundancy::said_by(member, &kept).and_then(|better| places.get(better).copied());
        if by.is_none() {
            kept.push(member);
            places.push(place);
        }
        said.push(by);
    }
    said
}

#[cfg(test)]
mod tests {
    use mnemon_core::{Role, Timestamp};
    use proptest::prelude::*;

    use super::*;
    use crate::pool::Statistics;
    use crate::question::Question;
    use crate::stages::testing::{by, turn, vector};

    fn ask(question: &str, vector: Option<&[f32]>, members: Vec<Member<'static>>) -> (Pool<'static>, Ranking) {
        let question = Question::new(question, &["Ann".into(), "Bo".into()], Timestamp::UNIX_EPOCH);
        let frequency = |term: &u32| members.iter().filter(|member| member.terms.contains(term)).count() as u64;
        let frequencies = question.terms().iter().map(frequency).collect();
        let statistics = Statistics { passages: members.len() as u64, frequencies };
        let pool = Pool::new(members);
        let (question, statistics) = (&question, &statistics);
        let scene = Scene {
            question,
            vector,
            tokens: None,
            pool: &pool,
            statistics,
            level: Level::Thorough,
            calibrated: false,
        };
        let ranking = Draft::new(&scene, &mut |_| {}).rank(&|_| None, &mut |_| {});
        (pool, ranking)
    }

    fn best(question: &str, members: Vec<Member<'static>>) -> i64 {
        let (pool, ranking) = ask(question, None, members);
        pool.members()[ranking.ranked[0].member].id
    }

    #[test]
    fn what_was_asked_is_answered() {
        let talk = || {
            vec![
                turn(0, "I planted tomatoes on the roof yesterday."),
                by(Role::Assistant, Some("Bo"), turn(1, "Lovely! How many did you put there?")),
                turn(2, "Twelve, and a fig tree."),
                by(Role::Assistant, Some("Bo"), turn(3, "My ferry to Oslo leaves next week.")),
            ]
        };
        assert_eq!(best("When did Ann plant tomatoes?", talk()), 0);
        assert_eq!(best("Where does Bo go by ferry?", talk()), 3);
        assert_eq!(best("What tree has Ann?", talk()), 2);
    }

    #[test]
    fn the_stages_are_told_in_their_order_and_an_empty_pool_is_no_answer() {
        let question = Question::new("x", &[], Timestamp::UNIX_EPOCH);
        let (pool, statistics) = (Pool::default(), Statistics::default());
        let (question, pool, statistics) = (&question, &pool, &statistics);
        let scene =
            Scene { question, vector: None, tokens: None, pool, statistics, level: Level::Fast, calibrated: false };
        let mut told = Vec::new();
        let draft = Draft::new(&scene, &mut |stage| told.push(stage));
        assert!(draft.compared().is_empty());
        let ranking = draft.rank(&|_| None, &mut |stage| told.push(stage));
        assert_eq!((ranking.ranked.len(), ranking.relevance), (0, Some(0.0)));
        assert_eq!((told.first(), told.last(), told.len()), (Some(&"comparison"), Some(&"fusion"), STAGES.len() + 3));
    }

    #[test]
    fn contributions_add_up_to_the_score() {
        let members = vec![turn(0, "The ferry was late?"), turn(1, "It left twice")];
        let (_, ranking) = ask("How many ferries did Ann take?", None, members);
        for ranked in &ranking.ranked {
            let contributions = ranking.contributions(ranked.candidate);
            let sum: f32 = contributions.iter().map(Contribution::points).sum();
            assert!((sum - ranked.score).abs() < 1e-4 && !contributions.is_empty());
            assert!(contributions.is_sorted_by(|a, b| a.points().abs() >= b.points().abs()));
        }
    }

    #[test]
    fn what_a_better_hit_says_is_left_out_until_enough_is_kept() {
        let fact = |place| Member { vector: Some(vector(&[1.0])), ..turn(place, "I am allergic to peanuts") };
        let other = Member { vector: Some(vector(&[1.0])), ..turn(9, "We like cats") };
        let members: Vec<Member<'_>> = (0..5).map(fact).chain([other]).collect();
        let (pool, ranking) = ask("Who is allergic to peanuts?", Some(&[1.0]), members);
        assert_eq!(redundant(&pool, &ranking.ranked, 9), [None, Some(0), Some(0), Some(0), Some(0), None]);
        assert_eq!(redundant(&pool, &ranking.ranked, 1), [None]);
    }

    fn any_member() -> impl Strategy<Value = Member<'static>> {
        let words =
            prop::collection::vec(prop::sample::select(vec!["ferry", "Ann", "2", "not", "I", "when?", "北京"]), 0..6);
        (words, 0i64..4, 0i64..4, any::<bool>(), any::<bool>(), prop::option::of(-1.0f32..1.0)).prop_map(
            |(words, run, place, candidate, said, angle)| {
                let member = turn(place, &words.join(" "));
                let vector = angle.map(|x| vector(&[x, (1.0 - x * x).sqrt()]));
                let said = if said { member.said } else { None };
                Member { run, candidate, vector, said, ..member }
            },
        )
    }

    proptest! {
        #[test]
        fn any_pool_is_ranked_once_and_the_same_way(
            members in prop::collection::vec(any_member(), 0..12),
            question in "[a-zA-Z? 0-9]{0,30}",
            angle in prop::option::of(-1.0f32..1.0),
        ) {
            let members: Vec<Member<'static>> =
                members.into_iter().enumerate().map(|(id, member)| Member { id: id as i64, ..member }).collect();
            let vector = angle.map(|x| [x, (1.0 - x * x).sqrt()]);
            let asked = |members: Vec<Member<'static>>| ask(&question, vector.as_ref().map(|v| &v[..]), members);
            let (pool, ranking) = asked(members.clone());
            let mut candidates: Vec<usize> = ranking.ranked.iter().map(|ranked| ranked.member).collect();
            prop_assert!(ranking.ranked.is_sorted_by(|a, b| a.score >= b.score));
            prop_assert!(ranking.relevance.is_none_or(|relevance| (0.0..=1.0).contains(&relevance)));
            prop_assert_eq!(ranking.relevance.is_none(), ranking.nearness.cosine.is_some());
            prop_assert!(ranking.features.rows().iter().flatten().all(|value| value.abs() < 20.0));
            candidates.sort_unstable();
            prop_assert_eq!(&candidates, pool.candidates());
            prop_assert_eq!(asked(members).1, ranking);
        }
    }
}
