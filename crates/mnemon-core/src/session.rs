//! Sessions: one conversation each.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::{Scope, SessionId};

/// One conversation inside a scope, from its first turn to its last.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Session {
    /// Its identity.
    pub id: SessionId,
    /// The scope that it belongs to.
    pub scope: Scope,
    /// A name that is unique in the scope, where somebody gave one.
    pub name: Option<String>,
    /// When it began: the time of its first turn, as far as that is known.
    pub started_at: Timestamp,
    /// How many turns it has.
    pub turns: u64,
}
