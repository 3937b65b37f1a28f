use expect_test::{Expect, expect};
use mnemon_core::{MemoryId, Placement, SessionId, Slot, State, Trust, Turn};
use proptest::prelude::*;

use super::super::parse as read;
use super::*;

fn options() -> Options {
    Options { format: Some(Format::Jsonl), source: Some("s".to_owned()), ..Options::default() }
}

/// A file as it was understood, or the error.
#[track_caller]
fn check(text: &str, expected: Expect) {
    let shown = match read(text.as_bytes(), "f.jsonl", &options()) {
        Ok(import) => show(&import),
        Err(error) => format!("error: {error}\n"),
    };
    expected.assert_eq(&shown);
}

fn show(import: &Import) -> String {
    let mut out = String::new();
    for conversation in &import.conversations {
        out += &format!("scope {}\n", conversation.scope.as_ref().map_or("-".to_owned(), Scope::to_string));
        for session in &conversation.sessions {
            let started = session.started_at.map(|it| format!(" {it}")).unwrap_or_default();
            out += &format!("  session {}{started}\n", session.name.as_deref().unwrap_or("-"));
            for turn in &session.turns {
                let origin = turn.origin.as_ref().unwrap();
                let id = if origin.source == "s" { origin.id.clone() } else { format!("{}@file", origin.id) };
                let speaker = turn.speaker.as_deref().map(|it| format!(" {it}")).unwrap_or_default();
                let at = turn.occurred_at.map(|it| format!(" {it}")).unwrap_or_default();
                let caption = turn.caption.as_deref().map(|it| format!(" [{it}]")).unwrap_or_default();
                out += &format!("    {id} {}{speaker}{at}: {:?}{caption}", turn.role, turn.text);
                if turn.priority != 1.0 {
                    out += &format!(" !{}", turn.priority);
                }
                if !turn.metadata.is_empty() {
                    out += &format!(" {}", Value::Object(turn.metadata.clone()));
                }
                out.push('\n');
            }
        }
        for memory in &conversation.memories {
            out += &format!("  {}{}: {:?}\n", memory.kind, if memory.pinned { " pinned" } else { "" }, memory.text);
        }
    }
    import.notes.iter().for_each(|note| out += &format!("note: {note}\n"));
    import.skipped.iter().for_each(|problem| out += &format!("skipped: {problem}\n"));
    out
}

#[test]
fn turns_sessions_and_memories_find_their_places() {
    check(
        r#"{"type":"session","name":"S1","time":"2025-03-02"}
{"type":"turn","session":"S1","id":"S1:1","time":"2025-03-02T18:05:00+01:00","role":"user","speaker":"Nora","text":"hi","caption":"a heron","priority":2.5,"metadata":{"a":1}}

{"role":"assistant","content":"hello","session":"S2"}
{"role":"human","text":"goes on in S1"}
{"type":"fact","text":"likes tea","pinned":true,"scope":"user=ann"}
{"type":"turn","scope":"user=ann","speaker":"Ann","text":"first","id":7}
{"type":"turn","scope":"user=ann","speaker":"Ben","text":"second"}
{"type":"session","scope":"user=ann"}
{"scope":"user=ann","speaker":"Assistant","text":"third"}
"#,
        expect![[r#"
            scope -
              session S1 2025-03-02T00:00:00Z
                S1:1 user Nora 2025-03-02T17:05:00Z: "hi" [a heron] !2.5 {"a":1}
                line 5@file user: "goes on in S1"
              session S2
                line 4@file assistant: "hello"
            scope user=ann
              session -
                7 user Ann: "first"
                line 8@file assistant Ben: "second"
              session -
                line 10@file assistant: "third"
              fact pinned: "likes tea"
        "#]],
    );
}

#[test]
fn nothing_is_lost_and_odd_text_is_kept() {
    check("", expect![""]);
    check("\u{feff}\r\n \r\n", expect![""]);
    check(
        "{\"role\":\"tool\",\"text\":\"a\\u0000b \\ud83d\\ude00 \u{202e}x\",\"call\":\"c1\",\"x\":null}\r\n{\"role\":\"user\",\"text\":\"b\",\"call\":2}",
        expect![[r#"
            scope -
              session -
                line 1@file tool: "a\0b 😀 \u{202e}x" {"call":"c1"}
                line 2@file user: "b" {"call":2}
            note: line 1: the field "call" is not one of the format and is kept in the metadata
        "#]],
    );
    check(
        r#"{"role":"assistant","content":null}
{"role":"user","text":" ","caption":"a cat"}
{"type":"note","text":""}"#,
        expect![[r#"
            scope -
              session -
                line 2@file user: " " [a cat]
            note: line 1: left out because it has neither text nor caption
            note: line 3: left out because it has neither text nor caption
        "#]],
    );
    // A role that is stated on one line holds for the speaker on the others.
    check(
        r#"{"speaker":"Ada","text":"1"}
{"role":"assistant","speaker":"Ada","text":"2"}
{"speaker":"Tom","text":"3"}"#,
        expect![[r#"
            scope -
              session -
                line 1@file assistant Ada: "1"
                line 2@file assistant Ada: "2"
                line 3@file user Tom: "3"
        "#]],
    );
}

#[test]
fn what_is_wrong_is_named_with_its_line() {
    let wrong =
        |line: &str, expected: Expect| check(&format!("{{\"role\":\"user\",\"text\":\"ok\"}}\n{line}\n"), expected);
    wrong(
        "hello",
        expect![[r#"
        error: f.jsonl, line 2, byte 1: expected a JSON object on one line, got "hello"
    "#]],
    );
    wrong(
        "[1]",
        expect![[r#"
        error: f.jsonl, line 2: expected a JSON object on one line, got an array of 1 values
    "#]],
    );
    wrong(
        r#"{"role":"user","text":"#,
        expect![[r#"
        error: f.jsonl, line 2, byte 22: expected a JSON object on one line, got the end in the middle of it
    "#]],
    );
    wrong(
        r#"{"role":"user","text":"\ud800 x"}"#,
        expect![[r#"
        error: f.jsonl, line 2, byte 30: expected a JSON object on one line, got "ser\",\"text\":\"\\ud800 x\"}"
    "#]],
    );
    wrong(
        r#"{"role":"poet","text":"x"}"#,
        expect![[r#"
        error: f.jsonl, line 2: expected a role (user, assistant, system, tool) as `role`, got "poet"
    "#]],
    );
    wrong(
        r#"{"role":"user"}"#,
        expect![[r#"
        error: f.jsonl, line 2: expected a string as `text`, got none
    "#]],
    );
    wrong(
        r#"{"role":"user","text":5}"#,
        expect![[r#"
        error: f.jsonl, line 2: expected a string as `text`, got 5
    "#]],
    );
    wrong(
        r#"{"text":"x"}"#,
        expect![[r#"
        error: f.jsonl, line 2: expected a `type`, or a `role` as turns have it, got an object of 1 fields such as "text"
    "#]],
    );
    wrong(
        r#"{"type":"turn","text":"x"}"#,
        expect![[r#"
        error: f.jsonl, line 2: expected a `role` or a `speaker` of the turn, got neither
    "#]],
    );
    wrong(
        r#"{"type":"poem","text":"x"}"#,
        expect![[r#"
        error: f.jsonl, line 2: expected a type (turn, fact, note, document, summary, session) as `type`, got "poem"
    "#]],
    );
    wrong(
        r#"{"role":"user","text":"x","time":"yesterday"}"#,
        expect![[r#"
        error: f.jsonl, line 2: expected a time such as "2025-03-02T18:05:00Z" or "2025-03-02" as `time`, got "yesterday"
    "#]],
    );
    wrong(
        r#"{"role":"user","text":"x","priority":1e300}"#,
        expect![[r#"
        error: f.jsonl, line 2: expected a finite number as `priority`, got 1e+300
    "#]],
    );
    wrong(
        r#"{"role":"user","text":"x","metadata":[]}"#,
        expect![[r#"
        error: f.jsonl, line 2: expected an object as `metadata`, got an array of 0 values
    "#]],
    );
    wrong(
        r#"{"role":"user","text":"x","a":1,"metadata":{"a":2}}"#,
        expect![[r#"
        error: f.jsonl, line 2: expected a field of its own or one in `metadata`, got both for "a"
    "#]],
    );
    wrong(
        r#"{"role":"user","text":"x","scope":"team=x"}"#,
        expect![[r#"
        error: f.jsonl, line 2: expected a scope such as "user=ann,project=garden" as `scope`, got "team=x"
    "#]],
    );
    wrong(
        "{\"role\":\"user\",\"text\":\"x\",\"id\":\"a\"}\n{\"role\":\"user\",\"text\":\"y\",\"id\":\"a\"}",
        expect![[r#"
        error: f.jsonl, line 3: expected an `id` of its own in its scope and source, got "a", which is also that of line 2
    "#]],
    );
    wrong(
        &format!("{{\"role\":\"user\",\"text\":{}", "[".repeat(100_000)),
        expect![[r#"
        error: f.jsonl, line 2, byte 149: expected a JSON object on one line, got "[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[..."
    "#]],
    );
}

#[test]
fn bad_lines_can_be_left_out_with_a_report() {
    let text = b"{\"role\":\"user\",\"text\":\"1\"}\n\xff\xfe\n{\"role\":\"user\",\"text\":\"caf\xe9\"}\n{\"role\":3,\"text\":\"4\"}\n{\"role\":\"user\",\"text\":\"5\"}";
    let import = read(text, "f.jsonl", &Options { skip_invalid: true, ..options() }).unwrap();
    expect![[r#"
        scope -
          session -
            line 1@file user: "1"
            line 5@file user: "5"
        skipped: line 2, byte 1: expected UTF-8 text, got the byte 0xff
        skipped: line 3, byte 27: expected UTF-8 text, got the byte 0xe9
        skipped: line 4: expected a string as `role`, got 3
    "#]]
    .assert_eq(&show(&import));
    let error = read(text, "f.jsonl", &options()).unwrap_err();
    assert!(matches!(error, ImportError::Invalid { place: Place::Byte { line: 2, column: 1 }, source: Some(_), .. }));
}

#[test]
fn a_line_of_ten_megabytes_is_a_turn() {
    let text = "x".repeat(10 << 20);
    let import = read(format!("{{\"role\":\"user\",\"text\":\"{text}\"}}").as_bytes(), "f", &options()).unwrap();
    assert_eq!(import.conversations[0].sessions[0].turns[0].text.len(), text.len());
}

fn session(name: Option<&str>) -> Session {
    Session {
        id: SessionId::new(Timestamp::UNIX_EPOCH),
        scope: Scope::user_scope("ann").unwrap(),
        name: name.map(str::to_owned),
        started_at: Timestamp::UNIX_EPOCH,
        turns: 1,
    }
}

prop_compose! {
    fn any_memory()(
        kind in proptest::sample::select(Kind::ALL), text in "\\PC{0,20}[a-z\0\n\"\\\\😀]", caption in proptest::option::of("\\PC{1,9}"),
        role in proptest::sample::select(Role::ALL), speaker in proptest::option::of("[A-Z][a-z]{1,8}"),
        user in proptest::option::of("[a-z]{1,8}"), pinned: bool, priority in -1e6f32..1e6,
        metadata in proptest::collection::btree_map("\\PC{1,5}", any::<i64>(), 0..3),
        trust in proptest::sample::select(Trust::ALL), importance in 0f32..=1.0, about in proptest::option::of("[a-z]{1,9}"),
        origin in proptest::option::of("[a-z]{1,9}"), millis in proptest::option::of(0i64..4_000_000_000_000),
    ) -> Memory {
        let at = millis.map(|it| Timestamp::from_millisecond(it).unwrap());
        let turn = (kind == Kind::Turn).then(|| Turn {
            session: SessionId::new(Timestamp::UNIX_EPOCH), position: 0, role, speaker, placement: Placement::Window,
        });
        Memory {
            id: MemoryId::new(Timestamp::UNIX_EPOCH),
            scope: user.map(|user| Scope::user_scope(user).unwrap()).unwrap_or_default(),
            kind, text, caption, pinned: pinned && kind != Kind::Turn, priority, turn,
            metadata: metadata.into_iter().map(|(key, value)| (key, value.into())).collect(),
            origin: origin.map(|id| Origin { source: "notes".to_owned(), id }),
            occurred_at: at, stored_at: Timestamp::UNIX_EPOCH, updated_at: Timestamp::UNIX_EPOCH, trust,
            state: State { importance, expires_at: at, about: about.map(|slot| Slot::new("Ann", slot)), ..State::default() },
        }
    }
}

proptest! {
    #[test]
    fn what_is_written_is_read_back(memory in any_memory()) {
        let usual = Trust::of(memory.kind, memory.turn.as_ref().map(|turn| turn.role), true);
        let trust = Some(memory.trust).filter(|trust| *trust != usual).map(|trust| trust.min(Trust::External));
        let mut line = Vec::new();
        write_memory(&mut line, &memory, Some("S1")).unwrap();
        prop_assert_eq!(line.iter().filter(|byte| **byte == b'\n').count(), 1);
        let import = read(&line, "export", &options()).unwrap();
        prop_assert!(import.notes.is_empty());
        let conversation = &import.conversations[0];
        prop_assert_eq!(conversation.scope.clone().unwrap_or_default(), memory.scope);
        let own = Origin { source: "mnemon".to_owned(), id: memory.id.to_string() };
        let origin = Some(memory.origin.unwrap_or(own));
        match memory.turn {
            Some(turn) => {
                let session = &conversation.sessions[0];
                prop_assert_eq!(session.name.as_deref(), Some("S1"));
                let expected = NewTurn {
                    role: turn.role, speaker: turn.speaker, text: memory.text, caption: memory.caption, priority: memory.priority,
                    metadata: memory.metadata, origin, occurred_at: memory.occurred_at,
                    trust, state: memory.state,
                };
                prop_assert_eq!(&session.turns[0], &expected);
            }
            None => {
                let expected = NewMemory {
                    kind: memory.kind, text: memory.text, caption: memory.caption, pinned: memory.pinned, priority: memory.priority,
                    metadata: memory.metadata, origin, occurred_at: memory.occurred_at,
                    trust, state: memory.state,
                };
                prop_assert_eq!(&conversation.memories[0], &expected);
            }
        }
    }
}

#[test]
fn sessions_are_written_and_read_back() {
    let mut lines = Vec::new();
    write_session(&mut lines, &session(Some("S1"))).unwrap();
    write_session(&mut lines, &session(None)).unwrap();
    lines.extend_from_slice(b"{\"role\":\"user\",\"text\":\"x\",\"scope\":\"user=ann\"}\n");
    expect![[r#"
        scope user=ann
          session S1 1970-01-01T00:00:00Z
          session - 1970-01-01T00:00:00Z
            line 3@file user: "x"
    "#]]
    .assert_eq(&show(&read(&lines, "export", &options()).unwrap()));
}
