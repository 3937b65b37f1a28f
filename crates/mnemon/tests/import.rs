//! The conversation in examples/data, read as a user reads it.

#![expect(clippy::unwrap_used, reason = "a helper of tests fails as they do")]

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::PathBuf;

use mnemon::import::{self, Format, Import, Options};
use mnemon_core::{NewTurn, Role, Timestamp};
use serde::Deserialize;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Question {
    question: String,
    answer: String,
    expect: Vec<String>,
    evidence: Vec<String>,
    asked_at: Timestamp,
    kind: String,
    #[serde(default)]
    demo: bool,
}

fn data(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../examples/data").join(name)
}

fn nora() -> Import {
    import::read(data("nora.jsonl"), &Options::default()).unwrap()
}

fn questions() -> Vec<Question> {
    serde_json::from_str(&std::fs::read_to_string(data("nora.questions.json")).unwrap()).unwrap()
}

fn words(turn: &NewTurn) -> usize {
    turn.text.split_whitespace().count()
}

#[test]
fn the_conversation_is_what_its_readme_says() {
    let import = nora();
    assert_eq!((import.format, import.turns(), import.sessions(), import.memories()), (Format::Jsonl, 277, 11, 0));
    assert_eq!(import.lines, 277 + 11);
    assert!(import.notes.is_empty() && import.skipped.is_empty(), "{:?}", import.notes);

    let sessions = &import.conversations[0].sessions;
    let mut last = Timestamp::MIN;
    for session in sessions {
        assert_eq!(session.started_at, session.turns[0].occurred_at, "{:?}", session.name);
        for turn in &session.turns {
            let at = turn.occurred_at.unwrap();
            assert!(at > last, "{:?} is not later than the turn before it", turn.origin);
            last = at;
            let (role, speaker) = (turn.role, turn.speaker.as_deref());
            assert!(matches!((role, speaker), (Role::User, Some("Nora")) | (Role::Assistant, Some("Assistant"))));
        }
    }
    let days = last.duration_since(sessions[0].started_at.unwrap()).as_hours() / 24;
    assert!((330..=366).contains(&days), "{days} days");

    let turns: Vec<_> = sessions.iter().flat_map(|session| &session.turns).collect();
    let long = turns.iter().filter(|turn| turn.role == Role::Assistant && (150..=300).contains(&words(turn))).count();
    let short = turns.iter().filter(|turn| turn.role == Role::User && words(turn) <= 12).count();
    let captions = turns.iter().filter(|turn| turn.caption.is_some()).count();
    assert!(long >= 6 && short >= 40 && captions >= 5, "{long} long, {short} short, {captions} with a caption");
    assert!(turns.iter().any(|turn| turn.text.contains("地図")));
    assert!(turns.iter().any(|turn| turn.text.contains("Eigenbedarf")));
}

#[test]
fn answers_stand_in_their_evidence() {
    let import = nora();
    let turns: HashMap<_, _> = import.conversations[0]
        .sessions
        .iter()
        .flat_map(|session| &session.turns)
        .map(|turn| (turn.origin.clone().unwrap().id, turn))
        .collect();
    let questions = questions();
    let mut kinds = BTreeMap::new();
    for question in &questions {
        *kinds.entry(question.kind.as_str()).or_insert(0) += 1;
        let evidence = question.evidence.iter().map(|id| turns.get(id).unwrap_or_else(|| panic!("no turn {id}")));
        let said: Vec<String> = evidence
            .map(|turn| {
                assert!(turn.occurred_at.unwrap() < question.asked_at, "{} comes before its answer", question.question);
                format!("{} {}", turn.text, turn.caption.as_deref().unwrap_or_default()).to_lowercase()
            })
            .collect();
        assert_eq!(question.kind == "none", said.is_empty(), "{}", question.question);
        assert_eq!(question.expect.is_empty(), said.is_empty(), "{}", question.question);
        for piece in question.expect.iter().map(|piece| piece.to_lowercase()) {
            assert!(question.answer.to_lowercase().contains(&piece), "{piece:?} is not in {:?}", question.answer);
            assert!(said.iter().any(|text| text.contains(&piece)), "{piece:?} is not in {:?}", question.evidence);
        }
        // A turn that adds nothing to the answer is no evidence.
        for (id, text) in question.evidence.iter().zip(&said) {
            let helps = question.expect.iter().any(|piece| text.contains(&piece.to_lowercase()));
            assert!(helps, "{id} holds nothing of {:?}", question.expect);
        }
    }
    let distinct: BTreeSet<_> = questions.iter().map(|question| question.question.as_str()).collect();
    assert_eq!((questions.len(), distinct.len()), (32, 32));
    assert_eq!(questions.iter().filter(|question| question.demo).count(), 6);
    assert_eq!(kinds.keys().copied().collect::<Vec<_>>(), ["multi-hop", "none", "single-hop", "temporal", "update"]);
    assert!(kinds.values().all(|count| *count >= 3), "{kinds:?}");
}
