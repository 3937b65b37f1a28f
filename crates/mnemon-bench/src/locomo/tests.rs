use std::path::PathBuf;

use mnemon::Config;
use mnemon::embed::LocateOptions;

use super::*;
use crate::scores::{BUDGETS, RANKS};

/// Two conversations of our own in LoCoMo's format.
fn garden() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/garden.locomo.json")
}

fn options(conversations: Option<&str>, categories: Option<&str>) -> LocomoOptions {
    LocomoOptions {
        conversations: conversations.map(|it| it.parse().unwrap()),
        categories: categories.map(|it| it.parse().unwrap()),
        baselines: Baseline::ALL.to_vec(),
        ..LocomoOptions::default()
    }
}

#[track_caller]
fn check_error(conversations: Option<&str>, categories: Option<&str>, expected: &str) {
    let samples = samples(&std::fs::read(garden()).unwrap(), "garden", &Options::default()).unwrap();
    let options = options(conversations, categories);
    let error = super::categories(&samples, options.categories.as_ref())
        .and_then(|_| chosen(samples, options.conversations.as_ref()).map(|_| ()))
        .unwrap_err();
    assert_eq!(error.to_string(), expected);
}

#[test]
fn what_the_data_does_not_have_is_an_error() {
    check_error(Some("0-2"), None, "expected conversations from 0 to 1, got 2");
    check_error(Some("-1"), None, "expected conversations from 0 to 1, got -1");
    check_error(None, Some("1,3"), "expected categories of the data (1, 2, 4, 5), got 3");
}

#[test]
fn the_usual_categories_are_those_that_the_data_has() {
    let samples = samples(&std::fs::read(garden()).unwrap(), "garden", &Options::default()).unwrap();
    assert_eq!(categories(&samples, None).unwrap(), BTreeSet::from([1, 2, 4]));
    assert_eq!(categories(&samples, Some(&"5".parse().unwrap())).unwrap(), BTreeSet::from([5]));
}

#[test]
fn engine_and_baselines_are_measured_on_the_same_questions() {
    let bench = Bench::load(Config::default(), LocateOptions::from_env()).unwrap();
    let mut steps = Vec::new();
    let report = locomo(&bench, &garden(), &options(None, None), &mut |progress| {
        assert!(progress.done <= progress.total, "{progress:?}");
        steps.push(progress.step);
    })
    .unwrap();
    steps.dedup();
    assert_eq!(steps, [Step::Import, Step::Embed, Step::Ask, Step::Baseline]);
    assert_eq!(report.measured.data, "garden.locomo.json");
    let sizes: Vec<_> = report.measured.conversations.iter().map(|it| (it.sessions, it.turns, it.questions)).collect();
    assert_eq!(sizes, [(2, 12, 4), (2, 8, 2)]);
    assert_eq!(report.measured.without_evidence, 1);
    assert_eq!(report.baselines.keys().copied().collect::<Vec<_>>(), ["bm25", "dense", "rrf"]);
    for results in report.baselines.values().chain([&report.results]) {
        assert_eq!(results.scores.questions, 6);
        assert_eq!(results.by_category.keys().copied().collect::<Vec<_>>(), [1, 2, 4]);
        assert_eq!(results.by_category.values().map(|it| it.questions).sum::<usize>(), 6);
        assert_eq!(results.by_conversation["garden-1"].questions, 4);
        assert_eq!(results.scores.recall.keys().copied().collect::<Vec<_>>(), RANKS);
        assert_eq!(results.scores.budget.keys().copied().collect::<Vec<_>>(), BUDGETS);
        // No conversation has more than 12 turns, so a ranking of all of them holds everything at 25.
        assert!(results.latency_ms.p50 > 0.0 && results.latency_ms.p50 <= results.latency_ms.p99);
    }
    assert_eq!(report.baselines["dense"].scores.all[&25], 100.0);
    // The words of each question stand in its evidence, and the engine compares words and meanings.
    assert_eq!(report.results.scores.recall[&10], 100.0);
    assert!(report.results.by_conversation["garden-2"].recall[&5] >= 50.0);

    let again = locomo(&bench, &garden(), &options(None, None), &mut |_| {}).unwrap();
    assert_eq!(again.results.scores, report.results.scores);
    let second = locomo(&bench, &garden(), &options(Some("1"), Some("4")), &mut |_| {}).unwrap();
    assert_eq!(second.measured.conversations[0].name, "garden-2");
    assert_eq!(second.results.scores, second.results.by_category[&4]);
}

#[test]
fn a_question_about_nothing_is_not_counted() {
    let bench = Bench::load(Config::default(), LocateOptions::from_env()).unwrap();
    let error = locomo(&bench, &garden(), &options(Some("0"), Some("5")), &mut |_| {}).unwrap_err();
    assert_eq!(error.to_string(), "expected questions with evidence in garden.locomo.json, got none of 1");
    let error = locomo(&bench, Path::new("nowhere.json"), &options(None, None), &mut |_| {}).unwrap_err();
    assert_eq!(error.to_string(), "could not read nowhere.json");
}
