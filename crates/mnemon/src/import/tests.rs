use std::io::Cursor;

use proptest::prelude::*;

use super::*;

#[track_caller]
fn check_format(text: &str, expected: Format) {
    assert_eq!(Format::detect(text), expected, "{text:?}");
}

#[test]
fn the_format_is_seen_in_the_content() {
    check_format("{\"role\":\"user\",\"text\":\"hi\"}\n{\"role\":\"user\",\"text\":\"ho\"}", Format::Jsonl);
    check_format("\u{feff}\n {\"type\":\"fact\",\"text\":\"about a \\\"conversation\\\": none\"}", Format::Jsonl);
    // A first line that is cut off does not make the file something else.
    check_format("{\"role\":\"user\",\n{\"role\":\"user\",\"text\":\"ho\"}", Format::Jsonl);
    check_format("[{\"sample_id\":\"a\"}]", Format::Locomo);
    check_format("[\n  {\n", Format::Locomo);
    check_format("[]", Format::Locomo);
    check_format("{\"sample_id\":\"a\",\"conversation\":{}}", Format::Locomo);
    check_format("{\n \"sample_id\":\"a\",\n \"conversation\" : {}}", Format::Locomo);
    check_format("[2025-03-02 18:05] Nora: hi", Format::Transcript);
    check_format("Nora: hi", Format::Transcript);
    check_format("", Format::Transcript);
}

#[test]
fn a_file_is_named_by_its_name_and_told_by_its_ending() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("notes.jsonl");
    std::fs::write(&path, "{\"role\":\"user\",\"text\":\"hi\",\"id\":\"a\"}\n").unwrap();
    let import = read(&path, &Options::default()).unwrap();
    assert_eq!((import.format, import.lines, import.turns(), import.sessions()), (Format::Jsonl, 1, 1, 1));
    let origin = import.conversations[0].sessions[0].turns[0].origin.clone().unwrap();
    assert_eq!((origin.source.as_str(), origin.id.as_str()), ("file:notes.jsonl", "a"));

    // The ending decides about a file whose first line is broken.
    std::fs::write(&path, "Nora: hi\n").unwrap();
    let error = read(&path, &Options::default()).unwrap_err();
    assert!(error.to_string().contains("notes.jsonl, line 1, byte 1: expected a JSON object on one line"), "{error}");

    let missing = read(folder.path().join("none.txt"), &Options::default()).unwrap_err();
    assert!(matches!(missing, ImportError::Read { .. }) && std::error::Error::source(&missing).is_some());
    let small = Options { max_bytes: 8, ..Options::default() };
    assert!(matches!(read(&path, &small), Err(ImportError::TooLarge { max_bytes: 8, .. })));
    let exact = Options { max_bytes: 9, format: Some(Format::Transcript), ..Options::default() };
    assert_eq!(read(&path, &exact).unwrap().turns(), 1);
}

#[test]
fn a_reader_is_known_by_its_content() {
    let line = "{\"role\":\"user\",\"text\":\"hi\",\"id\":\"a\"}\n";
    let source = |text: &str| {
        let import = read_from(Cursor::new(text.to_owned()), "-", &Options::default()).unwrap();
        import.conversations[0].sessions[0].turns[0].origin.clone().unwrap().source
    };
    assert!(source(line).starts_with("file:") && source(line).len() == "file:".len() + 12);
    assert_eq!(source(line), source(line));
    assert_ne!(source(line), source(&line.repeat(2).replacen("\"a\"", "\"b\"", 1)));
    let named = Options { source: Some("chat:42".to_owned()), ..Options::default() };
    let import = parse(line.as_bytes(), "-", &named).unwrap();
    assert_eq!(import.conversations[0].sessions[0].turns[0].origin.clone().unwrap().source, "chat:42");
}

#[test]
fn encodings_other_than_utf8_are_read_or_refused() {
    let utf16: Vec<u8> = "\u{feff}Nora: grüß 😀\n".encode_utf16().flat_map(u16::to_le_bytes).collect();
    let import = parse(&utf16, "utf16.txt", &Options::default()).unwrap();
    assert_eq!(import.conversations[0].sessions[0].turns[0].text, "grüß 😀");

    let lone = [0xfe, 0xff, 0x00, 0x0a, 0xd8, 0x00, 0x00, 0x61];
    let error = parse(&lone, "lone.txt", &Options::default()).unwrap_err().to_string();
    assert_eq!(error, "lone.txt, line 2: expected UTF-16 text, got the lone surrogate 0xd800");
    let error = parse(&[0xff, 0xfe, 0x61], "half.txt", &Options::default()).unwrap_err().to_string();
    assert_eq!(error, "half.txt, line 1: expected UTF-16 text, got half a character at the end");
}

#[test]
fn words_of_formats_are_read_back() {
    for format in Format::ALL {
        assert_eq!(format.to_string().parse::<Format>().unwrap(), *format);
    }
    assert_eq!(
        "csv".parse::<Format>().unwrap_err().to_string(),
        "expected a format (jsonl, locomo, transcript), got \"csv\""
    );
}

/// Every turn has an origin of its own in its conversation, and something to say.
fn assert_sound(import: &Import) {
    for conversation in &import.conversations {
        let mut origins = std::collections::HashSet::new();
        let turns = conversation.sessions.iter().flat_map(|session| &session.turns);
        for turn in turns {
            let origin = turn.origin.as_ref().unwrap();
            assert!(origins.insert((origin.source.clone(), origin.id.clone())), "{origin:?} comes twice");
            assert!(!turn.text.is_empty() || turn.caption.is_some());
            assert!(turn.priority.is_finite());
        }
    }
}

fn any_reading(bytes: &[u8]) {
    for format in Format::ALL.iter().map(|it| Some(*it)).chain([None]) {
        for skip_invalid in [false, true] {
            let options = Options { format, skip_invalid, ..Options::default() };
            if let Ok(import) = parse(bytes, "any", &options) {
                assert_sound(&import);
                assert!(skip_invalid || import.skipped.is_empty());
            }
        }
    }
    let _ = locomo::samples(bytes, "any", &Options { skip_invalid: true, ..Options::default() });
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn no_bytes_panic(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        any_reading(&bytes);
    }

    /// Texts out of the pieces that the parsers look for, which random bytes never hit.
    #[test]
    fn no_text_of_likely_pieces_panics(pieces in proptest::collection::vec(
        prop_oneof![
            proptest::sample::select(&[
                "{", "}", "[", "]", ":", ",", "\"", "\\ud800", "\\u0000", "\n", "\r\n", " - ", "**", "## ", "---", "# Session ",
                "session", "Session 3", "\"role\"", "\"user\"", "\"text\"", "\"type\"", "\"turn\"", "\"fact\"", "null", "1e999", "-1",
                "\"conversation\"", "\"session_1\"", "\"session_1_date_time\"", "\"dia_id\"", "\"speaker\"", "\"qa\"", "Nora: ",
                "2025-03-02", "02/03/2025", "31/02/2025", "18:05", "6:05 PM", "[18:05] ", "T", "Z", "+01:00", "[Europe/Berlin]",
                "\u{200e}", "\u{feff}", "\0", "：", "مرحبا: ", "é", "😀", "0", "99", "-9999-01-01", "9999-12-31 23:59",
            ][..]).prop_map(str::to_owned),
            "\\PC{0,4}",
        ], 0..40)) {
        any_reading(pieces.concat().as_bytes());
    }

    #[test]
    fn what_a_transcript_says_is_kept(texts in proptest::collection::vec("[a-zA-Zäß世 .,!?0-9]{0,40}[a-z]", 2..20)) {
        let chat: String = texts.iter().enumerate()
            .map(|(index, text)| format!("[2025-03-02 18:{index:02}] {}: {text}\r\n", if index % 2 == 0 { "Nora" } else { "Tom" }))
            .collect();
        let import = parse(chat.as_bytes(), "chat", &Options::default()).unwrap();
        let got: Vec<_> = import.conversations[0].sessions[0].turns.iter().map(|turn| turn.text.as_str()).collect();
        let want: Vec<_> = texts.iter().map(|text| text.trim_start()).collect();
        prop_assert_eq!(got, want);
    }
}

/// Each of these takes minutes where a parser looks at every line for every line.
#[test]
fn many_lines_of_one_kind_are_read_in_one_pass() {
    let many = 100_000;
    let headings = "## Steps\n".repeat(many) + "User: hi\n";
    assert_eq!(parse(headings.as_bytes(), "f", &Options::default()).unwrap().turns(), 1);
    let sessions = "# Session 1\nUser: hi\n".repeat(many);
    assert_eq!(parse(sessions.as_bytes(), "f", &Options::default()).unwrap().sessions(), many);
    let turns = vec![r#"{"speaker":"X","text":"y","dia_id":"D1:1"}"#; many].join(",");
    let locomo = format!(r#"{{"conversation":{{"session_1":[{turns}]}}}}"#);
    let import = parse(locomo.as_bytes(), "f", &Options::default()).unwrap();
    assert_eq!((import.turns(), import.notes.len()), (many, many - 1));
    assert_sound(&import);
    let fields: String = (0..many).map(|n| format!("{{\"role\":\"user\",\"text\":\"x\",\"f{n}\":1}}\n")).collect();
    assert_eq!(parse(fields.as_bytes(), "f", &Options::default()).unwrap().notes.len(), many);
}
