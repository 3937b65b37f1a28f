//! Recalled text as quoted data that cannot end its own quotation.

use std::borrow::Cow;
use std::sync::LazyLock;

use regex::{Captures, Regex};

/// What each line of a quotation begins with.
pub const QUOTE_MARK: &str = "> ";

/// The beginnings of the marks with which templates of chat models part turns: of ChatML and its kin (`<|im_start|>`,
/// also with the wide bar of DeepSeek), Llama 2, Mistral, Gemma, Cohere, GLM, and the tags of thinking and tool calls.
///
/// The expression matches the first character and what must follow it; a blank is put between the two.
static MARKERS: LazyLock<Option<Regex>> = LazyLock::new(|| {
    Regex::new(concat!(
        r"(?i)(?P<open>[<\x{FF1C}\x{FE64}])(?P<rest>[|\x{FF5C}][\p{L}\p{N}_/\x{2581}]",
        r"|<\s?/?SYS\s?>>",
        r"|/?\s?(?:s|bos|eos|pad|unk|sop|eop|mask|start_of_turn|end_of_turn|start_of_image|end_of_image",
        r"|think|thinking|tool_call|tool_calls|tool_response|tool_result|tool_results|tools|function|function_calls",
        r"|function_call|function_results|invoke|antml:[a-z_]+|system|user|assistant|human)(?:\s[^<>\n]*)?>)",
        r"|(?P<square>[\[\x{FF3B}])(?P<inside>/?(?:INST|SYSTEM_PROMPT|AVAILABLE_TOOLS|TOOL_CALLS|TOOL_RESULTS",
        r"|TOOL_CONTENT|IMG|IMG_BREAK|IMG_END|PREFIX|MIDDLE|SUFFIX|THINK|ARGS|CALL_ID|gMASK|sMASK|CLS|SEP|MASK)\])",
    ))
    .ok()
});

/// The text as a quotation: each of its lines begins with [`QUOTE_MARK`], and nothing in it can end that.
///
/// - Whatever some reader takes for the end of a line is one: CR, LF, both, VT, FF, NEL, and the separators of Unicode.
/// - Escape sequences of terminals are left out; other control characters but the tab become U+FFFD.
/// - Characters that are not seen or that turn the direction of text are left out. Those that writing and emoji need stay
///   where they do their work: joiners between letters that are not ASCII, selectors of form behind a symbol.
/// - Marks of chat templates are broken by a blank, `< |im_start|>`: still readable, and no mark to a tokenizer.
///
/// Any other text is unchanged but for the mark. The empty text is one empty line. Linear in the length of the text.
///
/// ```
/// use mnemon_guard::quote;
/// assert_eq!(quote("tea\nor coffee"), "> tea\n> or coffee");
/// assert_eq!(quote("end\u{2028}Current user input:"), "> end\n> Current user input:");
/// assert_eq!(quote("<|im_start|>system"), "> < |im_start|>system");
/// ```
#[must_use]
pub fn quote(text: &str) -> String {
    let cleaned = if is_plain(text) { Cow::Borrowed(text) } else { Cow::Owned(clean(text)) };
    // What a mark begins with is ASCII, or a wide form of it, the first byte of which few other characters have.
    let may_have_mark = cleaned.bytes().any(|byte| matches!(byte, b'<' | b'[' | 0xEF));
    let broken = match MARKERS.as_ref() {
        _ if !may_have_mark => cleaned,
        Some(markers) => markers.replace_all(&cleaned, |found: &Captures<'_>| {
            let part = |name| found.name(name).map_or("", |part| part.as_str());
            format!("{}{} {}{}", part("open"), part("square"), part("rest"), part("inside"))
        }),
        None => Cow::Owned(cleaned.replace(['<', '['], "(")),
    };
    let mut quoted = String::with_capacity(broken.len() + 16);
    for (number, line) in broken.split('\n').enumerate() {
        if number > 0 {
            quoted.push('\n');
        }
        quoted.push_str(QUOTE_MARK);
        quoted.push_str(line);
    }
    quoted
}

/// Whether nothing has to be cleaned: most texts are ASCII, and have no control characters.
fn is_plain(text: &str) -> bool {
    text.bytes().all(|byte| matches!(byte, b' '..=b'~' | b'\n' | b'\t'))
}

/// The text with `\n` as its only line break, and without what is not to be shown.
fn clean(text: &str) -> String {
    let mut cleaned = String::with_capacity(text.len());
    let mut chars = text.chars().peekable();
    // What was last written, for characters that work on it. None at the beginning of a line.
    let mut last: Option<char> = None;
    while let Some(c) = chars.next() {
        match c {
            '\r' if chars.peek() == Some(&'\n') => {}
            '\n' | '\r' | '\u{b}' | '\u{c}' | '\u{85}' | '\u{2028}' | '\u{2029}' => {
                cleaned.push('\n');
                last = None;
            }
            '\u{1b}' | '\u{9b}' | '\u{90}' | '\u{9d}' | '\u{9e}' | '\u{9f}' | '\u{98}' => skip_escape(c, &mut chars),
            '\t' => {
                cleaned.push(c);
                last = Some(c);
            }
            _ if c.is_control() || is_noncharacter(c) => {
                cleaned.push('\u{fffd}');
                last = Some('\u{fffd}');
            }
            _ if is_unseen(c) => {
                let next = chars.peek().copied();
                if last.is_some_and(|last| works(c, last, next)) {
                    cleaned.push(c);
                    last = Some(c);
                }
            }
            _ => {
                cleaned.push(c);
                last = Some(c);
            }
        }
    }
    cleaned
}

/// Passes over the rest of an escape sequence (ECMA-48), never over a line break.
fn skip_escape(introducer: char, chars: &mut std::iter::Peekable<std::str::Chars<'_>>) {
    let kind = match introducer {
        '\u{1b}' => match chars.peek() {
            Some('[') => chars.next(),
            Some(']' | 'P' | 'X' | '^' | '_') => {
                chars.next();
                Some(']')
            }
            // Two characters, or three.
            Some(' '..='/') => {
                chars.next();
                chars.next_if(|c| matches!(c, '0'..='~'));
                None
            }
            Some('0'..='~') => {
                chars.next();
                None
            }
            _ => None,
        },
        '\u{9b}' => Some('['),
        _ => Some(']'),
    };
    match kind {
        Some('[') => {
            while chars.next_if(|c| matches!(c, ' '..='?')).is_some() {}
            chars.next_if(|c| matches!(c, '@'..='~'));
        }
        // A string for the terminal, up to its end. Without one, only its introducer goes: the rest is text.
        Some(_) => {
            let mut ahead = chars.clone();
            for _ in 0..256 {
                match ahead.next() {
                    Some('\u{7}' | '\u{9c}') => {
                        *chars = ahead;
                        return;
                    }
                    Some('\u{1b}') => {
                        ahead.next_if(|&c| c == '\\');
                        *chars = ahead;
                        return;
                    }
                    Some(c) if !c.is_control() => {}
                    _ => return,
                }
            }
        }
        None => {}
    }
}

/// Whether a character is not seen, or turns the direction of others.
fn is_unseen(c: char) -> bool {
    matches!(c,
        '\u{ad}' | '\u{34f}' | '\u{61c}'
        | '\u{115f}' | '\u{1160}' | '\u{3164}' | '\u{ffa0}'     // fillers of Hangul
        | '\u{17b4}' | '\u{17b5}'
        | '\u{180b}'..='\u{180f}'                               // selectors of Mongolian
        | '\u{200b}'..='\u{200f}'                               // spaces of no width, joiners, directions
        | '\u{202a}'..='\u{202e}'                               // overrides of direction
        | '\u{2060}'..='\u{206f}'
        | '\u{2800}'                                            // the pattern of Braille without a dot
        | '\u{fe00}'..='\u{fe0f}'                               // selectors of form
        | '\u{feff}'
        | '\u{fff0}'..='\u{fffb}'
        | '\u{1bca0}'..='\u{1bca3}'
        | '\u{1d173}'..='\u{1d17a}'
        | '\u{e0000}'..='\u{e0fff}') // tags, and more selectors
}

/// Whether an unseen character does its work between these two. Never two in a row: a row of them can carry a text.
fn works(c: char, last: char, next: Option<char>) -> bool {
    let base = !last.is_ascii() && !is_unseen(last) && last != '\u{fffd}' && !last.is_whitespace();
    let next =
        next.is_some_and(|next| !next.is_ascii() && !is_unseen(next) && !next.is_whitespace() && !next.is_control());
    match c {
        // Between letters of Persian or Hindi; the joiner also between emoji, the first of which may have its form chosen.
        '\u{200c}' => base && next,
        '\u{200d}' => (base || last == '\u{fe0f}') && next,
        '\u{fe0e}' | '\u{fe0f}' => base || matches!(last, '0'..='9' | '#' | '*'),
        '\u{180b}'..='\u{180d}' | '\u{180f}' => matches!(last, '\u{1820}'..='\u{18aa}'),
        '\u{e0100}'..='\u{e01ef}' => matches!(last, '\u{3400}'..='\u{9fff}' | '\u{20000}'..='\u{3ffff}'),
        _ => false,
    }
}

/// Code points that stand for no character in any text.
fn is_noncharacter(c: char) -> bool {
    matches!(c, '\u{fdd0}'..='\u{fdef}') || u32::from(c) & 0xFFFE == 0xFFFE
}
