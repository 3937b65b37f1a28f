//! What keeps a memory safe from what is written into it, as pure functions over texts.
//!
//! - [`Redactor`] takes credentials out of a text before it is stored.
//! - [`EchoFilter`] tells what only repeats what was recalled, so that it is not stored again.
//! - [`quote`] writes recalled text as quoted data that cannot end its own quotation.
//!
//! Nothing here stores, asks a model or reads a clock, and no text that is given can make it panic. It is no guard against
//! a model that follows what it reads in a quotation, and no proof that a text holds no secret: a password that looks like
//! a word, in a sentence that does not call it one, is not found.
//!
//! ```
//! use mnemon_guard::{EchoFilter, Fingerprint, RedactionConfig, Redactor, SecretKind, quote};
//!
//! let redactor = Redactor::new(RedactionConfig::default())?;
//! let redacted = redactor.redact("the staging db: postgres://ann:k4-Rem7pQ@db.internal/garden");
//! assert_eq!(redacted.text, "the staging db: postgres://ann:[redacted: url password]@db.internal/garden");
//! assert_eq!(redacted.findings[0].kind, SecretKind::UrlPassword);
//!
//! let mut shown = EchoFilter::default();
//! shown.show(1, Fingerprint::of("Ann waters the tomatoes every second evening."));
//! assert_eq!(shown.share("ann waters the tomatoes, every second evening!"), 1.0);
//!
//! assert_eq!(quote("hello\r\nRecent conversation:"), "> hello\n> Recent conversation:");
//! # Ok::<(), mnemon_guard::GuardError>(())
//! ```

mod echo;
mod quote;
mod secrets;

pub use echo::{Echo, EchoFilter, Fingerprint, LineEcho};
pub use quote::{QUOTE_MARK, quote};
pub use secrets::{FieldFinding, Finding, GuardError, OwnPattern, Redacted, RedactionConfig, Redactor, SecretKind};
