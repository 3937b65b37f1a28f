//! Whatever is quoted stays behind its mark.

use mnemon_guard::{QUOTE_MARK, quote};
use proptest::prelude::*;

/// What ends a line for some reader.
const BREAKS: [char; 7] = ['\n', '\r', '\u{b}', '\u{c}', '\u{85}', '\u{2028}', '\u{2029}'];

/// Marks of templates, none of which may be left in any letter case.
const MARKERS: [&str; 40] = [
    "<|im_start|>",
    "<|im_end|>",
    "<|system|>",
    "<|user|>",
    "<|assistant|>",
    "<|endoftext|>",
    "<|eot_id|>",
    "<|end|>",
    "<|start_header_id|>",
    "<|end_header_id|>",
    "<|begin_of_text|>",
    "<|START_OF_TURN_TOKEN|>",
    "<|fim_prefix|>",
    "<｜User｜>",
    "<｜Assistant｜>",
    "<｜begin▁of▁sentence｜>",
    "<s>",
    "</s>",
    "<bos>",
    "<eos>",
    "<sop>",
    "[INST]",
    "[/INST]",
    "<<SYS>>",
    "<</SYS>>",
    "<start_of_turn>",
    "<end_of_turn>",
    "[SYSTEM_PROMPT]",
    "[/SYSTEM_PROMPT]",
    "[AVAILABLE_TOOLS]",
    "[TOOL_CALLS]",
    "[TOOL_RESULTS]",
    "[gMASK]",
    "<think>",
    "</think>",
    "<tool_call>",
    "</tool_call>",
    "<tool_response>",
    "<function_calls>",
    "<system>",
];

/// Characters that may not be left anywhere.
fn is_forbidden(c: char) -> bool {
    c.is_control() && c != '\n' && c != '\t'
        || BREAKS.contains(&c) && c != '\n'
        || ('\u{202a}'..='\u{202e}').contains(&c)
        || ('\u{2060}'..='\u{206f}').contains(&c)
        || ('\u{e0000}'..='\u{e00ff}').contains(&c)
        || ('\u{e01f0}'..='\u{e0fff}').contains(&c)
        || ('\u{fe00}'..='\u{fe0d}').contains(&c)
        || "\u{ad}\u{34f}\u{61c}\u{115f}\u{1160}\u{3164}\u{ffa0}\u{200b}\u{200e}\u{200f}\u{feff}\u{fff9}\u{fffa}\u{fffb}".contains(c)
}

/// Characters that are not seen and may be left, but never two in a row nor at the beginning of a line.
fn is_unseen(c: char) -> bool {
    matches!(c, '\u{200c}' | '\u{200d}' | '\u{fe0e}' | '\u{fe0f}' | '\u{e0100}'..='\u{e01ef}' | '\u{180b}'..='\u{180f}')
}

#[track_caller]
fn check(text: &str) -> String {
    let quoted = quote(text);
    for line in quoted.split('\n') {
        let rest = line.strip_prefix(QUOTE_MARK);
        assert!(rest.is_some_and(|rest| !rest.starts_with(is_unseen)), "{text:?} became {quoted:?}");
    }
    assert!(!quoted.contains(is_forbidden), "{text:?} became {quoted:?}");
    let mut last = ' ';
    for c in quoted.chars() {
        // The form of an emoji may be chosen before it is joined to the next.
        assert!(
            !(is_unseen(c) && is_unseen(last)) || (last, c) == ('\u{fe0f}', '\u{200d}'),
            "{text:?} became {quoted:?}"
        );
        last = c;
    }
    let lower = quoted.to_lowercase();
    for marker in MARKERS {
        assert!(!lower.contains(&marker.to_lowercase()), "{marker} of {text:?} is left in {quoted:?}");
    }
    quoted
}

#[test]
fn texts_that_look_like_instructions_stay_behind_the_mark() {
    let texts: Vec<String> =
        include_str!("data/instructions.jsonl").lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert!(texts.len() >= 200, "{}", texts.len());
    for text in &texts {
        let quoted = check(text);
        // All that can be read is still there: the same letters in the same order, but for those of escape sequences.
        if !text.contains(['\u{1b}', '\u{9b}']) {
            let letters =
                |text: &str| -> String { text.chars().filter(|&c| c.is_alphanumeric() && !is_forbidden(c)).collect() };
            assert_eq!(letters(&quoted), letters(text));
        }
    }
}

#[test]
fn every_line_break_is_one() {
    for line_break in ["\n", "\r", "\r\n", "\u{b}", "\u{c}", "\u{85}", "\u{2028}", "\u{2029}"] {
        assert_eq!(check(&format!("a{line_break}Pinned:{line_break}")), "> a\n> Pinned:\n> ", "{line_break:?}");
    }
    assert_eq!(check("\n\r"), "> \n> \n> ");
    assert_eq!(check(""), "> ");
}

#[test]
fn what_is_not_shown_is_left_out_or_seen() {
    let cases = [
        ("\u{1b}[31mred\u{1b}[0m", "> red"),
        ("\u{1b}]0;title\u{7}text", "> text"),
        ("\u{1b}]0;no end", "> 0;no end"),
        ("\u{9b}2Jtext", "> text"),
        ("a\0b\u{8}c\u{7f}", "> a\u{fffd}b\u{fffd}c\u{fffd}"),
        ("\u{202e}abc\u{202c}", "> abc"),
        ("a\u{200b}b\u{2060}c\u{ad}d\u{feff}", "> abcd"),
        ("hi\u{e0068}\u{e0069}", "> hi"),
        ("\u{1b}[\nPinned:", "> \n> Pinned:"),
        ("tab\there", "> tab\there"),
    ];
    for (text, expected) in cases {
        assert_eq!(check(text), expected);
    }
}

#[test]
fn marks_of_templates_are_broken_and_readable() {
    let cases = [
        ("<|im_start|>system", "> < |im_start|>system"),
        ("[INST] a [/INST]", "> [ INST] a [ /INST]"),
        ("<<SYS>>", "> < <SYS>>"),
        ("<｜User｜>", "> < ｜User｜>"),
        ("<s>x</s>", "> < s>x< /s>"),
        ("<\u{200b}|im_end|>", "> < |im_end|>"),
        ("<<|im_end|>|im_end|>", "> << |im_end|>|im_end|>"),
    ];
    for (text, expected) in cases {
        assert_eq!(check(text), expected);
    }
    for marker in MARKERS {
        check(marker);
        check(&marker.to_uppercase());
        check(&marker.repeat(3));
    }
}

#[test]
fn readable_text_is_unchanged_but_for_the_mark() {
    let texts = [
        "if a < b && c > d { xs[i] = y <| z; }",
        "xs |> map f <|> empty",
        "می\u{200c}خواهم",
        "क्\u{200d}ष",
        "👨\u{200d}👩\u{200d}👧 ❤\u{fe0f} 🏳\u{fe0f}\u{200d}🌈 1\u{fe0f}\u{20e3}",
        "葛\u{e0100}城",
        "שלום עולם, مرحبا",
        "[link](https://example.net) <b>bold</b> Vec<String>",
        "Human: hi",
        "naïve – “quoted” …",
    ];
    for text in texts {
        assert_eq!(check(text), format!("> {text}"));
    }
}

fn piece() -> impl Strategy<Value = String> {
    let mut fixed: Vec<&'static str> = MARKERS.to_vec();
    fixed.extend([
        "<",
        "|",
        "<|",
        "|>",
        "[",
        "]",
        "/",
        ">",
        "<<",
        "INST",
        "im_start",
        "\u{ff5c}",
        "\u{ff1c}",
        "\u{1b}",
        "\u{1b}[",
        "\u{1b}]",
        "\u{9b}",
        "31m",
        "\u{7}",
        "\0",
        "\u{200b}",
        "\u{200c}",
        "\u{200d}",
        "\u{fe0f}",
        "\u{e0100}",
        "\u{e0041}",
        "\u{202e}",
        "\u{ad}",
        "葛",
        "👩",
        "é",
        "a",
        " ",
        "\t",
        "\r",
        "\n",
        "\u{b}",
        "\u{c}",
        "\u{85}",
        "\u{2028}",
        "\u{2029}",
        "Pinned:",
        "> ",
    ]);
    prop_oneof![6 => prop::sample::select(fixed).prop_map(str::to_owned), 1 => any::<char>().prop_map(String::from)]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 4000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn nothing_ends_its_quotation(pieces in prop::collection::vec(piece(), 0..16)) {
        check(&pieces.concat());
    }

    #[test]
    fn any_text_stays_behind_the_mark(text in any::<String>()) {
        check(&text);
    }

    #[test]
    fn plain_text_is_unchanged(text in "[a-zA-Z0-9 .,;:!?()'\"äöüßéñ中文字кот-]{0,200}") {
        prop_assert_eq!(quote(&text), format!("> {text}"));
    }
}
