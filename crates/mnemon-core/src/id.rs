//! Identifiers. They are UUIDs of version 7: ordered by the time they were made, unique across processes and machines.

use std::fmt;
use std::str::FromStr;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use uuid::{NoContext, Uuid};

/// An identifier that could not be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("expected a UUID such as 01890a5d-ac96-774b-bcce-b302099a8057 as the id of a {what}, got {got:?}")]
pub struct IdError {
    what: &'static str,
    got: String,
}

macro_rules! uuid_id {
    ($(#[$doc:meta])* $name:ident, $what:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(Uuid);

        impl $name {
            /// A new id that sorts by `now` (milliseconds of Unix time; times before 1970 count as 1970).
            #[must_use]
            pub fn new(now: Timestamp) -> Self {
                let millis = u64::try_from(now.as_millisecond()).unwrap_or(0);
                let nanos = (millis % 1000) as u32 * 1_000_000;
                Self(Uuid::new_v7(uuid::Timestamp::from_unix(NoContext, millis / 1000, nanos)))
            }

            /// The id that these 16 bytes spell.
            #[must_use]
            pub fn from_bytes(bytes: [u8; 16]) -> Self {
                Self(Uuid::from_bytes(bytes))
            }

            /// The 16 bytes of the id, in the order in which ids sort.
            #[must_use]
            pub fn as_bytes(&self) -> &[u8; 16] {
                self.0.as_bytes()
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($name), "({})"), self.0)
            }
        }

        impl FromStr for $name {
            type Err = IdError;

            fn from_str(s: &str) -> Result<Self, IdError> {
                Uuid::try_parse(s.trim()).map(Self).map_err(|_| IdError { what: $what, got: s.to_owned() })
            }
        }
    };
}

uuid_id!(
    /// Names one memory for ever: it survives updates, exports and moves between files.
    MemoryId,
    "memory"
);
uuid_id!(
    /// Names one session: one conversation from its first turn to its last.
    SessionId,
    "session"
);
uuid_id!(
    /// Names the receipt of one erasure.
    ReceiptId,
    "receipt"
);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_sort_by_the_time_they_were_given() {
        let at = |ms| Timestamp::from_millisecond(ms).unwrap();
        let early = MemoryId::new(at(1_700_000_000_123));
        let late = MemoryId::new(at(1_700_000_000_124));
        assert!(early < late);
        assert_ne!(MemoryId::new(at(5)), MemoryId::new(at(5)));
        // Times that UUIDs cannot hold are clamped rather than refused.
        assert!(MemoryId::new(Timestamp::MIN) < early);
    }

    #[test]
    fn an_id_survives_its_text_and_a_wrong_one_says_what_was_expected() {
        let id = SessionId::new(Timestamp::UNIX_EPOCH);
        assert_eq!(id.to_string().parse::<SessionId>(), Ok(id));
        let error = "yesterday".parse::<SessionId>().unwrap_err().to_string();
        assert!(error.contains("id of a session") && error.contains("yesterday"), "{error}");
    }
}
