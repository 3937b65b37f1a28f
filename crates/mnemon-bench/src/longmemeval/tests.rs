use std::path::PathBuf;

use mnemon::Config;
use mnemon::embed::LocateOptions;

use super::*;

/// Four questions of our own in LongMemEval's format.
fn workshop() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/workshop.longmemeval.json")
}

fn entries() -> Vec<Entry> {
    Entry::parse(&std::fs::read(workshop()).unwrap(), &workshop()).unwrap()
}

/// What a ranking of turns, as ids of sessions and turns, is worth.
fn levels(entry: &Entry, role: Option<Role>, ids: &[&str]) -> Levels {
    let view = entry.view(|of| role.is_none_or(|role| role == of));
    let ranking = view.ranking(ids.iter().copied());
    Levels { turn: view.corpus.of_turns(&ranking), session: view.corpus.of_sessions(&ranking) }
}

#[track_caller]
fn check(level: &Level, k: usize, expected: [f64; 3]) {
    let figures = level[LONGMEMEVAL_RANKS.iter().position(|rank| *rank == k).unwrap()];
    let got = [figures.any, figures.all, figures.ndcg];
    assert!(got.iter().zip(expected).all(|(a, b)| (a - b).abs() < 1e-12), "at {k}: {got:?}, expected {expected:?}");
}

#[test]
fn figures_of_the_user_turns_are_those_of_the_official_code() {
    // The user's turns of w2: 0:0 (evidence), 1:0, 2:0, 2:2 (evidence). An assistant's turn takes no rank.
    let w2 = &entries()[1];
    let found = levels(w2, Some(Role::User), &["2:3", "2:0", "2:2", "1:0", "0:0"]);
    check(&found.turn, 1, [0.0, 0.0, 0.0]);
    // Evidence at rank 2, worth 1 / log2(2), of a perfect 1 + 1 / log2(2).
    check(&found.turn, 3, [1.0, 0.0, 0.5]);
    // And at rank 4, worth 1 / log2(4).
    check(&found.turn, 5, [1.0, 1.0, 0.75]);
    check(&found.session, 1, [0.0, 0.0, 0.0]);
    // Turn 2:0 counts as a session of its own, so three sessions are met with three turns.
    check(&found.session, 3, [1.0, 0.0, 0.5]);
    check(&found.session, 5, [1.0, 1.0, 0.75]);
}

#[test]
fn figures_of_all_turns_count_the_assistant_too() {
    let w3 = &entries()[2];
    assert!(!w3.view(|role| role == Role::User).corpus.has_evidence());
    let found = levels(w3, None, &["1:1", "1:0", "0:1", "0:0"]);
    check(&found.turn, 1, [0.0, 0.0, 0.0]);
    check(&found.turn, 3, [1.0, 1.0, 1.0 / 3.0f64.log2()]);
    // Two turns of one session, then that of the answer: the second session is met with the third turn.
    check(&found.session, 1, [0.0, 0.0, 0.0]);
    check(&found.session, 3, [1.0, 1.0, 1.0 / 3.0f64.log2()]);
}

#[test]
fn a_history_becomes_one_conversation() {
    let import = entries()[0].import();
    assert_eq!((import.sessions(), import.turns()), (3, 8));
    let turn = &import.conversations[0].sessions[1].turns[2];
    assert_eq!(turn.text, "Mortise and tenon, and a shelf for shoes below.");
    assert_eq!(turn.occurred_at.unwrap().to_string(), "2024-02-09T09:12:02Z");
    assert_eq!((turn.role, turn.origin.as_ref().unwrap().id.as_str()), (Role::User, "1:2"));
}

#[test]
fn the_engine_is_asked_in_the_history_of_each_question() {
    let bench = Bench::load(Config::default(), LocateOptions::from_env()).unwrap();
    let mut steps = Vec::new();
    let report = longmemeval(&bench, &workshop(), &LongMemEvalOptions::default(), &mut |progress| {
        steps.push(progress.step);
    })
    .unwrap();
    steps.dedup();
    assert_eq!(steps, [Step::Import, Step::Embed, Step::Ask].repeat(3));
    let measured = &report.measured;
    assert_eq!((measured.questions, measured.abstentions, measured.turns), (3, 1, 20));
    let (user, all) = (&report.user_turns, &report.all_turns);
    assert_eq!((user.scores.questions, user.without_evidence), (2, 1));
    assert_eq!((all.scores.questions, all.without_evidence), (3, 0));
    assert_eq!(
        all.by_type.keys().collect::<Vec<_>>(),
        ["multi-session", "single-session-assistant", "single-session-user"]
    );
    // The words of each question stand in its evidence, and no history has more than eight turns.
    assert_eq!(user.by_type["single-session-user"].turn.recall_all[&1], 100.0);
    assert_eq!(all.by_type["single-session-assistant"].session.recall_any[&1], 100.0);
    assert_eq!(all.scores.turn.recall_all[&50], 100.0);
    assert_eq!(user.by_type["multi-session"].session.recall_all[&1], 0.0, "two sessions are not found at rank 1");
    assert!(report.latency_ms.p50 > 0.0);

    let one = LongMemEvalOptions { questions: Some("1".parse().unwrap()) };
    let one = longmemeval(&bench, &workshop(), &one, &mut |_| {}).unwrap();
    assert_eq!(one.all_turns.scores, all.by_type["multi-session"]);
    let json = serde_json::to_value(&one).unwrap();
    assert_eq!(json["user_turns"]["turn"]["recall_all"].as_object().unwrap().len(), 6);
    assert_eq!(json["user_turns"]["questions"], 1);
}

#[test]
fn what_the_data_does_not_have_is_an_error() {
    let bench = Bench::load(Config::default(), LocateOptions::from_env()).unwrap();
    let fails = |questions: &str| {
        let options = LongMemEvalOptions { questions: Some(questions.parse().unwrap()) };
        longmemeval(&bench, &workshop(), &options, &mut |_| {}).unwrap_err().to_string()
    };
    assert_eq!(fails("2-4"), "expected questions from 0 to 3, got 4");
    assert_eq!(fails("3"), "expected questions with evidence in workshop.longmemeval.json, got none of 0");
}
