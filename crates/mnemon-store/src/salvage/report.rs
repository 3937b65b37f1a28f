//! What a salvage reports.

use std::path::PathBuf;

use mnemon_core::MemoryId;
use uuid::Uuid;

use crate::RowId;

/// What was saved of a damaged file.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
#[non_exhaustive]
pub struct Salvaged {
    /// The new file.
    pub path: PathBuf,
    /// Its size in bytes.
    pub bytes: u64,
    /// The id of the new file.
    pub uuid: Uuid,
    /// What was read and what was kept, for each table.
    pub tables: Vec<SalvagedTable>,
    /// Memories that were in the old file and are not in the new one.
    pub lost: Vec<LostMemory>,
    /// Memories that were kept without a proof: files of older versions have no checksums.
    pub unproven: u64,
    /// Scopes of which the name was lost, under the name that they have now: what was in them is there, and nobody else
    /// sees it.
    pub renamed_scopes: Vec<String>,
}

/// What was saved of a table.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
#[non_exhaustive]
pub struct SalvagedTable {
    /// The table.
    pub table: &'static str,
    /// Rows in the new file. Of vectors: those of a passage are one.
    pub kept: u64,
    /// Rows that could be read and are not sound, or belong to something that was lost.
    pub refused: u64,
    /// Whether every page of it could be read.
    pub is_whole: bool,
}

/// A memory that was lost.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
#[non_exhaustive]
pub struct LostMemory {
    /// Its row in the old file.
    pub row: RowId,
    /// Its id, where an index still knows it.
    pub id: Option<MemoryId>,
    /// Why it was lost.
    pub why: &'static str,
}
