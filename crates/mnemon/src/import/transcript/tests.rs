use expect_test::{Expect, expect};

use super::super::parse as read;
use super::*;

fn options() -> Options {
    Options { format: Some(Format::Transcript), ..Options::default() }
}

fn show(import: &Import) -> String {
    let mut out = String::new();
    for session in import.conversations.iter().flat_map(|it| &it.sessions) {
        let started = session.started_at.map(|it| format!(" {it}")).unwrap_or_default();
        out += &format!("session {}{started}\n", session.name.as_deref().unwrap_or("-"));
        for turn in &session.turns {
            let line = turn.origin.as_ref().unwrap().id.strip_prefix("line ").unwrap();
            let speaker = turn.speaker.as_deref().map(|it| format!(" {it}")).unwrap_or_default();
            let at = turn.occurred_at.map(|it| format!(" {it}")).unwrap_or_default();
            out += &format!("  {line} {}{speaker}{at}: {:?}\n", turn.role, turn.text);
        }
    }
    import.notes.iter().for_each(|note| out += &format!("note: {note}\n"));
    import.skipped.iter().for_each(|problem| out += &format!("skipped: {problem}\n"));
    out
}

#[track_caller]
fn check(text: &str, expected: Expect) {
    check_with(&options(), text, expected);
}

#[track_caller]
fn check_with(options: &Options, text: &str, expected: Expect) {
    let shown = match read(text.as_bytes(), "chat.txt", options) {
        Ok(import) => show(&import),
        Err(error) => format!("error: {error}\n"),
    };
    expected.assert_eq(&shown);
}

#[test]
fn plain_names_start_turns_and_other_lines_go_on() {
    check(
        "User: hi\n\nAssistant: Two things:\n\n- https://example.org: a page\n- 10:30 tea\nNote: one more\n\nUser:  bye \n",
        expect![[r#"
            session -
              1 user: "hi"
              3 assistant: "Two things:\n\n- https://example.org: a page\n- 10:30 tea\nNote: one more"
              9 user: "bye"
            note: line 7: "Note" is not taken as the name of a speaker
        "#]],
    );
    check(
        "Nora: hi\nTom: hello",
        expect![[r#"
        session -
          1 user Nora: "hi"
          2 assistant Tom: "hello"
    "#]],
    );
    check(
        "Claude: hello\r\nNora:\r\nhi\r\n\r\nthere\r\n",
        expect![[r#"
        session -
          1 assistant Claude: "hello"
          2 user Nora: "hi\n\nthere"
    "#]],
    );
    // The third name starts one line only.
    check(
        "Nora: hi\nTom: hello\nFlour: 200 g\nNora: thanks\nTom: sure",
        expect![[r#"
        session -
          1 user Nora: "hi"
          2 assistant Tom: "hello\nFlour: 200 g"
          4 user Nora: "thanks"
          5 assistant Tom: "sure"
        note: line 3: "Flour" is not taken as the name of a speaker
    "#]],
    );
    let given = [("flour".to_owned(), Role::Tool), ("Nora".to_owned(), Role::Assistant)];
    check_with(
        &Options { roles: given.into(), ..options() },
        "Nora: hi\nTom: hello\nFlour: 200 g\nTom: sure",
        expect![[r#"
        session -
          1 assistant Nora: "hi"
          2 user Tom: "hello"
          3 tool Flour: "200 g"
          4 user Tom: "sure"
    "#]],
    );
}

#[test]
fn times_are_read_in_many_forms() {
    check(
        "[2025-03-02 18:05] Nora: hi\n[2025-03-02T18:06:30+01:00] Tom: hello\nNora: not a turn\n",
        expect![[r#"
            session - 2025-03-02T18:05:00Z
              1 user Nora 2025-03-02T18:05:00Z: "hi"
              2 assistant Tom 2025-03-02T17:06:30Z: "hello\nNora: not a turn"
        "#]],
    );
    check(
        "02/03/2025, 18:04 - Messages are end-to-end encrypted.\n02/03/2025, 18:05 - Nora: hi\n13/03/2025, 08:00 - Tom: a\nb: c\n",
        expect![[r#"
            session - 2025-03-02T18:05:00Z
              2 user Nora 2025-03-02T18:05:00Z: "hi"
            session - 2025-03-13T08:00:00Z
              3 assistant Tom 2025-03-13T08:00:00Z: "a\nb: c"
            note: line 1: left out because nobody says it: "02/03/2025, 18:04 - Messages are end-to-end encrypted."
        "#]],
    );
    check(
        "\u{200e}[3/2/25, 6:05:11\u{202f}PM] Nora: hi\n[3/2/25, 6:07:00\u{202f}PM] +49 170 000: ho",
        expect![[r#"
            session - 2025-03-02T18:05:11Z
              1 user Nora 2025-03-02T18:05:11Z: "hi"
              2 assistant +49 170 000 2025-03-02T18:07:00Z: "ho"
            note: line 1: no date of the file shows its order, so the month is taken to come first
        "#]],
    );
    check_with(
        &Options { day_first: Some(true), session_gap: None, ..options() },
        "[3/2/25, 6:05 PM] Nora: hi\n[02.03.2026, 18.05] Nora: a year on",
        expect![[r#"
            session - 2025-02-03T18:05:00Z
              1 user Nora 2025-02-03T18:05:00Z: "hi"
              2 user Nora 2026-03-02T18:05:00Z: "a year on"
        "#]],
    );
    // Hours alone belong to the day of the session, and after midnight to the next.
    check(
        "--- 2025-03-02 ---\n[23:58] me: hi\n[00:03] Tom: late\n",
        expect![[r#"
            session - 2025-03-02T00:00:00Z
              2 user 2025-03-02T23:58:00Z: "hi"
              3 assistant Tom 2025-03-03T00:03:00Z: "late"
        "#]],
    );
}

#[test]
fn markdown_names_start_turns() {
    check(
        "My chat\n\n**User:** hi\n\n**Assistant**: Sure:\n\n**Note:** x\n\n## Steps\nUser: no\n\n**You**\n\nbye\n",
        expect![[r#"
            session -
              3 user: "hi"
              5 assistant: "Sure:\n\n**Note:** x\n\n## Steps\nUser: no"
              12 user: "bye"
            note: line 1: what stands before a turn is left out: "My chat"
            note: line 7: "Note" is not taken as the name of a speaker
        "#]],
    );
    check(
        "## User\n\nhi\n\n## Assistant:\n\nA list\n\n## Steps\nFlour: 1\nSugar: 2\nFlour: 3\n\n### **ChatGPT**\nmore\n",
        expect![[r#"
            session -
              1 user: "hi"
              5 assistant: "A list\n\n## Steps\nFlour: 1\nSugar: 2\nFlour: 3"
              14 assistant ChatGPT: "more"
            note: line 9: "Steps" is not taken as the name of a speaker
        "#]],
    );
}

#[test]
fn lines_of_dates_and_sessions_divide() {
    check(
        "# Session 1 (2 March 2025)\nUser: a\n# Session management in Rust\nAssistant: b\n\n2025-04-01\n\nUser: c\nSession 1 was fine\n=== Session 1 ===\nUser: d\n## Session 4: the move\nUser: e\n--- 02.05.2025 ---\nUser: f\nSession 6 - 2025-06-01 09:30\n",
        expect![[r#"
            session Session 1 2025-03-02T00:00:00Z
              2 user 2025-03-02T00:00:00Z: "a\n# Session management in Rust"
              4 assistant 2025-03-02T00:00:01Z: "b"
            session - 2025-04-01T00:00:00Z
              8 user 2025-04-01T00:00:00Z: "c\nSession 1 was fine"
            session Session 1 (2)
              11 user: "d"
            session Session 4: the move
              13 user: "e"
            session - 2025-05-02T00:00:00Z
              15 user 2025-05-02T00:00:00Z: "f"
        "#]],
    );
}

#[test]
fn odd_content_has_a_defined_result() {
    check("", expect![""]);
    check("\u{feff} \r\n\r\n", expect![""]);
    check(
        "\u{feff}Nora: a\0b\n",
        expect![[r#"
        session -
          1 user Nora: "a\0b"
    "#]],
    );
    check(
        "\u{200f}نورا: مرحبا\nآدم: أهلا\n田中：こんにちは\n",
        expect![[r#"
        session -
          1 user نورا: "مرحبا"
          2 assistant آدم: "أهلا"
          3 assistant 田中: "こんにちは"
    "#]],
    );
    check(
        "User: \nAssistant: x",
        expect![[r#"
        session -
          2 assistant: "x"
        note: line 1: left out because it has no text
    "#]],
    );
    check(
        "Just some prose.\nNothing more.",
        expect![[r#"
        error: chat.txt, line 1: expected a turn such as `Name: text` or `[2025-03-02 18:05] Name: text` in some line, got none; this is the first line: "Just some prose."
    "#]],
    );
    check_with(
        &Options { skip_invalid: true, ..options() },
        "Just some prose.",
        expect![[r#"
        note: line 1: what stands before a turn is left out: "Just some prose."
        skipped: line 1: expected a turn such as `Name: text` or `[2025-03-02 18:05] Name: text` in some line, got none; this is the first line: "Just some prose."
    "#]],
    );
    let huge = format!("Nora: {0}\n{0}", "x".repeat(10 << 20));
    let import = read(huge.as_bytes(), "chat.txt", &options()).unwrap();
    assert_eq!(import.conversations[0].sessions[0].turns[0].text.len(), 2 * (10 << 20) + 1);
}

#[test]
fn bytes_that_are_not_text_are_refused_or_left_out() {
    let bytes = b"Nora: hi\n\x80binary\nTom: ho\n";
    let error = read(bytes, "chat.txt", &options()).unwrap_err().to_string();
    assert_eq!(error, "chat.txt, line 2, byte 1: expected UTF-8 text, got the byte 0x80");
    let import = read(bytes, "chat.txt", &Options { skip_invalid: true, ..options() }).unwrap();
    expect![[r#"
        session -
          1 user Nora: "hi"
          3 assistant Tom: "ho"
        skipped: line 2, byte 1: expected UTF-8 text, got the byte 0x80
    "#]]
    .assert_eq(&show(&import));
}

#[test]
fn the_same_file_gives_the_same_origins() {
    let origin = |text: &str| {
        read(text.as_bytes(), "-", &options()).unwrap().conversations[0].sessions[0].turns[0].origin.clone()
    };
    assert_eq!(origin("Nora: hi"), origin("Nora: hi"));
    assert_ne!(origin("Nora: hi"), origin("Nora: ho"));
}
