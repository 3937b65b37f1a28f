//! What can be saved of a damaged file, as a new one.
//!
//! Tables are read by their rows, never through an index, and around pages that cannot be read (reading.rs). Only what
//! proves itself comes into the new file: a memory by its checksum, a vector by its seal, and to whom a memory belongs by
//! what says it again elsewhere (its passage and its indexes), where these can be read.

mod made;
mod memories;
mod owners;
mod reading;
mod report;

use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::{Path, PathBuf};

use mnemon_core::MemoryId;
use rusqlite::{Connection, ErrorCode, Row, params};
use uuid::Uuid;

use crate::backup::{Partial, make_folder, refuse_itself};
use crate::changes::log_copied;
use crate::{Existing, RowId, Steps, Store, StoreError, StoreOptions, connection, schema, stats};
use memories::Witness;
use reading::{each_row, in_new_file, last_id, readable};
pub use report::{LostMemory, Salvaged, SalvagedTable};

/// Rows between two reports of progress.
const REPORT: u64 = 1000;

impl Store {
    /// Writes everything that can be read in a damaged file, and that is sound, into a new file of the present schema. The
    /// damaged file is opened for reading only and is not changed.
    ///
    /// Kept are scopes, sessions, memories with what is known of them, windows, models, passages and their vectors, under
    /// the same rows and ids. The passages are made anew from the texts when the new file is opened by the engine; vectors
    /// of equal texts stay. Text indexes, vectors of pieces, summaries that the engine made and saved caches are made anew too. Reads the whole file; takes
    /// about 200 bytes of memory a memory.
    ///
    /// # Errors
    /// [`StoreError::Exists`] when `to` is there, [`StoreError::NotADatabase`] and [`StoreError::Corrupt`] when so much is
    /// destroyed that SQLite knows no table of it, [`StoreError::Newer`], [`StoreError::Full`], [`StoreError::CannotWrite`].
    pub fn salvage(
        damaged: impl AsRef<Path>,
        to: impl AsRef<Path>,
        progress: &mut dyn FnMut(Steps),
    ) -> Result<Salvaged, StoreError> {
        let (damaged, to) = (damaged.as_ref(), to.as_ref());
        schema::check_sqlite_version()?;
        refuse_itself(Some(damaged), to)?;
        let options = StoreOptions { read_only: true, ..StoreOptions::default() };
        let from = connection::open(damaged, &options)?;
        // A row that reaches out of its page is an error, not bytes of something else.
        from.pragma_update(None, "cell_size_check", true)?;
        let version = schema::identify(&from, damaged)?;
        if version == 0 {
            return Err(StoreError::NotADatabase { path: damaged.to_owned() });
        }
        make_folder(to)?;
        let partial = Partial::new(to, Existing::Refuse)?;
        let mut conn = partial.open()?;
        schema::prepare(&mut conn, to, false, options.busy_timeout)?;
        let from = from.unchecked_transaction()?;
        let report = {
            let tx = conn.unchecked_transaction()?;
            let mut salvage = Salvage::new(&from, &tx, version, progress);
            salvage.run()?;
            let report = salvage.report;
            tx.commit()?;
            report
        };
        if let Some(damage) = stats::check(&conn)?.into_iter().next() {
            return Err(StoreError::BadCopy {
                path: to.to_owned(),
                detail: format!("{}: {}", damage.part, damage.detail),
            });
        }
        let uuid = crate::Snapshot::new(&conn).uuid()?;
        let bytes = partial.finish(conn, Some(damaged))?;
        Ok(Salvaged { path: to.to_owned(), bytes, uuid, ..report })
    }
}

struct Salvage<'a> {
    from: &'a Connection,
    to: &'a Connection,
    version: i64,
    progress: &'a mut dyn FnMut(Steps),
    steps: Steps,
    report: Salvaged,
    /// Scopes of the old file by their rows in the new one.
    scopes: HashMap<i64, i64>,
    /// Sessions of the new file with their scopes.
    sessions: HashMap<i64, i64>,
    /// Sessions that were made up for turns of one whose row was lost or is of another scope.
    made_up: HashMap<(i64, i64), i64>,
    sources: HashSet<i64>,
    witnesses: HashMap<RowId, Witness>,
    /// Memories of the new file, with the session of a turn.
    kept: HashMap<RowId, Option<i64>>,
    /// Summaries that are made anew.
    made: HashSet<RowId>,
}

impl<'a> Salvage<'a> {
    fn new(from: &'a Connection, to: &'a Connection, version: i64, progress: &'a mut dyn FnMut(Steps)) -> Self {
        let report = Salvaged {
            path: PathBuf::new(),
            bytes: 0,
            uuid: Uuid::nil(),
            tables: Vec::new(),
            lost: Vec::new(),
            unproven: 0,
            renamed_scopes: Vec::new(),
        };
        Self {
            from,
            to,
            version,
            progress,
            steps: Steps { done: 0, total: 0 },
            report,
            scopes: HashMap::new(),
            sessions: HashMap::new(),
            made_up: HashMap::new(),
            sources: HashSet::new(),
            witnesses: HashMap::new(),
            kept: HashMap::new(),
            made: HashSet::new(),
        }
    }

    fn run(&mut self) -> Result<(), StoreError> {
        let known = self.known_memories()?;
        let passages = if self.version >= 3 { self.last_id("passage", None)? } else { 0 };
        let memories = self.last_id("memory", known.keys().next_back().copied())?;
        self.steps.total = u64::try_from(memories + 2 * passages).unwrap_or(0);
        self.scopes()?;
        self.sessions()?;
        self.sources()?;
        self.look_for_witnesses(passages)?;
        self.memories(memories)?;
        if self.version >= 5 {
            self.states(memories)?;
            self.erasures()?;
        }
        self.windows()?;
        if self.version >= 7 {
            self.wait_for_summaries()?;
        }
        // Those of older versions are made again from the texts.
        if self.version >= 5 {
            self.models()?;
            self.passages(passages)?;
            self.vectors(passages)?;
            self.serving_model()?;
        }
        let lost: HashSet<RowId> = self.report.lost.iter().map(|lost| lost.row).collect();
        for (row, id) in &known {
            if !self.kept.contains_key(row) && !self.made.contains(row) && !lost.contains(row) {
                self.report.lost.push(LostMemory { row: *row, id: *id, why: "its row cannot be read" });
            }
        }
        for lost in &mut self.report.lost {
            lost.id = lost.id.or_else(|| known.get(&lost.row).copied().flatten());
        }
        self.report.lost.sort_by_key(|lost| lost.row);
        self.finish()
    }

    /// Numbers that were given are not given again, and no cache takes the file for the old one.
    fn finish(&mut self) -> Result<(), StoreError> {
        for table in ["scope", "session", "source", "memory", "model", "passage"] {
            let seq = self.from.query_row("SELECT seq FROM sqlite_sequence WHERE name = ?1", [table], |row| row.get(0));
            if let Some(seq) = readable(seq.map_err(StoreError::from))?.filter(|seq: &i64| (0..1 << 43).contains(seq)) {
                self.to
                    .execute("UPDATE sqlite_sequence SET seq = max(seq, ?2) WHERE name = ?1", params![table, seq])?;
            }
        }
        Ok(log_copied(self.to)?)
    }

    /// The memories that the index of ids knows, and those that passages name, whether their rows can be read or not.
    fn known_memories(&self) -> Result<BTreeMap<RowId, Option<MemoryId>>, StoreError> {
        let mut known = BTreeMap::new();
        // From both ends, in case that some page between them cannot be read.
        for order in ["ASC", "DESC"] {
            let sql = format!("SELECT id, uid FROM memory INDEXED BY sqlite_autoindex_memory_1 ORDER BY uid {order}");
            let mut read = || -> Result<(), StoreError> {
                let mut statement = self.from.prepare(&sql)?;
                let mut rows = statement.query([])?;
                while let Some(row) = rows.next()? {
                    if let (Ok(id), Ok(uid)) = (row.get::<_, RowId>(0), row.get(1)) {
                        known.insert(id, Some(MemoryId::from_bytes(uid)));
                    }
                }
                Ok(())
            };
            if readable(read())?.is_some() {
                break;
            }
        }
        Ok(known)
    }

    /// Gives every row of a table up to `last` that can be read to `keep`, which says whether it did, and notes in the report
    /// what came of it.
    fn each_kept(
        &mut self,
        table: &'static str,
        (sql, last): (&str, i64),
        mut keep: impl FnMut(&mut Self, &Row<'_>) -> Result<bool, StoreError>,
    ) -> Result<(), StoreError> {
        let mut counted = SalvagedTable { table, kept: 0, refused: 0, is_whole: true };
        counted.is_whole = each_row(self.from, sql, 1..=last, |row| {
            let kept = keep(self, row)?;
            counted.kept += u64::from(kept);
            counted.refused += u64::from(!kept);
            Ok(())
        })?;
        self.report.tables.push(counted);
        Ok(())
    }

    fn advance(&mut self) {
        advance(&mut self.steps, self.progress);
    }

    /// The last row of a table, as far as anything says it.
    fn last_id(&self, table: &str, known: Option<i64>) -> Result<i64, StoreError> {
        last_id(self.from, table, known)
    }

    /// Whether an index of the old file has an entry; `None` when it cannot be read.
    fn indexed(&self, sql: &str, params: impl rusqlite::Params) -> Result<Option<bool>, StoreError> {
        readable(self.from.prepare_cached(sql).and_then(|mut entry| entry.exists(params)).map_err(StoreError::from))
    }

    /// False when the new file refuses a row, because it breaks a rule of the schema.
    fn insert(&self, sql: &str, params: impl rusqlite::Params) -> Result<bool, StoreError> {
        match self.to.prepare_cached(sql)?.execute(params) {
            Ok(_) => Ok(true),
            Err(error) if error.sqlite_error_code() == Some(ErrorCode::ConstraintViolation) => Ok(false),
            Err(error) => Err(in_new_file(error)),
        }
    }
}

fn advance(steps: &mut Steps, progress: &mut dyn FnMut(Steps)) {
    steps.done += 1;
    steps.total = steps.total.max(steps.done);
    if steps.done.is_multiple_of(REPORT) {
        progress(*steps);
    }
}
