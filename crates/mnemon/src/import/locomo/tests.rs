use expect_test::{Expect, expect};

use super::super::parse as read;
use super::*;

fn show(import: &Import) -> String {
    let mut out = String::new();
    for conversation in &import.conversations {
        let scope = conversation.scope.as_ref().map_or("-".to_owned(), Scope::to_string);
        out += &format!("{scope} from {}\n", conversation.source.chars().take(14).collect::<String>());
        for session in &conversation.sessions {
            let started = session.started_at.map_or("-".to_owned(), |it| it.to_string());
            out += &format!("  {} {started}\n", session.name.as_deref().unwrap_or("-"));
            for turn in &session.turns {
                let id = &turn.origin.as_ref().unwrap().id;
                let speaker = turn.speaker.as_deref().map(|it| format!(" {it}")).unwrap_or_default();
                let at = turn.occurred_at.map(|it| format!(" {it}")).unwrap_or_default();
                let caption = turn.caption.as_deref().map(|it| format!(" [{it}]")).unwrap_or_default();
                let metadata = if turn.metadata.is_empty() {
                    String::new()
                } else {
                    format!(" {}", Value::Object(turn.metadata.clone()))
                };
                out += &format!("    {id} {}{speaker}{at}: {:?}{caption}{metadata}\n", turn.role, turn.text);
            }
        }
    }
    import.notes.iter().for_each(|note| out += &format!("note: {note}\n"));
    import.skipped.iter().for_each(|problem| out += &format!("skipped: {problem}\n"));
    out
}

#[track_caller]
fn check(skip_invalid: bool, text: &str, expected: Expect) {
    let options = Options { format: Some(Format::Locomo), skip_invalid, ..Options::default() };
    let shown = match read(text.as_bytes(), "f.json", &options) {
        Ok(import) => show(&import),
        Err(error) => format!("error: {error}\n"),
    };
    expected.assert_eq(&shown);
}

const TWO: &str = r#"[
  {"sample_id": "conv-1", "conversation": {
    "speaker_a": "Ann", "speaker_b": "Ben",
    "session_10_date_time": "12:05 am on 1 March, 2025", "session_10": [{"speaker": "Ben", "dia_id": "D10:1", "text": "late"}],
    "session_2_date_time": "6:05 pm on 2 February, 2025",
    "session_2": [
      {"speaker": "Ben", "dia_id": "D2:1", "text": "Look!", "blip_caption": "a heron", "img_url": ["u"], "query": "bird"},
      {"speaker": "Ann", "dia_id": "D2:2", "text": "Nice."}],
    "session_3": [], "session_99_date_time": "never held", "events_session_2": {}},
   "qa": [
     {"question": "What?", "answer": 2022, "category": 2, "evidence": ["D8:6; D9:17", "D:11:26", "D"]},
     {"question": "Who?", "adversarial_answer": "Ann", "category": 5}]},
  {"sample_id": 7, "conversation": {
    "speaker_a": "user", "speaker_b": "assistant", "session_1_date_time": "one day",
    "session_1": [
      {"speaker": "user", "dia_id": "D1:1", "text": "q"}, {"speaker": "assistant", "dia_id": "D1:1", "text": "a"},
      {"speaker": "user", "text": "no id"}, {"speaker": "user", "dia_id": "D1:4", "text": ""}]}}
]"#;

#[test]
fn conversations_become_scopes_with_sessions_in_order() {
    check(
        false,
        TWO,
        expect![[r#"
            user=conv-1 from locomo:conv-1
              session_2 2025-02-02T18:05:00Z
                D2:1 assistant Ben 2025-02-02T18:05:00Z: "Look!" [a heron] {"img_url":["u"]}
                D2:2 user Ann 2025-02-02T18:05:01Z: "Nice."
              session_10 2025-03-01T00:05:00Z
                D10:1 assistant Ben 2025-03-01T00:05:00Z: "late"
            user=7 from locomo:7
              session_1 -
                D1:1 user: "q"
                D1:1#2 assistant: "a"
                session_1/2 user: "no id"
            note: /1/conversation/session_1_date_time: the session has no time, because "one day" is none such as "1:56 pm on 8 May, 2023"
            note: /1/conversation/session_1/1: the id "D1:1" was given before and is stored as "D1:1#2"
            note: /1/conversation/session_1/3: left out because it has neither text nor caption
        "#]],
    );
    check(
        false,
        r#"{"conversation": {"session_1": [{"speaker": "X", "text": "alone"}]}}"#,
        expect![[r#"
            - from file:7c5cce15e
              session_1 -
                session_1/0 assistant X: "alone"
        "#]],
    );
    check(false, " ", expect![""]);
    check(false, "[]", expect![""]);
}

#[test]
fn questions_come_with_repaired_evidence() {
    let samples = samples(TWO.as_bytes(), "f.json", &Options::default()).unwrap();
    assert_eq!(samples[0].id.as_deref(), Some("conv-1"));
    assert_eq!(
        samples[0].questions,
        [
            Question {
                question: "What?".to_owned(),
                answer: Some("2022".to_owned()),
                category: 2,
                evidence: ["D8:6", "D9:17", "D11:26"].map(str::to_owned).to_vec(),
            },
            Question { question: "Who?".to_owned(), answer: None, category: 5, evidence: Vec::new() },
        ]
    );
    assert!(samples[1].questions.is_empty());
    // Questions that are none do not keep the conversations from being imported.
    let bad = r#"{"sample_id":"a","conversation":{},"qa":[{"question":1}]}"#;
    assert!(read(bad.as_bytes(), "f.json", &Options::default()).is_ok());
    let error = super::samples(bad.as_bytes(), "f.json", &Options::default()).unwrap_err().to_string();
    assert_eq!(error, "f.json, /qa/0/question: expected a string as `question`, got 1");
}

#[test]
fn evidence_is_repaired() {
    let check = |text: &str, expected: &[&str]| assert_eq!(repair_evidence(text), expected, "{text:?}");
    check("D3:12", &["D3:12"]);
    check("D8:6; D9:17", &["D8:6", "D9:17"]);
    check("D9:1 D4:4 D4:6", &["D9:1", "D4:4", "D4:6"]);
    check("D9:1D4:4", &["D9:1", "D4:4"]);
    check("D:11:26", &["D11:26"]);
    check("(D30:05)", &["D30:5"]);
    check("D3:12, D3:12", &["D3:12"]);
    check("D", &[]);
    check("D99999999999999999999:1", &[]);
    check("", &[]);
    check("turn 12:3", &[]);
}

#[test]
fn what_is_wrong_is_named_with_its_pointer() {
    check(
        false,
        "[{]",
        expect![[r#"
        error: f.json, line 1, byte 3: expected an array of conversations, or one of them, got "[{]"
    "#]],
    );
    check(
        false,
        "[{\"role\":\"user\"}]",
        expect![[r#"
        error: f.json, /0: expected a conversation: an object with `sample_id` and `conversation`, got an object of 1 fields such as "role"
    "#]],
    );
    check(
        false,
        "[{\"sample_id\":\"a=b\",\"conversation\":{}}]",
        expect![[r#"
        error: f.json, /0/sample_id: expected the name of a user as `sample_id`, got "a=b"
    "#]],
    );
    let twice = r#"[{"sample_id":"a","conversation":{}},{"sample_id":"a","conversation":{}}]"#;
    check(
        false,
        twice,
        expect![[r#"
        error: f.json, /1/sample_id: expected a `sample_id` of its own, got "a" again
    "#]],
    );
    check(
        false,
        r#"{"conversation":{"session_1":[{"text":"x"}]}}"#,
        expect![[r#"
        error: f.json, /conversation/session_1/0: expected a string as `speaker`, got none
    "#]],
    );
    let bad = r#"{"sample_id":"a","conversation":{"session_1":5,"session_2":[{"speaker":"X","text":[]},{"speaker":"X","text":"kept"}]}}"#;
    check(
        true,
        bad,
        expect![[r#"
        user=a from locomo:a
          session_2 -
            session_2/1 assistant X: "kept"
        skipped: /conversation/session_1: expected an array of turns, got 5
        skipped: /conversation/session_2/0/text: expected a string as `text`, got an array of 0 values
    "#]],
    );
    let error = read(b"[{\"sample_id\":\n\"\xff\"}]", "f.json", &Options::default()).unwrap_err().to_string();
    assert_eq!(error, "f.json, line 2, byte 2: expected UTF-8 text, got the byte 0xff");
    let deep = format!("[{}", "[".repeat(100_000));
    assert!(read(deep.as_bytes(), "f.json", &Options { format: Some(Format::Locomo), ..Options::default() }).is_err());
}
