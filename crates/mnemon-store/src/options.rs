//! How a store is opened.

use std::str::FromStr;
use std::time::Duration;

/// When a write counts as done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Durability {
    /// When it is on the disk: an acknowledged write survives a loss of power.
    #[default]
    Full,
    /// When the operating system has it: it survives the end of the process, however violent, but a loss of power
    /// may take the last writes with it. The file stays sound either way.
    Normal,
}

/// A word that names no durability.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("expected a durability (full, normal), got {got:?}")]
pub struct ParseDurabilityError {
    got: String,
}

impl FromStr for Durability {
    type Err = ParseDurabilityError;

    fn from_str(s: &str) -> Result<Self, ParseDurabilityError> {
        match s.trim().to_ascii_lowercase().as_str() {
            "full" => Ok(Self::Full),
            "normal" => Ok(Self::Normal),
            _ => Err(ParseDurabilityError { got: s.chars().take(80).collect() }),
        }
    }
}

/// How a store is opened.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct StoreOptions {
    /// When a write counts as done.
    pub durability: Durability,
    /// Open the file for reading only. A file that does not exist, or is of an older schema, is then an error.
    pub read_only: bool,
    /// How long an operation waits for another process that holds the lock before it fails with
    /// [`StoreError::Busy`](crate::StoreError::Busy).
    pub busy_timeout: Duration,
    /// Bytes that lie in a file of their own (`-ballast` behind the name of the memory file), so that something can be
    /// deleted when the disk is full. It is made when the memory file is at least that large; 0 for none.
    pub ballast: u64,
}

impl Default for StoreOptions {
    fn default() -> Self {
        Self { durability: Durability::Full, read_only: false, busy_timeout: Duration::from_secs(10), ballast: 1 << 20 }
    }
}
