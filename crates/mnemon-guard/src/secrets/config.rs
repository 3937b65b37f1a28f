//! What is redacted.

use std::fmt;

use serde::{Deserialize, Serialize};

/// What a [`Redactor`](super::Redactor) looks for. The default looks for every kind and allows nothing.
///
/// ```
/// use mnemon_guard::{RedactionConfig, SecretKind};
/// let config: RedactionConfig = serde_json::from_str(r#"{"kinds": ["api-key", "jwt"]}"#)?;
/// assert!(config.enabled);
/// assert_eq!(config.kinds, [SecretKind::ApiKey, SecretKind::Jwt]);
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct RedactionConfig {
    /// Whether anything is redacted at all.
    pub enabled: bool,
    /// The kinds that are looked for; [`SecretKind::Own`] is implied by `patterns`.
    pub kinds: Vec<SecretKind>,
    /// Values that stay: a value that is found and equals one of these is left as it is.
    pub allow: Vec<String>,
    /// The same as regular expressions, each of which must match a whole value.
    pub allow_patterns: Vec<String>,
    /// Patterns of the user's own.
    pub patterns: Vec<OwnPattern>,
}

impl Default for RedactionConfig {
    fn default() -> Self {
        Self {
            enabled: true,
            kinds: SecretKind::BUILT_IN.to_vec(),
            allow: Vec::new(),
            allow_patterns: Vec::new(),
            patterns: Vec::new(),
        }
    }
}

/// Values that are allowed may be secrets too: they are counted, not shown.
impl fmt::Debug for RedactionConfig {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("RedactionConfig")
            .field("enabled", &self.enabled)
            .field("kinds", &self.kinds)
            .field("allow", &self.allow.len())
            .field("allow_patterns", &self.allow_patterns.len())
            .field("patterns", &self.patterns)
            .finish()
    }
}

/// A pattern of the user's own.
///
/// What it matches is replaced by `[redacted: NAME]`; when the expression has a group named `value`, only that group is.
/// The syntax is that of the crate regex. An expression with unbounded repetitions, each match of which fails late
/// (`x.*y` over a text of many `x`), can take time in the square of the length of a text.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OwnPattern {
    /// What the mark says: 1 to 40 characters, no brackets and no control characters.
    pub name: String,
    /// The regular expression. It may not match the empty text.
    pub regex: String,
}

/// What a secret is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum SecretKind {
    /// A key or token of a known provider, told by its documented prefix and shape.
    ApiKey,
    /// A block that begins with `-----BEGIN … PRIVATE KEY`.
    PrivateKey,
    /// A JSON web token.
    Jwt,
    /// The credentials of an `Authorization` header, and `Bearer …` anywhere.
    Authorization,
    /// The password of `scheme://user:password@host`.
    UrlPassword,
    /// The value of something that is called a password, secret, token or key: `password = …`, `api_key: "…"`.
    Assignment,
    /// A payment card number: the digits of a known brand, with a right check digit (Luhn).
    PaymentCard,
    /// An international bank account number: the length and form of its country, with right check digits (mod 97).
    Iban,
    /// What a pattern of the user's own matches.
    Own,
}

impl SecretKind {
    /// Every kind but the user's own patterns.
    pub const BUILT_IN: [Self; 8] = [
        Self::ApiKey,
        Self::PrivateKey,
        Self::Jwt,
        Self::Authorization,
        Self::UrlPassword,
        Self::Assignment,
        Self::PaymentCard,
        Self::Iban,
    ];
}

/// A set of rules that cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum GuardError {
    /// A pattern has no name that fits in a mark.
    #[error("expected 1 to 40 characters without brackets and control characters as name of a pattern, got {got:?}")]
    PatternName {
        /// The name that was given, cut after 80 characters.
        got: String,
    },
    /// A pattern is no regular expression.
    #[error("expected a regular expression as pattern {name:?}")]
    Pattern {
        /// The name of the pattern.
        name: String,
        /// What is wrong with it.
        #[source]
        source: regex::Error,
    },
    /// A pattern matches where there is nothing.
    #[error("expected the pattern {name:?} to match at least one character, and it matches the empty text")]
    EmptyMatch {
        /// The name of the pattern.
        name: String,
    },
    /// An allowed pattern is no regular expression.
    #[error("expected a regular expression as allowed pattern number {number}")]
    AllowPattern {
        /// Which one, counted from 1.
        number: usize,
        /// What is wrong with it.
        #[source]
        source: regex::Error,
    },
}
