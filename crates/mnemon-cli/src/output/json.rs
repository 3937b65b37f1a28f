//! JSON that is safe to look at.

use std::fmt::Write;

use serde::Serialize;

use super::text::is_deceptive;

/// The value as a JSON document over several lines. The characters that JSON allows and a terminal obeys are escaped,
/// which means the same.
pub(crate) fn json_text(value: &impl Serialize) -> String {
    match serde_json::to_string_pretty(value) {
        Ok(text) => escaped(&text),
        // Every document here has text keys and values that serialise, so this does not happen.
        Err(error) => serde_json::json!({"error": {"message": error.to_string(), "causes": []}}).to_string(),
    }
}

/// Such characters only stand inside of strings, so an escape can take their place in the text of a document.
pub(crate) fn escaped(text: &str) -> String {
    if !text.chars().any(|c| c == '\x7f' || is_deceptive(c)) {
        return text.to_owned();
    }
    let mut escaped = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        if c == '\x7f' || is_deceptive(c) {
            for unit in c.encode_utf16(&mut [0; 2]) {
                let _ = write!(escaped, "\\u{unit:04x}");
            }
        } else {
            escaped.push(c);
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_escaped_reads_the_same() {
        let value = serde_json::json!({"text": "a\u{9b}2J \u{202e} \x7f \u{e0041} \x1b é 😀"});
        let text = json_text(&value);
        assert!(!text.chars().any(|c| (c.is_control() && c != '\n') || is_deceptive(c)), "{text:?}");
        assert!(text.contains('é') && text.contains('😀'));
        assert_eq!(serde_json::from_str::<serde_json::Value>(&text).unwrap(), value);
    }
}
