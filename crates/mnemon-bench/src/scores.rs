//! The retrieval protocol of long conversations: what of a question's evidence stands among the first turns of a
//! ranking, or among those that fill a budget.

use std::collections::{BTreeMap, HashSet};
use std::time::Duration;

use serde::Serialize;

use crate::latency::Latency;

/// Ranks at which recall is measured.
pub const RANKS: [usize; 4] = [5, 10, 25, 50];
/// Budgets at which it is measured, in word pieces of the embedding model.
pub const BUDGETS: [usize; 3] = [1000, 2000, 4000];
/// After so many turns that do not fit, a budget counts as full.
const MISSES: usize = 20;

/// Averages over questions, in percent.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Scores {
    /// Questions that have evidence.
    pub questions: usize,
    /// The share of the evidence among the first k turns, averaged over questions; by k.
    pub recall: BTreeMap<usize, f64>,
    /// The share of questions with all of their evidence there; by k.
    pub all: BTreeMap<usize, f64>,
    /// The share of the evidence among the turns that fill a budget of tokens; by tokens.
    pub budget: BTreeMap<usize, f64>,
    /// The share of questions with all of their evidence there; by tokens.
    pub budget_all: BTreeMap<usize, f64>,
}

/// What one way of ranking found.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Results {
    /// Over all questions.
    #[serde(flatten)]
    pub scores: Scores,
    /// Over the questions of each category.
    pub by_category: BTreeMap<i64, Scores>,
    /// Over the questions about each conversation, by its name.
    pub by_conversation: BTreeMap<String, Scores>,
    /// How long each question took, from its text to its ranking.
    pub latency_ms: Latency,
}

/// One turn, as it takes room in a budget.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Line {
    /// Its place in the list of sessions.
    pub(crate) session: usize,
    /// The word pieces of the turn as it is packed.
    pub(crate) pieces: usize,
}

/// How much of its evidence one question found.
#[derive(Debug, Clone)]
pub(crate) struct Outcome {
    pub(crate) category: i64,
    pub(crate) conversation: String,
    pub(crate) time: Duration,
    pub(crate) found: Found,
}

/// Shares of the evidence at every rank and budget.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Found {
    recall: [f64; RANKS.len()],
    budget: [f64; BUDGETS.len()],
}

impl Found {
    /// `ranking` and `evidence` are places in `lines`; `headers` are the word pieces of each session's header.
    pub(crate) fn new(ranking: &[usize], evidence: &HashSet<usize>, lines: &[Line], headers: &[usize]) -> Self {
        let found = |turns: &[usize]| {
            let found: HashSet<&usize> = turns.iter().filter(|turn| evidence.contains(turn)).collect();
            share(found.len(), evidence.len())
        };
        Self {
            recall: RANKS.map(|k| found(ranking.get(..k).unwrap_or(ranking))),
            budget: BUDGETS.map(|budget| found(&pack(ranking, budget, lines, headers))),
        }
    }
}

impl Scores {
    pub(crate) fn of<'a>(found: impl IntoIterator<Item = &'a Found>) -> Self {
        let found: Vec<&Found> = found.into_iter().collect();
        let mean = |value: &dyn Fn(&Found) -> f64| {
            let sum: f64 = found.iter().map(|found| value(found)).sum();
            if found.is_empty() { 0.0 } else { 100.0 * sum / found.len() as f64 }
        };
        let whole = |value: Option<&f64>| f64::from(u8::from(value.is_some_and(|value| *value >= 1.0)));
        let at = |value: Option<&f64>| value.copied().unwrap_or(0.0);
        let ranks = || RANKS.into_iter().enumerate();
        let budgets = || BUDGETS.into_iter().enumerate();
        Self {
            questions: found.len(),
            recall: ranks().map(|(i, k)| (k, mean(&|it| at(it.recall.get(i))))).collect(),
            all: ranks().map(|(i, k)| (k, mean(&|it| whole(it.recall.get(i))))).collect(),
            budget: budgets().map(|(i, tokens)| (tokens, mean(&|it| at(it.budget.get(i))))).collect(),
            budget_all: budgets().map(|(i, tokens)| (tokens, mean(&|it| whole(it.budget.get(i))))).collect(),
        }
    }
}

impl Results {
    pub(crate) fn of(outcomes: &[Outcome]) -> Self {
        Self {
            scores: Scores::of(outcomes.iter().map(|outcome| &outcome.found)),
            by_category: by(outcomes, |outcome| outcome.category),
            by_conversation: by(outcomes, |outcome| outcome.conversation.clone()),
            latency_ms: Latency::of(outcomes.iter().map(|outcome| outcome.time)),
        }
    }
}

fn by<K: Ord>(outcomes: &[Outcome], key: impl Fn(&Outcome) -> K) -> BTreeMap<K, Scores> {
    let mut groups: BTreeMap<K, Vec<&Found>> = BTreeMap::new();
    for outcome in outcomes {
        groups.entry(key(outcome)).or_default().push(&outcome.found);
    }
    groups.into_iter().map(|(key, found)| (key, Scores::of(found))).collect()
}

/// The turns that go into a budget, whole, with one date for each session, in the order of the ranking.
fn pack(ranking: &[usize], budget: usize, lines: &[Line], headers: &[usize]) -> Vec<usize> {
    let (mut used, mut misses, mut taken, mut sessions) = (0, 0, Vec::new(), HashSet::new());
    for &turn in ranking {
        let Some(line) = lines.get(turn) else { continue };
        let is_open = sessions.contains(&line.session);
        let header = if is_open { 0 } else { headers.get(line.session).copied().unwrap_or(0) };
        let needed = line.pieces.saturating_add(header);
        if needed <= budget - used {
            used += needed;
            sessions.insert(line.session);
            taken.push(turn);
        } else {
            misses += 1;
            if misses > MISSES {
                break;
            }
        }
    }
    taken
}

fn share(part: usize, of: usize) -> f64 {
    if of == 0 { 0.0 } else { part as f64 / of as f64 }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(pieces: &[(usize, usize)]) -> Vec<Line> {
        pieces.iter().map(|&(session, pieces)| Line { session, pieces }).collect()
    }

    fn outcome(category: i64, conversation: &str, millis: u64, evidence: usize) -> Outcome {
        let found = Found::new(&[0], &HashSet::from([evidence]), &lines(&[(0, 1); 3]), &[0]);
        Outcome { category, conversation: conversation.to_owned(), time: Duration::from_millis(millis), found }
    }

    #[test]
    fn evidence_is_counted_among_the_first() {
        let lines = lines(&[(0, 10); 30]);
        let ranking: Vec<usize> = (0..30).collect();
        let found = Found::new(&ranking, &HashSet::from([0, 4, 9, 29]), &lines, &[3]);
        assert_eq!(found.recall, [0.5, 0.75, 0.75, 1.0]);
        assert_eq!(found.budget, [1.0; 3]);
        let scores = Scores::of([&found]);
        assert_eq!((scores.recall[&10], scores.all[&10], scores.all[&50]), (75.0, 0.0, 100.0));
    }

    #[test]
    fn a_turn_that_comes_twice_counts_once() {
        let found = Found::new(&[1, 1, 1], &HashSet::from([0, 1]), &lines(&[(0, 1); 3]), &[0]);
        assert_eq!((found.recall[0], found.budget[0]), (0.5, 0.5));
    }

    #[test]
    fn a_budget_takes_whole_turns_and_one_date_for_each_session() {
        let some = lines(&[(0, 400), (1, 500), (0, 300), (0, 90), (0, 1)]);
        // 400 + 5, then 500 + 5, then 300 does not fit, then 90 fills it.
        assert_eq!(pack(&[0, 1, 2, 3, 4], 1000, &some, &[5, 5]), [0, 1, 3]);
        assert_eq!(pack(&[0, 1, 2, 3, 4], 1001, &some, &[5, 5]), [0, 1, 3, 4]);
        assert_eq!(pack(&[0, 1, 2, 3, 4], 999, &some, &[5, 5]), [0, 1, 4]);
        // The session of a turn that did not fit is not open.
        assert_eq!(pack(&[1, 0], 404, &some, &[5, 5]), [] as [usize; 0]);
    }

    #[test]
    fn a_budget_is_full_after_twenty_turns_that_do_not_fit() {
        let mut many = vec![Line { session: 0, pieces: 2000 }; 21];
        many.push(Line { session: 0, pieces: 1 });
        let ranking: Vec<usize> = (0..22).collect();
        assert_eq!(pack(&ranking, 1000, &many, &[0]), [] as [usize; 0]);
        assert_eq!(pack(&ranking[1..], 1000, &many, &[0]), [21]);
    }

    #[test]
    fn groups_are_averaged_alone() {
        let outcomes = [outcome(1, "a", 1, 0), outcome(1, "b", 2, 1), outcome(4, "b", 9, 0)];
        let results = Results::of(&outcomes);
        assert_eq!(results.scores.questions, 3);
        assert_eq!((results.by_category[&1].recall[&5], results.by_category[&1].questions), (50.0, 2));
        assert_eq!((results.by_category[&4].all[&5], results.by_conversation["b"].recall[&50]), (100.0, 50.0));
        assert_eq!(results.latency_ms, Latency { p50: 2.0, p99: 9.0 });
        let nothing = Results::of(&[]);
        assert_eq!((nothing.scores.recall.len(), nothing.scores.recall[&10]), (4, 0.0));
    }

    #[test]
    fn keys_of_json_are_the_ranks_and_budgets() {
        let json = serde_json::to_value(Results::of(&[outcome(1, "a", 1, 0)])).unwrap();
        assert_eq!(json["questions"], 1);
        assert_eq!(json["recall"], serde_json::json!({"5": 100.0, "10": 100.0, "25": 100.0, "50": 100.0}));
        assert_eq!(
            json["by_category"]["1"]["budget_all"],
            serde_json::json!({"1000": 100.0, "2000": 100.0, "4000": 100.0})
        );
        assert_eq!(json["by_conversation"]["a"]["all"]["5"], 100.0);
        assert_eq!(json["latency_ms"], serde_json::json!({"p50": 1.0, "p99": 1.0}));
    }
}
