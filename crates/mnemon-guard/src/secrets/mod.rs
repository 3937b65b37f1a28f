//! Credentials in texts, found and replaced.

mod assignment;
mod authorization;
mod bytes;
mod config;
mod json;
mod jwt;
mod key;
mod numbers;
mod private_key;
mod provider;
mod scan;
mod shape;
mod url;

use std::borrow::Cow;
use std::collections::HashSet;
use std::fmt;
use std::ops::Range;

use regex::Regex;

pub use self::config::{GuardError, OwnPattern, RedactionConfig, SecretKind};
pub use self::json::FieldFinding;
use self::scan::Kinds;

const MARK: &str = "[redacted: ";
/// A mark can lay bare what stood beside it, so a text is read again until nothing is found: in practice once. A text
/// that is made to need more than this stays as it is then.
const ROUNDS: usize = 8;

/// Finds credentials in texts and puts marks such as `[redacted: github token]` in their place.
///
/// Redacting twice changes nothing: marks are known, and left alone. The time is linear in the length of a text: each
/// second of processor time reads about 100 MB of chats in English without secrets (LoCoMo), and 45 MB of chats about code
/// with them (BEAM), since a text in which something is found is read again. Texts made to be slow take up to 200 times as long.
///
/// What is found is what can be told by its form, or by the word before it. A password in the middle of a sentence that
/// does not say so is not; nor is an invented word behind `password:` that could be a remark (`password: required`).
/// A number of sixteen digits that has the beginning and the check digit of a card is taken for one.
pub struct Redactor {
    kinds: Kinds,
    enabled: bool,
    allow: HashSet<String>,
    allow_patterns: Vec<Regex>,
    own: Vec<(String, Regex)>,
    /// What marks can say.
    labels: HashSet<String>,
}

/// A text without its credentials, and what they were.
#[derive(Clone, PartialEq, Eq)]
pub struct Redacted<'t> {
    /// The text with marks; the given one where nothing was found.
    pub text: Cow<'t, str>,
    /// What was replaced, by position.
    pub findings: Vec<Finding>,
}

/// A credential that was found. It never holds the value.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Finding {
    /// What it is.
    pub kind: SecretKind,
    /// What its mark says, such as `github token`.
    pub label: Cow<'static, str>,
    /// Where it stood in the original text, in bytes.
    pub range: Range<usize>,
}

impl Finding {
    /// What stands in its place: `[redacted: github token]`.
    #[must_use]
    pub fn mark(&self) -> String {
        mark(&self.label)
    }
}

impl Redactor {
    /// A redactor by these settings.
    ///
    /// # Errors
    /// For a pattern that is no regular expression, that matches the empty text, or whose name does not fit in a mark.
    pub fn new(config: RedactionConfig) -> Result<Self, GuardError> {
        let mut own = Vec::with_capacity(config.patterns.len());
        for OwnPattern { name, regex } in config.patterns {
            let fits = |c: char| !c.is_control() && c != '[' && c != ']';
            if name.trim().is_empty() || name.chars().count() > 40 || !name.chars().all(fits) {
                return Err(GuardError::PatternName { got: name.chars().take(80).collect() });
            }
            let regex = match Regex::new(&regex) {
                Ok(regex) if regex.is_match("") => return Err(GuardError::EmptyMatch { name }),
                Ok(regex) => regex,
                Err(source) => return Err(GuardError::Pattern { name, source }),
            };
            own.push((name, regex));
        }
        let allow_patterns = config.allow_patterns.iter().enumerate().map(|(number, pattern)| {
            Regex::new(&format!(r"\A(?:{pattern})\z"))
                .map_err(|source| GuardError::AllowPattern { number: number + 1, source })
        });
        let built_in = ["private key", "jwt", "url password", "payment card", "iban"];
        let named = [key::Named::Password, key::Named::Secret, key::Named::Token, key::Named::Key];
        let labels = (built_in.into_iter())
            .chain(provider::labels())
            .chain(named.map(key::Named::label))
            .chain([key::Named::Authorization.label()])
            .map(str::to_owned)
            .chain(own.iter().map(|(name, _)| name.clone()));
        Ok(Self {
            kinds: Kinds::of(&config.kinds),
            enabled: config.enabled,
            allow: config.allow.into_iter().collect(),
            allow_patterns: allow_patterns.collect::<Result<_, _>>()?,
            labels: labels.collect(),
            own,
        })
    }

    /// The text with a mark in the place of each credential.
    #[must_use]
    pub fn redact<'t>(&self, text: &'t str) -> Redacted<'t> {
        let mut findings = if self.enabled { self.find(text) } else { Vec::new() };
        if findings.is_empty() {
            return Redacted { text: Cow::Borrowed(text), findings };
        }
        let mut marked = Marked::new(text, &findings);
        for _ in 0..ROUNDS {
            let more = self.find(&marked.text);
            if more.is_empty() {
                break;
            }
            let original =
                more.into_iter().map(|finding| Finding { range: marked.original(&finding.range), ..finding });
            findings = merge(text, findings.into_iter().chain(original).collect());
            marked = Marked::new(text, &findings);
        }
        Redacted { text: Cow::Owned(marked.text), findings }
    }

    /// What is to be replaced in a text: by position, not overlapping, nothing that is allowed or a mark already.
    fn find(&self, text: &str) -> Vec<Finding> {
        let mut found = scan::scan(text, self.kinds);
        for (name, regex) in &self.own {
            let ranges = regex.captures_iter(text).filter_map(|captures| {
                Some(captures.name("value").or_else(|| captures.get(0))?.range()).filter(|range| !range.is_empty())
            });
            found.extend(ranges.map(|range| Finding { kind: SecretKind::Own, label: name.clone().into(), range }));
        }
        if found.is_empty() {
            return found;
        }
        let marks = self.marks(text);
        found.retain(|finding| {
            let value = text.get(finding.range.clone()).unwrap_or_default();
            !self.allows(value) && !is_inside(&marks, &finding.range)
        });
        merge(text, found)
    }

    fn allows(&self, value: &str) -> bool {
        self.allow.contains(value) || self.allow_patterns.iter().any(|pattern| pattern.is_match(value))
    }

    /// Where marks of this redactor stand, by position.
    fn marks(&self, text: &str) -> Vec<Range<usize>> {
        let range = |(start, _): (usize, &str)| {
            let rest = text.get(start + MARK.len()..)?;
            let end = rest.bytes().take(200).position(|byte| byte == b']')?;
            let label = rest.get(..end)?;
            self.labels.contains(label).then(|| start..start + MARK.len() + end + 1)
        };
        text.match_indices(MARK).filter_map(range).collect()
    }
}

/// Shows what is looked for; values that are allowed are counted only.
impl fmt::Debug for Redactor {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Redactor")
            .field("enabled", &self.enabled)
            .field("kinds", &self.kinds)
            .field("own", &self.own.iter().map(|(name, _)| name).collect::<Vec<_>>())
            .field("allowed", &(self.allow.len() + self.allow_patterns.len()))
            .finish()
    }
}

/// Shows what was found, and of the text its length only: it is still somebody's.
impl fmt::Debug for Redacted<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Redacted").field("bytes", &self.text.len()).field("findings", &self.findings).finish()
    }
}

/// What stands in the place of a credential.
fn mark(label: &str) -> String {
    format!("{MARK}{label}]")
}

/// A text with marks, and where its pieces come from.
struct Marked {
    text: String,
    /// For each finding: where its mark stands here, and what stood there in the original.
    marks: Vec<(Range<usize>, Range<usize>)>,
}

impl Marked {
    fn new(original: &str, findings: &[Finding]) -> Self {
        let mut text = String::with_capacity(original.len());
        let mut marks = Vec::with_capacity(findings.len());
        let mut position = 0;
        for finding in findings {
            text.push_str(original.get(position..finding.range.start).unwrap_or_default());
            let start = text.len();
            text.push_str(&finding.mark());
            marks.push((start..text.len(), finding.range.clone()));
            position = finding.range.end;
        }
        text.push_str(original.get(position..).unwrap_or_default());
        Self { text, marks }
    }

    /// The range of the original that a range of this text stands for.
    fn original(&self, range: &Range<usize>) -> Range<usize> {
        let place = |position: usize, is_end: bool| {
            // The last mark that begins before the position.
            let after = self.marks.partition_point(|(mark, _)| mark.start < position + usize::from(!is_end));
            match after.checked_sub(1).and_then(|last| self.marks.get(last)) {
                None => position,
                Some((mark, of)) if position >= mark.end => of.end + (position - mark.end),
                Some((_, of)) => {
                    if is_end {
                        of.end
                    } else {
                        of.start
                    }
                }
            }
        };
        place(range.start, false)..place(range.end, true)
    }
}

/// Findings by position, joined where they overlap. What is told most surely gives its name.
fn merge(text: &str, mut findings: Vec<Finding>) -> Vec<Finding> {
    for finding in &mut findings {
        while !text.is_char_boundary(finding.range.start) {
            finding.range.start -= 1;
        }
        while finding.range.end < text.len() && !text.is_char_boundary(finding.range.end) {
            finding.range.end += 1;
        }
    }
    findings.sort_by_key(|finding| (finding.range.start, finding.range.end));
    let mut merged: Vec<Finding> = Vec::with_capacity(findings.len());
    for finding in findings {
        match merged.last_mut() {
            Some(last) if finding.range.start < last.range.end => {
                last.range.end = last.range.end.max(finding.range.end);
                if sureness(finding.kind) > sureness(last.kind) {
                    last.kind = finding.kind;
                    last.label = finding.label;
                }
            }
            _ => merged.push(finding),
        }
    }
    merged
}

fn sureness(kind: SecretKind) -> u8 {
    match kind {
        SecretKind::Own => 8,
        SecretKind::PrivateKey => 7,
        SecretKind::ApiKey => 6,
        SecretKind::Jwt => 5,
        SecretKind::UrlPassword => 4,
        SecretKind::Authorization => 3,
        SecretKind::PaymentCard | SecretKind::Iban => 2,
        SecretKind::Assignment => 1,
    }
}

fn is_inside(marks: &[Range<usize>], range: &Range<usize>) -> bool {
    let after = marks.partition_point(|mark| mark.start <= range.start);
    after.checked_sub(1).and_then(|last| marks.get(last)).is_some_and(|mark| range.end <= mark.end)
}
