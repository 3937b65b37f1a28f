//! The figures of LongMemEval's official evaluation (Wu et al. 2024; `src/retrieval/eval_utils.py` of its repository):
//! recall_any, recall_all and ndcg_any at a rank, for turns and for the sessions that they stand in.

use std::collections::{BTreeMap, HashSet};

use serde::Serialize;

/// Ranks at which everything is measured, as in the official runs.
pub const LONGMEMEVAL_RANKS: [usize; 6] = [1, 3, 5, 10, 30, 50];

/// Averages over questions at one level, in percent, by rank.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
#[non_exhaustive]
pub struct LevelScores {
    /// Questions with at least one piece of their evidence among the first k.
    pub recall_any: BTreeMap<usize, f64>,
    /// Questions with all of it there.
    pub recall_all: BTreeMap<usize, f64>,
    /// The discounted cumulative gain of the first k by that of a perfect ranking. As in the official code the first
    /// two ranks count the same.
    pub ndcg_any: BTreeMap<usize, f64>,
}

/// The figures of one question at one level, from 0 to 1, at every rank.
pub(super) type Level = [Figures; LONGMEMEVAL_RANKS.len()];

#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Figures {
    pub(super) any: f64,
    pub(super) all: f64,
    pub(super) ndcg: f64,
}

/// What can be found for a question: turns, each in a session.
#[derive(Debug, Clone, Default)]
pub(super) struct Corpus {
    /// The session of each turn, and whether the turn is evidence.
    pub(super) turns: Vec<(usize, bool)>,
    /// The sessions that hold the answer.
    pub(super) answers: HashSet<usize>,
}

/// A session as the official evaluation sees it: in one that holds the answer, turns that do not are in another session.
type Unit = (usize, bool);

impl Corpus {
    pub(super) fn has_evidence(&self) -> bool {
        self.turns.iter().any(|(_, is_evidence)| *is_evidence)
    }

    /// Figures of a ranking of turns, which are places in [`Self::turns`]; it need not hold all of them.
    pub(super) fn of_turns(&self, ranking: &[usize]) -> Level {
        let evidence: HashSet<usize> = (0..self.turns.len()).filter(|turn| self.is_evidence(*turn)).collect();
        LONGMEMEVAL_RANKS.map(|k| self.figures(ranking, k, |turn| turn, &evidence))
    }

    /// Figures of the sessions that the turns of the ranking stand in: as many turns are looked at as it takes to meet
    /// k sessions.
    pub(super) fn of_sessions(&self, ranking: &[usize]) -> Level {
        let turns = 0..self.turns.len();
        let evidence: HashSet<Unit> =
            turns.filter(|turn| self.is_evidence(*turn)).map(|turn| self.unit(turn)).collect();
        LONGMEMEVAL_RANKS.map(|k| self.figures(ranking, self.turns_for(ranking, k), |turn| self.unit(turn), &evidence))
    }

    fn figures<T: Copy + Eq + std::hash::Hash>(
        &self,
        ranking: &[usize],
        k: usize,
        unit: impl Fn(usize) -> T,
        evidence: &HashSet<T>,
    ) -> Figures {
        let first = ranking.get(..k).unwrap_or(ranking);
        let found: HashSet<T> = first.iter().map(|turn| unit(*turn)).collect();
        let flag = |value: bool| f64::from(u8::from(value));
        let pieces = self.turns.iter().filter(|(_, is_evidence)| *is_evidence).count();
        let ideal = gain((0..k.min(self.turns.len())).map(|rank| rank < pieces));
        let actual = gain(first.iter().map(|turn| self.is_evidence(*turn)));
        Figures {
            any: flag(evidence.iter().any(|unit| found.contains(unit))),
            all: flag(evidence.iter().all(|unit| found.contains(unit))),
            ndcg: if ideal > 0.0 { actual / ideal } else { 0.0 },
        }
    }

    /// The least number of turns, k or more, that stand in k sessions; where there are not so many, one more than there
    /// are turns.
    fn turns_for(&self, ranking: &[usize], k: usize) -> usize {
        let mut turns = k;
        let mut met: HashSet<Unit> = ranking.iter().take(k).map(|turn| self.unit(*turn)).collect();
        while turns <= self.turns.len() && met.len() < k {
            met.extend(ranking.get(turns).map(|turn| self.unit(*turn)));
            turns += 1;
        }
        turns
    }

    fn is_evidence(&self, turn: usize) -> bool {
        self.turns.get(turn).is_some_and(|(_, is_evidence)| *is_evidence)
    }

    fn unit(&self, turn: usize) -> Unit {
        let (session, is_evidence) = self.turns.get(turn).copied().unwrap_or((usize::MAX, false));
        (session, self.answers.contains(&session) && !is_evidence)
    }
}

impl LevelScores {
    pub(super) fn of<'a>(levels: impl Iterator<Item = &'a Level> + Clone) -> Self {
        let count = levels.clone().count().max(1) as f64;
        let mean = |value: fn(&Figures) -> f64| -> BTreeMap<usize, f64> {
            let at = |rank: usize| levels.clone().filter_map(|level| level.get(rank)).map(value).sum::<f64>();
            LONGMEMEVAL_RANKS.into_iter().enumerate().map(|(i, k)| (k, 100.0 * at(i) / count)).collect()
        };
        Self { recall_any: mean(|it| it.any), recall_all: mean(|it| it.all), ndcg_any: mean(|it| it.ndcg) }
    }
}

/// The discounted cumulative gain of ranks that hold evidence or not.
fn gain(ranks: impl Iterator<Item = bool>) -> f64 {
    let discount = |rank: usize| if rank == 0 { 1.0 } else { ((rank + 1) as f64).log2() };
    ranks.enumerate().map(|(rank, holds)| if holds { 1.0 / discount(rank) } else { 0.0 }).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Three sessions; turns 1 and 4 are evidence, in the sessions 0 and 1, which hold the answer.
    fn corpus() -> Corpus {
        let turns = vec![(0, false), (0, true), (1, false), (1, false), (1, true), (2, false)];
        Corpus { turns, answers: HashSet::from([0, 1]) }
    }

    #[track_caller]
    fn check(level: &Level, k: usize, any: f64, all: f64, ndcg: f64) {
        let at = LONGMEMEVAL_RANKS.iter().position(|rank| *rank == k).unwrap();
        let figures = level[at];
        assert_eq!((figures.any, figures.all), (any, all), "at {k}");
        assert!((figures.ndcg - ndcg).abs() < 1e-12, "at {k}: {figures:?}");
    }

    #[test]
    fn turns_are_figured_by_hand() {
        let level = corpus().of_turns(&[5, 1, 0, 2, 4, 3]);
        check(&level, 1, 0.0, 0.0, 0.0);
        // Rank 2 counts 1 / log2(2), as rank 1 does; perfect is 1 + 1.
        check(&level, 3, 1.0, 0.0, 0.5);
        check(&level, 5, 1.0, 1.0, (1.0 + 1.0 / 5.0f64.log2()) / 2.0);
        check(&level, 50, 1.0, 1.0, (1.0 + 1.0 / 5.0f64.log2()) / 2.0);
        let level = corpus().of_turns(&[4, 1]);
        check(&level, 1, 1.0, 0.0, 1.0);
        check(&level, 3, 1.0, 1.0, 1.0);
        check(&corpus().of_turns(&[]), 50, 0.0, 0.0, 0.0);
    }

    #[test]
    fn sessions_are_figured_by_hand() {
        // Turn 0 stands in a session that holds the answer, but does not answer: it counts as a session of its own.
        let level = corpus().of_sessions(&[0, 5, 1, 4, 2, 3]);
        check(&level, 1, 0.0, 0.0, 0.0);
        // Turns 0, 5 and 1 stand in three sessions.
        check(&level, 3, 1.0, 0.0, (1.0 / 3.0f64.log2()) / 2.0);
        // Five sessions are met with turn 2.
        check(&level, 5, 1.0, 1.0, (1.0 / 3.0f64.log2() + 0.5) / 2.0);
        // Two turns of one session are one session: the third turn is looked at too.
        let two = Corpus { turns: vec![(0, false), (0, false), (0, false), (1, true)], answers: HashSet::from([1]) };
        let level = two.of_sessions(&[0, 1, 2, 3]);
        check(&level, 1, 0.0, 0.0, 0.0);
        check(&level, 3, 1.0, 1.0, 0.5);
        assert_eq!([1, 2, 3].map(|k| two.turns_for(&[0, 1, 2, 3], k)), [1, 4, 5]);
    }

    #[test]
    fn questions_are_averaged() {
        let (best, worst) = (corpus().of_turns(&[1, 4]), corpus().of_turns(&[]));
        let scores = LevelScores::of([best, worst].iter());
        assert_eq!((scores.recall_any[&1], scores.recall_all[&1], scores.recall_all[&3]), (50.0, 0.0, 50.0));
        assert_eq!(scores.ndcg_any[&10], 50.0);
        assert_eq!(LevelScores::of([].iter()).recall_any[&5], 0.0);
    }
}
