//! What can be saved of a damaged file, as a new one.
//!
//! Tables are read by their rows, never through an index, and around pages that cannot be read. Only what proves itself
//! comes into the new file: a memory by its checksum, a vector by its seal, and to whom a memory belongs by what says it
//! again elsewhere (its passage and its indexes), where these can be read.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::{Path, PathBuf};

use mnemon_core::{EndReason, Kind, MemoryId, Role, Trust};
use rusqlite::types::Value;
use rusqlite::{Connection, ErrorCode, Row, params, params_from_iter};
use uuid::Uuid;

use crate::backup::{Partial, make_folder, refuse_itself};
use crate::checksum::checksum;
use crate::damage::{dimensions, each_sealed, passage_of};
use crate::memories::time_from_millis;
use crate::parts::{MAX_PART, Table, key, parts, sealed};
use crate::scopes::scope_from_parts;
use crate::serving::serve_with;
use crate::{Existing, RowId, Steps, Store, StoreError, StoreOptions, connection, grams, schema, stats};

/// Rows between two reports of progress.
const REPORT: u64 = 1000;
/// How far rows are looked for behind the last one that is known, where nothing says how many there were.
const REACH: i64 = 100_000;

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

impl Store {
    /// Writes everything that can be read in a damaged file, and that is sound, into a new file of the present schema. The
    /// damaged file is opened for reading only and is not changed.
    ///
    /// Kept are scopes, sessions, memories with what is known of them, windows, models, passages and their vectors, under
    /// the same rows and ids. The passages are made anew from the texts when the new file is opened by the engine; vectors
    /// of equal texts stay. Text indexes, vectors of pieces and saved caches are made anew too. Reads the whole file; takes
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

/// What a passage says of its memory.
#[derive(Debug, Clone, Copy)]
struct Witness {
    scope: i64,
    run: i64,
    place: i64,
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
        // Those of older versions are made again from the texts.
        if self.version >= 5 {
            self.models()?;
            self.passages(passages)?;
            self.vectors(passages)?;
            self.serving_model()?;
        }
        let lost: HashSet<RowId> = self.report.lost.iter().map(|lost| lost.row).collect();
        for (row, id) in &known {
            if !self.kept.contains_key(row) && !lost.contains(row) {
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
        self.to.execute("INSERT INTO change (op, passage_id, scope_id, nonce) VALUES (7, 0, 0, random())", [])?;
        Ok(())
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

    /// The last row of a table, as far as anything says it.
    fn last_id(&self, table: &str, known: Option<i64>) -> Result<i64, StoreError> {
        let sequence =
            self.from.query_row("SELECT seq FROM sqlite_sequence WHERE name = ?1", [table], |row| row.get(0));
        let last =
            self.from.query_row(&format!("SELECT coalesce(max(id), 0) FROM {table} NOT INDEXED"), [], |row| row.get(0));
        let sequence: Option<i64> = readable(sequence.map_err(StoreError::from))?;
        let last: Option<i64> = readable(last.map_err(StoreError::from))?;
        let sane = |id: &i64| (0..1 << 43).contains(id);
        let known = [last, known].into_iter().flatten().filter(sane).max();
        // A number that is damaged is not to keep this at work for years.
        let pages: i64 = self.from.pragma_query_value(None, "page_count", |row| row.get(0))?;
        let most = known.unwrap_or(0) + 64 * pages.max(0) + REACH;
        Ok(match sequence.filter(sane) {
            Some(sequence) => sequence.max(known.unwrap_or(0)).min(most),
            // Where the table could be read, its last row is the last one.
            None => last.filter(sane).or(known).unwrap_or(most),
        })
    }

    fn scopes(&mut self) -> Result<(), StoreError> {
        let mut names: BTreeMap<i64, [String; 3]> = BTreeMap::new();
        let read = |row: &Row<'_>| Some((row.get(0).ok()?, [row.get(1).ok()?, row.get(2).ok()?, row.get(3).ok()?]));
        let last = self.last_id("scope", None)?;
        let sql = "SELECT id, user, agent, project FROM scope NOT INDEXED WHERE id >= ?1 AND id <= ?2 ORDER BY id";
        let is_whole = each_row(self.from, sql, 1..=last, 1, |row| {
            names.extend(read(row));
            Ok(())
        })?;
        // The index of names says all of it again.
        let mut indexed: BTreeMap<i64, [String; 3]> = BTreeMap::new();
        let again = "SELECT id, user, agent, project FROM scope INDEXED BY sqlite_autoindex_scope_1";
        let mut look = || -> Result<(), StoreError> {
            let mut statement = self.from.prepare(again)?;
            let mut rows = statement.query([])?;
            while let Some(row) = rows.next()? {
                indexed.extend(read(row));
            }
            Ok(())
        };
        let has_index = readable(look())?.is_some();
        let mut table = SalvagedTable { table: "scope", kept: 0, refused: 0, is_whole };
        for id in names.keys().chain(indexed.keys()).copied().collect::<std::collections::BTreeSet<_>>() {
            let name = match (names.get(&id), indexed.get(&id)) {
                (Some(name), Some(again)) if name == again => Some(name),
                (Some(name), None) if !has_index => Some(name),
                (None, Some(name)) => Some(name),
                // What two places say differently is nobody's name.
                _ => None,
            };
            let sound = name.filter(|[user, agent, project]| scope_from_parts(id, user, agent, project).is_ok());
            let kept = match sound {
                Some([user, agent, project]) => self.insert(
                    "INSERT INTO scope (id, user, agent, project) VALUES (?1, ?2, ?3, ?4)",
                    params![id, user, agent, project],
                )?,
                None => false,
            };
            if kept {
                self.scopes.insert(id, id);
                table.kept += 1;
            } else {
                table.refused += 1;
            }
        }
        self.report.tables.push(table);
        Ok(())
    }

    /// The scope of the new file for one of the old file; one of a new name when the old name is lost.
    fn scope(&mut self, old: i64) -> Result<i64, StoreError> {
        if let Some(scope) = self.scopes.get(&old) {
            return Ok(*scope);
        }
        let name = format!("salvaged-{old}-{:08x}", Uuid::new_v4().as_fields().0);
        self.to.execute("INSERT INTO scope (id, user, agent, project) VALUES (?1, ?2, '', '')", params![old, name])?;
        self.report.renamed_scopes.push(name);
        self.scopes.insert(old, old);
        Ok(old)
    }

    fn sessions(&mut self) -> Result<(), StoreError> {
        let last = self.last_id("session", None)?;
        let mut found = Vec::new();
        let sql = "SELECT id, uid, scope_id, name, started_at, imported FROM session NOT INDEXED
                   WHERE id >= ?1 AND id <= ?2 ORDER BY id";
        let is_whole = each_row(self.from, sql, 1..=last, 1, |row| {
            found.push(values(row));
            Ok(())
        })?;
        let mut table = SalvagedTable { table: "session", kept: 0, refused: 0, is_whole };
        for values in found {
            let kept = match values.as_deref() {
                Some([Value::Integer(id), uid, Value::Integer(scope), name, Value::Integer(started), imported])
                    if self.scopes.contains_key(scope) && time_from_millis("session", *id, *started).is_ok() =>
                {
                    let index = "SELECT 1 FROM session INDEXED BY session_name
                                 WHERE scope_id = ?1 AND name = ?2 AND name IS NOT NULL AND id = ?3";
                    // A name that its index does not know is not what it was.
                    let name = match (name, self.indexed(index, params![scope, name, id])?) {
                        (Value::Text(_), Some(false)) => &Value::Null,
                        (name, _) => name,
                    };
                    let row = params![id, uid, scope, name, started, imported];
                    let kept = self.insert(
                        "INSERT INTO session (id, uid, scope_id, name, started_at, imported)
                         VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
                        row,
                    )?;
                    if kept {
                        self.sessions.insert(*id, *scope);
                    }
                    kept
                }
                _ => false,
            };
            table.kept += u64::from(kept);
            table.refused += u64::from(!kept);
        }
        self.report.tables.push(table);
        Ok(())
    }

    /// The session of the new file for turns of a scope that were in a session of the old file. One that was lost, or is of
    /// another scope, is made up as history without a name.
    fn session(&mut self, old: i64, scope: i64, at: i64) -> Result<i64, StoreError> {
        if self.sessions.get(&old) == Some(&scope) {
            return Ok(old);
        }
        if let Some(session) = self.made_up.get(&(old, scope)) {
            return Ok(*session);
        }
        let uid = Uuid::now_v7().into_bytes();
        let id = Some(old).filter(|old| !self.sessions.contains_key(old) && *old > 0);
        self.to.execute(
            "INSERT INTO session (id, uid, scope_id, name, started_at, imported) VALUES (?1, ?2, ?3, NULL, ?4, 1)",
            params![id, uid, scope, at],
        )?;
        let session = self.to.last_insert_rowid();
        self.sessions.insert(session, scope);
        self.made_up.insert((old, scope), session);
        Ok(session)
    }

    fn sources(&mut self) -> Result<(), StoreError> {
        let last = self.last_id("source", None)?;
        let mut found = Vec::new();
        let sql = "SELECT id, name FROM source NOT INDEXED WHERE id >= ?1 AND id <= ?2 ORDER BY id";
        let is_whole = each_row(self.from, sql, 1..=last, 1, |row| {
            found.push(values(row));
            Ok(())
        })?;
        let mut table = SalvagedTable { table: "source", kept: 0, refused: 0, is_whole };
        for values in found {
            let kept = match values.as_deref() {
                Some([Value::Integer(id), name @ Value::Text(_)]) => {
                    let index = "SELECT 1 FROM source INDEXED BY sqlite_autoindex_source_1 WHERE name = ?1 AND id = ?2";
                    let is_sound = self.indexed(index, params![name, id])? != Some(false);
                    let kept =
                        is_sound && self.insert("INSERT INTO source (id, name) VALUES (?1, ?2)", params![id, name])?;
                    if kept {
                        self.sources.insert(*id);
                    }
                    kept
                }
                _ => false,
            };
            table.kept += u64::from(kept);
            table.refused += u64::from(!kept);
        }
        self.report.tables.push(table);
        Ok(())
    }

    /// A source of the new file for one of the old file. That it came from elsewhere is part of how far it is believed.
    fn source(&mut self, old: i64) -> Result<i64, StoreError> {
        if self.sources.insert(old) {
            let name = format!("salvaged-{old}-{:08x}", Uuid::new_v4().as_fields().0);
            self.to.execute("INSERT INTO source (id, name) VALUES (?1, ?2)", params![old, name])?;
        }
        Ok(old)
    }

    /// What passages say of the memories that they belong to.
    fn look_for_witnesses(&mut self, last: i64) -> Result<(), StoreError> {
        if self.version < 3 {
            return Ok(());
        }
        let sql = "SELECT id, memory_id, scope_id, run, place FROM passage NOT INDEXED
                   WHERE id >= ?1 AND id <= ?2 ORDER BY id";
        let (witnesses, steps, progress) = (&mut self.witnesses, &mut self.steps, &mut self.progress);
        each_row(self.from, sql, 1..=last, 1, |row| {
            if let (Ok(memory), Ok(scope), Ok(run), Ok(place)) = (row.get(1), row.get(2), row.get(3), row.get(4)) {
                witnesses.entry(memory).or_insert(Witness { scope, run, place });
            }
            advance(steps, *progress);
            Ok(())
        })?;
        Ok(())
    }

    fn memories(&mut self, last: i64) -> Result<(), StoreError> {
        let checksum = if self.version >= 5 { "checksum" } else { "NULL" };
        let sql = format!(
            "SELECT id, uid, scope_id, kind, session_id, position, role, pinned, occurred_at, stored_at, updated_at,
                    priority, source_id, external_id, origin_hash, speaker, metadata, caption, text, {checksum}
             FROM memory NOT INDEXED WHERE id >= ?1 AND id <= ?2 ORDER BY id"
        );
        let mut table = SalvagedTable { table: "memory", kept: 0, refused: 0, is_whole: true };
        table.is_whole = each_row(self.from, &sql, 1..=last, 1, |row| {
            let Ok(id) = row.get::<_, RowId>(0) else { return Ok(()) };
            // Two pages of a damaged tree may be one.
            if self.kept.contains_key(&id) {
                return Ok(());
            }
            match self.memory(id, row)? {
                Ok(()) => table.kept += 1,
                Err(why) => {
                    table.refused += 1;
                    self.report.lost.push(LostMemory { row: id, id: None, why });
                }
            }
            advance(&mut self.steps, self.progress);
            Ok(())
        })?;
        self.report.tables.push(table);
        Ok(())
    }

    /// Why a memory was not kept is the inner error.
    fn memory(&mut self, id: RowId, row: &Row<'_>) -> Result<Result<(), &'static str>, StoreError> {
        let Some(values) = values(row) else { return Ok(Err("its text is not UTF-8")) };
        let Ok::<[Value; 20], _>(values) = values.try_into() else { return Ok(Err("its row has other columns")) };
        let found = {
            let of = |column: usize| values.get(column).map_or(rusqlite::types::ValueRef::Null, Into::into);
            checksum([of(1), of(3), of(18), of(17), of(5), of(6), of(15), of(16), of(8)])
        };
        let [_, uid, scope, kind, session, position, role, pinned, occurred, stored, updated, rest @ ..] = &values;
        let [priority, source, external, origin_hash, speaker, metadata, caption, text, expected] = rest;
        match expected {
            Value::Integer(expected) if *expected == found => {}
            Value::Null if self.version < 5 => self.report.unproven += 1,
            _ => return Ok(Err("it does not fit its checksum")),
        }
        let Some(kind) = integer(kind).and_then(Kind::from_code) else { return Ok(Err("its kind is not known")) };
        if integer(role).is_some_and(|role| Role::from_code(role).is_none()) {
            return Ok(Err("its role is not known"));
        }
        let is_time = |value: &Value| integer(value).is_some_and(|at| time_from_millis("memory", id, at).is_ok());
        if !is_time(stored) || !is_time(updated) || !(is_time(occurred) || *occurred == Value::Null) {
            return Ok(Err("its times are not of this calendar"));
        }
        if !matches!(priority, Value::Real(priority) if !priority.is_nan()) {
            return Ok(Err("its priority is not a number"));
        }
        let (Some(old_scope), stored_at) = (integer(scope), integer(stored).unwrap_or_default()) else {
            return Ok(Err("its scope is not known"));
        };
        let place = integer(session).zip(integer(position));
        if !self.is_in_scope(id, old_scope)? {
            return Ok(Err("what it says of its scope is said otherwise elsewhere"));
        }
        if (kind == Kind::Turn) != place.is_some() || !self.is_in_place(id, place)? {
            return Ok(Err("what it says of its session is said otherwise elsewhere"));
        }
        let scope = self.scope(old_scope)?;
        let session = place.map(|(session, _)| self.session(session, scope, stored_at)).transpose()?;
        let source = integer(source).map(|source| self.source(source)).transpose()?;
        let columns = params![
            id,
            uid,
            scope,
            values.get(3),
            session,
            position,
            role,
            pinned,
            occurred,
            stored,
            updated,
            priority,
            source,
            external,
            origin_hash,
            speaker,
            metadata,
            caption,
            text,
            found,
        ];
        let kept = self.insert(
            "INSERT INTO memory (id, uid, scope_id, kind, session_id, position, role, pinned, occurred_at, stored_at,
                                 updated_at, priority, source_id, external_id, origin_hash, speaker, metadata, caption,
                                 text, checksum)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19, ?20)",
            columns,
        )?;
        if !kept {
            return Ok(Err("its row breaks a rule, or is there twice"));
        }
        let grams = grams::grams([text, caption, speaker].into_iter().filter_map(|value| match value {
            Value::Text(text) => Some(text.as_str()),
            _ => None,
        }));
        if !grams.is_empty() {
            self.to
                .prepare_cached("INSERT INTO memory_grams (rowid, grams) VALUES (?1, ?2)")?
                .execute(params![id, grams])?;
        }
        self.kept.insert(id, session);
        Ok(Ok(()))
    }

    fn is_in_scope(&self, id: RowId, scope: i64) -> Result<bool, StoreError> {
        let passage = self.witnesses.get(&id).map(|witness| witness.scope == scope);
        let index = "SELECT 1 FROM memory INDEXED BY memory_scope WHERE scope_id = ?1 AND id = ?2";
        Ok(is_believed(passage, self.indexed(index, params![scope, id])?))
    }

    fn is_in_place(&self, id: RowId, place: Option<(i64, i64)>) -> Result<bool, StoreError> {
        let run = self.witnesses.get(&id).map(|witness| match place {
            Some(place) => (witness.run, witness.place) == (place.0.wrapping_mul(2), place.1),
            None => witness.run == id.wrapping_mul(2) + 1,
        });
        let index = match place {
            Some((session, position)) => self.indexed(
                "SELECT 1 FROM memory INDEXED BY memory_position
                 WHERE session_id = ?1 AND session_id IS NOT NULL AND position = ?2 AND id = ?3",
                params![session, position, id],
            )?,
            None => None,
        };
        Ok(is_believed(run, index))
    }

    fn states(&mut self, last: i64) -> Result<(), StoreError> {
        let sql =
            "SELECT memory_id, trust, importance, uses, last_used, expires_at, ended_at, ended_why, ended_by, subject,
                          slot FROM memory_state NOT INDEXED
                   WHERE memory_id >= ?1 AND memory_id <= ?2 ORDER BY memory_id";
        let mut table = SalvagedTable { table: "memory_state", kept: 0, refused: 0, is_whole: true };
        table.is_whole = each_row(self.from, sql, 1..=last, 1, |row| {
            let kept = self.state(row)?;
            table.kept += u64::from(kept);
            table.refused += u64::from(!kept);
            Ok(())
        })?;
        self.report.tables.push(table);
        Ok(())
    }

    fn state(&self, row: &Row<'_>) -> Result<bool, StoreError> {
        let Some(mut values) = values(row) else { return Ok(false) };
        let [id, trust, _, _, last_used, expires_at, ended_at, why, by, ..] = values.as_mut_slice() else {
            return Ok(false);
        };
        let Some(memory) = integer(id).filter(|id| self.kept.contains_key(id)) else { return Ok(false) };
        let is_known = |value: &Value, known: bool| known || *value == Value::Null;
        let is_time = |value: &Value| {
            is_known(value, integer(value).is_some_and(|at| time_from_millis("memory_state", memory, at).is_ok()))
        };
        let codes = [
            is_known(trust, integer(trust).and_then(Trust::from_code).is_some()),
            is_known(why, integer(why).and_then(EndReason::from_code).is_some()),
            [&*last_used, &*expires_at, &*ended_at].into_iter().all(is_time),
        ];
        if codes.contains(&false) {
            return Ok(false);
        }
        if !integer(by).is_some_and(|by| self.kept.contains_key(&by)) {
            *by = Value::Null;
        }
        self.insert(
            "INSERT INTO memory_state (memory_id, trust, importance, uses, last_used, expires_at, ended_at, ended_why,
                                       ended_by, subject, slot)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)",
            params_from_iter(values),
        )
    }

    /// The proofs of what was erased.
    fn erasures(&mut self) -> Result<(), StoreError> {
        let sql = "SELECT id, uid, requested_at, finished_at, memories, passages, digest FROM erasure NOT INDEXED
                   WHERE id >= ?1 AND id <= ?2 ORDER BY id";
        let last = self.last_id("erasure", None)?;
        let mut table = SalvagedTable { table: "erasure", kept: 0, refused: 0, is_whole: true };
        table.is_whole = each_row(self.from, sql, 1..=last, 1, |row| {
            let kept = match values(row) {
                Some(values) => self.insert(
                    "INSERT INTO erasure (id, uid, requested_at, finished_at, memories, passages, digest)
                     VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
                    params_from_iter(values),
                )?,
                None => false,
            };
            table.kept += u64::from(kept);
            table.refused += u64::from(!kept);
            Ok(())
        })?;
        self.report.tables.push(table);
        Ok(())
    }

    /// A turn that is in no window is active in long-term memory, so nothing is lost with a row of it.
    fn windows(&mut self) -> Result<(), StoreError> {
        let mut table = SalvagedTable { table: "window", kept: 0, refused: 0, is_whole: true };
        let mut sessions: Vec<i64> = self.sessions.keys().copied().collect();
        sessions.sort_unstable();
        for session in sessions {
            let mut read = || -> Result<(), StoreError> {
                let mut statement = self.from.prepare_cached(
                    "SELECT memory_id, last_access FROM window WHERE session_id = ?1 ORDER BY memory_id",
                )?;
                let mut rows = statement.query([session])?;
                while let Some(row) = rows.next()? {
                    let place = row.get::<_, i64>(0).and_then(|memory| Ok((memory, row.get::<_, i64>(1)?)));
                    let sound = place.ok().filter(|(memory, at)| {
                        self.kept.get(memory) == Some(&Some(session))
                            && time_from_millis("window", *memory, *at).is_ok()
                    });
                    let kept = match sound {
                        Some((memory, at)) => self.insert(
                            "INSERT INTO window (session_id, memory_id, last_access) VALUES (?1, ?2, ?3)",
                            params![session, memory, at],
                        )?,
                        None => false,
                    };
                    table.kept += u64::from(kept);
                    table.refused += u64::from(!kept);
                }
                Ok(())
            };
            table.is_whole &= readable(read())?.is_some();
        }
        self.report.tables.push(table);
        Ok(())
    }

    fn models(&mut self) -> Result<(), StoreError> {
        let last = self.last_id("model", None)?.min(crate::parts::MAX_MODEL);
        let sql = "SELECT id, name, revision, dtype, dimension FROM model NOT INDEXED
                   WHERE id >= ?1 AND id <= ?2 ORDER BY id";
        let mut table = SalvagedTable { table: "model", kept: 0, refused: 0, is_whole: true };
        table.is_whole = each_row(self.from, sql, 1..=last, 1, |row| {
            let Some(values) = values(row) else {
                table.refused += 1;
                return Ok(());
            };
            let index = "SELECT 1 FROM model INDEXED BY sqlite_autoindex_model_1
                         WHERE id = ?1 AND name = ?2 AND revision = ?3 AND dtype = ?4 AND dimension = ?5";
            let is_sound = self.indexed(index, params_from_iter(&values))? != Some(false);
            let kept = is_sound
                && self.insert(
                    "INSERT INTO model (id, name, revision, dtype, dimension) VALUES (?1, ?2, ?3, ?4, ?5)",
                    params_from_iter(values),
                )?;
            table.kept += u64::from(kept);
            table.refused += u64::from(!kept);
            Ok(())
        })?;
        self.report.tables.push(table);
        Ok(())
    }

    /// The model that the file serves with, else the one that has the most vectors; a change under way is begun anew.
    fn serving_model(&mut self) -> Result<(), StoreError> {
        let known = match self.version {
            ..6 => None,
            _ => {
                let read = self.from.query_row("SELECT model_id FROM meta WHERE id = 1", [], |row| row.get(0));
                readable(read.map_err(StoreError::from))?.flatten()
            }
        };
        serve_with(self.to, known)
    }

    /// Nothing proves the terms of a passage, so it counts as made by no version of the analysis: the engine makes it
    /// again from the text of its memory, and keeps the vectors of what is embedded of it if that is the same.
    fn passages(&mut self, last: i64) -> Result<(), StoreError> {
        let sql =
            "SELECT id, memory_id, scope_id, ordinal, start_byte, end_byte, run, place, words, cues, content, terms
                   FROM passage NOT INDEXED WHERE id >= ?1 AND id <= ?2 ORDER BY id";
        let mut table = SalvagedTable { table: "passage", kept: 0, refused: 0, is_whole: true };
        table.is_whole = each_row(self.from, sql, 1..=last, 1, |row| {
            let kept = match values(row) {
                Some(values) => self.passage(values)?,
                None => false,
            };
            table.kept += u64::from(kept);
            table.refused += u64::from(!kept);
            advance(&mut self.steps, self.progress);
            Ok(())
        })?;
        self.report.tables.push(table);
        Ok(())
    }

    fn passage(&self, mut values: Vec<Value>) -> Result<bool, StoreError> {
        let [_, memory, scope, ordinal, start, end, run, place, words, cues, ..] = values.as_mut_slice() else {
            return Ok(false);
        };
        let numbers = [&*ordinal, &*start, &*end, &*words, &*cues];
        if numbers.into_iter().any(|value| integer(value).is_none_or(|number| u32::try_from(number).is_err())) {
            return Ok(false);
        }
        let Some(memory) = integer(memory) else { return Ok(false) };
        let Some(session) = self.kept.get(&memory) else { return Ok(false) };
        let (scope_of, position, bytes): (i64, Option<i64>, i64) = self
            .to
            .prepare_cached("SELECT scope_id, position, octet_length(text) FROM memory WHERE id = ?1")?
            .query_row([memory], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?;
        let expected = match session.zip(position) {
            Some((session, position)) => (2 * session, position),
            None => (2 * memory + 1, integer(ordinal).unwrap_or_default()),
        };
        if integer(scope) != Some(scope_of) || integer(end).is_none_or(|end| end > bytes) {
            return Ok(false);
        }
        // Turns of a session that was made up have another run now.
        (*run, *place) = (Value::Integer(expected.0), Value::Integer(expected.1));
        self.insert(
            "INSERT INTO passage (id, memory_id, scope_id, ordinal, start_byte, end_byte, run, place, words, cues, content,
                                  terms, analysis)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, 0)",
            params_from_iter(values),
        )
    }

    fn vectors(&mut self, last: i64) -> Result<(), StoreError> {
        let mut table = SalvagedTable { table: "vector", kept: 0, refused: 0, is_whole: true };
        for (model, dimension) in dimensions(self.to)? {
            let mut next = 1;
            while next <= last {
                let mut reached = next;
                let keys = key(model, next)..=key(model, last) | MAX_PART;
                let read = each_sealed(self.from, Table::Vector, keys, |first, data| {
                    reached = passage_of(first) + 1;
                    let kept = self.vector(first, dimension, data)?;
                    table.kept += u64::from(kept);
                    table.refused += u64::from(!kept);
                    advance(&mut self.steps, self.progress);
                    Ok(())
                });
                if readable(read)?.is_some() {
                    break;
                }
                // The passage at which it failed comes first the next time, so it is passed over when nothing came before.
                table.is_whole = false;
                next = if reached > next { reached } else { next + 1 };
            }
        }
        self.report.tables.push(table);
        Ok(())
    }

    fn vector(&self, first: i64, dimension: usize, data: Option<&[u8]>) -> Result<bool, StoreError> {
        let Some(data) = data.filter(|data| data.len() == 2 * dimension) else { return Ok(false) };
        let mut passage = self.to.prepare_cached("SELECT 1 FROM passage WHERE id = ?1").map_err(in_new_file)?;
        if !passage.exists([passage_of(first)]).map_err(in_new_file)? {
            return Ok(false);
        }
        for (id, part) in (first..).zip(parts(&sealed(first, data))) {
            if !self.insert("INSERT INTO vector (id, data) VALUES (?1, ?2)", params![id, part])? {
                return Ok(false);
            }
        }
        Ok(true)
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

/// What fails in the new file is not taken for damage of the old one.
fn in_new_file(error: rusqlite::Error) -> StoreError {
    match StoreError::from(error) {
        StoreError::Io(source) | StoreError::Corrupt(source) => StoreError::Sqlite(source),
        other => other,
    }
}

/// Whether to believe what a row says, when a passage and an index say it again, or something else. One that differs
/// is outvoted by one that agrees.
fn is_believed(passage: Option<bool>, index: Option<bool>) -> bool {
    let agree = [passage, index].into_iter().flatten().filter(|agrees| *agrees).count();
    let differ = [passage, index].into_iter().flatten().filter(|agrees| !*agrees).count();
    differ <= agree
}

/// Gives every row of a table that can be read to `each`, by a query for the rows from one id to another. Where a page
/// cannot be read it goes on behind the row that it came to, one id after another. False when something could not be read.
fn each_row(
    conn: &Connection,
    sql: &str,
    ids: std::ops::RangeInclusive<i64>,
    step: i64,
    mut each: impl FnMut(&Row<'_>) -> Result<(), StoreError>,
) -> Result<bool, StoreError> {
    let (mut next, last) = ids.into_inner();
    let mut is_whole = true;
    while next <= last {
        let mut statement = match readable(conn.prepare_cached(sql).map_err(StoreError::from))? {
            Some(statement) => statement,
            None => return Ok(false),
        };
        let mut rows = statement.query([next, last])?;
        loop {
            match readable(rows.next().map_err(StoreError::from))? {
                Some(Some(row)) => {
                    let id: i64 = row.get(0).unwrap_or(next);
                    each(row)?;
                    next = id.max(next) + step;
                }
                Some(None) => return Ok(is_whole),
                None => break,
            }
        }
        is_whole = false;
        next += step;
    }
    Ok(is_whole)
}

/// `None` for what cannot be read because the file is damaged.
fn readable<T>(read: Result<T, StoreError>) -> Result<Option<T>, StoreError> {
    match read {
        Ok(value) => Ok(Some(value)),
        Err(StoreError::Corrupt(_) | StoreError::Io(_)) => Ok(None),
        // A schema that is damaged may have lost a table, an index or a column.
        Err(StoreError::Sqlite(
            rusqlite::Error::QueryReturnedNoRows
            | rusqlite::Error::InvalidColumnType(..)
            | rusqlite::Error::SqlInputError { .. },
        )) => Ok(None),
        // A length that is damaged asks for more memory than there is.
        Err(StoreError::Sqlite(source))
            if matches!(source.sqlite_error_code(), Some(ErrorCode::OutOfMemory | ErrorCode::TooBig)) =>
        {
            Ok(None)
        }
        Err(error) => Err(error),
    }
}

/// The columns of a row; `None` when a text of it is none.
fn values(row: &Row<'_>) -> Option<Vec<Value>> {
    (0..row.as_ref().column_count()).map(|column| row.get(column).ok()).collect()
}

fn integer(value: &Value) -> Option<i64> {
    match value {
        Value::Integer(value) => Some(*value),
        _ => None,
    }
}

fn advance(steps: &mut Steps, progress: &mut dyn FnMut(Steps)) {
    steps.done += 1;
    steps.total = steps.total.max(steps.done);
    if steps.done.is_multiple_of(REPORT) {
        progress(*steps);
    }
}
