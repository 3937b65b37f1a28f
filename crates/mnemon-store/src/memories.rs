//! Memories as rows: adding, reading, changing and deleting them.

use mnemon_core::{
    Field, Filter, Kind, Memory, MemoryId, Metadata, NewMemory, NewTurn, Origin, Placement, Role, Scope, SessionId,
    State, Timestamp, Trust, Turn,
};
use rusqlite::types::{Value, ValueRef};
use rusqlite::{OptionalExtension, Row, Rows, params, params_from_iter};

use crate::cells::{Cells, OfRow};
use crate::checksum::{checksum, checksum_of_row};
use crate::filter::Condition;
use crate::passages::Owner;
use crate::scopes::scope_from_parts;
use crate::state::{check_importance, state_from_row, trust_from_code};
use crate::summaries::is_made;
use crate::{RowId, ScopeRow, Snapshot, StoreError, WriteTx, grams};

/// The longest text that is stored. Ten times what one would call a book; a guard against a runaway caller.
const MAX_TEXT_BYTES: usize = 64 << 20;
/// How deep metadata may be nested, the object itself counted. serde_json reads 127 levels; the rest is for formats that
/// wrap a memory in something else, such as a line of an export.
const MAX_METADATA_LEVELS: usize = 100;

/// A memory that was added.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Added {
    /// Its row.
    pub row: RowId,
    /// Its id.
    pub id: MemoryId,
    /// False when the same text of the same origin was stored before (it may have been changed since): then this names
    /// that memory and nothing was written.
    pub is_new: bool,
    /// What its passages have to fit; `None` when it is not new.
    pub(crate) owner: Option<Owner>,
}

/// Which memories of a scope to list.
#[derive(Debug, Clone, PartialEq)]
pub struct ListFilter {
    /// Only of this kind.
    pub kind: Option<Kind>,
    /// Only the turns of this session.
    pub session: Option<SessionId>,
    /// Only pinned ones.
    pub pinned: bool,
    /// Only those that match.
    pub filter: Option<Filter>,
    /// With summaries that the engine made. They come anyway where the kind, or a filter over it, asks for summaries.
    pub summaries: bool,
    /// At most so many.
    pub limit: usize,
    /// After leaving out so many.
    pub offset: usize,
    /// The last stored first, instead of the first stored first.
    pub newest_first: bool,
}

impl Default for ListFilter {
    fn default() -> Self {
        Self {
            kind: None,
            session: None,
            pinned: false,
            filter: None,
            summaries: false,
            limit: 100,
            offset: 0,
            newest_first: false,
        }
    }
}

/// What of a memory to change. `None` leaves a field as it is.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct MemoryUpdate {
    /// Another text. The passages of the old text are dropped with their vectors.
    pub text: Option<String>,
    /// Other metadata, in place of all there was.
    pub metadata: Option<Metadata>,
    /// Pinned or not.
    pub pinned: Option<bool>,
    /// Another priority.
    pub priority: Option<f32>,
    /// Believed so far from now on. What a tool said is never believed more than what comes from outside.
    pub trust: Option<Trust>,
    /// Another importance, from 0 to 1.
    pub importance: Option<f32>,
    /// Another time from which on it is not found any more; `Some(None)`: it stays.
    pub expires_at: Option<Option<Timestamp>>,
}

/// Every column that [`memory_from_row`] reads.
const COLUMNS: &str = "
           m.id, m.uid, m.kind, m.text, m.caption, m.position, m.role, m.speaker, m.pinned, m.priority, m.metadata,
           m.external_id, m.occurred_at, m.stored_at, m.updated_at,
           scope.user, scope.agent, scope.project, m.scope_id,
           session.uid, source.name, window.memory_id IS NOT NULL, m.checksum,
           st.trust, st.importance, st.uses, st.last_used, st.expires_at, st.ended_at, st.ended_why,
           CASE WHEN st.ended_by IS NULL THEN NULL ELSE (SELECT uid FROM memory WHERE id = st.ended_by) END,
           st.subject, st.slot, st.memory_id";

/// What they are of.
const JOINED: &str = "
    JOIN scope ON scope.id = m.scope_id
    LEFT JOIN session ON session.id = m.session_id
    LEFT JOIN source ON source.id = m.source_id
    LEFT JOIN window ON window.session_id = m.session_id AND window.memory_id = m.id
    LEFT JOIN memory_state AS st ON st.memory_id = m.id";

/// A query for [`memory_from_row`]: of the memories `m` that `from` gives, those and in that order that `which` says.
pub(crate) fn select(from: &str, which: &str) -> String {
    format!("SELECT {COLUMNS} FROM {from} {JOINED} {which}")
}

/// A query for one memory, by its row.
pub(crate) fn select_one() -> String {
    select("memory AS m", "WHERE m.id = ?1")
}

impl Snapshot<'_> {
    /// The memories of these rows, in the same order; rows that are gone are left out.
    ///
    /// # Errors
    /// When the file cannot be read or a row is damaged.
    pub fn memories(&self, rows: &[RowId]) -> Result<Vec<(RowId, Memory)>, StoreError> {
        let mut memories = Vec::with_capacity(rows.len());
        let mut read = |mut found: Rows<'_>| -> Result<(), StoreError> {
            while let Some(row) = found.next()? {
                let memory = memory_from_row(row)?;
                memories.push((row.get(0)?, memory));
            }
            Ok(())
        };
        match rows {
            [] => {}
            [row] => read(self.conn.prepare_cached(&select_one())?.query([row])?)?,
            // All at once: a statement opens six trees whenever it is run, which takes as long as reading a row of them.
            rows => {
                let asked = "json_each(?1) AS asked CROSS JOIN memory AS m ON m.id = asked.value";
                read(self.conn.prepare_cached(&select(asked, ""))?.query([list_of(rows)])?)?;
            }
        }
        Ok(memories)
    }

    /// The row of a memory, if it is in this scope.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn memory_row(&self, scope: ScopeRow, id: MemoryId) -> Result<Option<RowId>, StoreError> {
        Ok(self
            .conn
            .prepare_cached("SELECT id FROM memory WHERE uid = ?1 AND scope_id = ?2")?
            .query_row(params![id.as_bytes(), scope.0], |row| row.get(0))
            .optional()?)
    }

    /// The memory of this id, if it is in this scope.
    ///
    /// # Errors
    /// When the file cannot be read or the row is damaged.
    pub fn memory(&self, scope: ScopeRow, id: MemoryId) -> Result<Option<Memory>, StoreError> {
        match self.memory_row(scope, id)? {
            Some(row) => Ok(self.memories(&[row])?.pop().map(|(_, memory)| memory)),
            None => Ok(None),
        }
    }

    /// The turn that was said last in a session. One seek.
    ///
    /// # Errors
    /// When the file cannot be read or the row is damaged.
    pub fn last_turn(&self, scope: ScopeRow, session: SessionId) -> Result<Option<Memory>, StoreError> {
        let Some(session) = self.session_row(scope, session)? else { return Ok(None) };
        let row: Option<RowId> = self
            .conn
            .prepare_cached("SELECT id FROM memory WHERE session_id = ?1 ORDER BY position DESC LIMIT 1")?
            .query_row([session], |row| row.get(0))
            .optional()?;
        match row {
            Some(row) => Ok(self.memories(&[row])?.pop().map(|(_, memory)| memory)),
            None => Ok(None),
        }
    }

    /// The memories of a scope that pass the filter, in the order in which they were stored.
    ///
    /// # Errors
    /// When the file cannot be read or a row is damaged.
    pub fn list(&self, scope: ScopeRow, filter: &ListFilter) -> Result<Vec<Memory>, StoreError> {
        let (condition, mut values) = self.condition(scope, filter)?;
        let order = if filter.newest_first { "DESC" } else { "ASC" };
        values.push(Value::Integer(i64::try_from(filter.limit).unwrap_or(i64::MAX)));
        values.push(Value::Integer(i64::try_from(filter.offset).unwrap_or(i64::MAX)));
        let sql = select("memory AS m", &format!("WHERE {condition} ORDER BY m.id {order} LIMIT ? OFFSET ?"));
        let mut statement = self.conn.prepare_cached(&sql)?;
        let mut rows = statement.query(params_from_iter(values))?;
        let mut memories = Vec::new();
        while let Some(row) = rows.next()? {
            memories.push(memory_from_row(row)?);
        }
        Ok(memories)
    }

    /// The pinned memories of a scope with their rows, in the order in which they were stored, at most `limit`.
    ///
    /// # Errors
    /// When the file cannot be read or a row is damaged.
    pub fn pinned(&self, scope: ScopeRow, limit: usize) -> Result<Vec<(RowId, Memory)>, StoreError> {
        let mut statement = self
            .conn
            .prepare_cached("SELECT id FROM memory WHERE scope_id = ?1 AND pinned = 1 ORDER BY id LIMIT ?2")?;
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        let rows: Vec<RowId> =
            statement.query_map(params![scope.0, limit], |row| row.get(0))?.collect::<Result<_, _>>()?;
        self.memories(&rows)
    }

    /// How many memories of a scope pass the filter; its limit and offset play no part.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn count(&self, scope: ScopeRow, filter: &ListFilter) -> Result<u64, StoreError> {
        let (condition, values) = self.condition(scope, filter)?;
        let sql = format!("SELECT count(*) FROM memory AS m WHERE {condition}");
        Ok(self.conn.prepare_cached(&sql)?.query_row(params_from_iter(values), |row| row.get(0))?)
    }

    fn condition(&self, scope: ScopeRow, filter: &ListFilter) -> Result<(String, Vec<Value>), StoreError> {
        let mut condition = String::from("m.scope_id = ?");
        let mut values = vec![Value::Integer(scope.0)];
        let names_kind = filter.filter.as_ref().is_some_and(|filter| filter.names(&Field::Kind));
        if !filter.summaries && filter.kind != Some(Kind::Summary) && !names_kind {
            condition.push_str(concat!(" AND NOT ", is_made!()));
        }
        if let Some(kind) = filter.kind {
            condition.push_str(" AND m.kind = ?");
            values.push(Value::Integer(kind.code()));
        }
        if let Some(session) = filter.session {
            condition.push_str(" AND m.session_id = ?");
            // No row has the id 0, so an unknown session lists nothing.
            values.push(Value::Integer(self.session_row(scope, session)?.unwrap_or(0)));
        }
        if filter.pinned {
            condition.push_str(" AND m.pinned = 1");
        }
        if let Some(filter) = &filter.filter {
            let matching = Condition::of(filter)?;
            condition.push_str(" AND ");
            condition.push_str(&matching.sql);
            values.extend(matching.values);
        }
        Ok((condition, values))
    }

    fn by_origin(&self, scope: ScopeRow, origin: &Origin, hash: i64) -> Result<Option<Added>, StoreError> {
        Ok(self
            .conn
            .prepare_cached(
                "SELECT id, uid FROM memory
                 WHERE scope_id = ?1 AND source_id = (SELECT id FROM source WHERE name = ?2) AND external_id = ?3
                 AND origin_hash = ?4",
            )?
            .query_row(params![scope.0, origin.source, origin.id, hash], |row| {
                Ok(Added { row: row.get(0)?, id: MemoryId::from_bytes(row.get(1)?), is_new: false, owner: None })
            })
            .optional()?)
    }
}

impl WriteTx<'_> {
    /// Adds a memory that is not a turn. The same text of the same origin is not added twice.
    ///
    /// # Errors
    /// [`StoreError::Invalid`] and [`StoreError::TextTooLong`] for what cannot be stored, and when the file cannot be
    /// written.
    pub fn add_memory(&self, scope: &Scope, new: &NewMemory, now: Timestamp) -> Result<Added, StoreError> {
        if new.kind == Kind::Turn {
            return Err(StoreError::Invalid {
                field: "kind",
                expected: "any kind but turn, which needs a session",
                got: new.kind.to_string(),
            });
        }
        let scope = self.ensure_scope(scope)?;
        self.insert(
            scope,
            now,
            &Fields {
                kind: new.kind,
                place: None,
                speaker: None,
                text: &new.text,
                caption: new.caption.as_deref(),
                pinned: new.pinned,
                priority: new.priority,
                metadata: &new.metadata,
                origin: new.origin.as_ref(),
                occurred_at: new.occurred_at,
                trust: new.trust,
                state: &new.state,
            },
        )
    }

    /// Appends turns to a session, in order, active where `placement` says. The same text of the same origin is not added
    /// twice.
    ///
    /// # Errors
    /// As [`WriteTx::add_memory`], and [`StoreError::NoSession`].
    pub fn append_turns(
        &self,
        scope: ScopeRow,
        session: SessionId,
        turns: &[NewTurn],
        placement: Placement,
        now: Timestamp,
    ) -> Result<Vec<Added>, StoreError> {
        let session_row =
            self.session_row(scope, session)?.ok_or_else(|| StoreError::NoSession { session: session.to_string() })?;
        let mut position: i64 = self
            .conn
            .prepare_cached("SELECT coalesce(max(position) + 1, 0) FROM memory WHERE session_id = ?1")?
            .query_row([session_row], |row| row.get(0))?;
        let mut all = Vec::with_capacity(turns.len());
        for turn in turns {
            let added = self.insert(
                scope,
                now,
                &Fields {
                    kind: Kind::Turn,
                    place: Some((session_row, position, turn.role)),
                    speaker: turn.speaker.as_deref(),
                    text: &turn.text,
                    caption: turn.caption.as_deref(),
                    pinned: false,
                    priority: turn.priority,
                    metadata: &turn.metadata,
                    origin: turn.origin.as_ref(),
                    occurred_at: turn.occurred_at,
                    trust: turn.trust,
                    state: &turn.state,
                },
            )?;
            if added.is_new {
                position += 1;
                if placement == Placement::Window {
                    self.conn
                        .prepare_cached("INSERT INTO window (session_id, memory_id, last_access) VALUES (?1, ?2, ?3)")?
                        .execute(params![session_row, added.row, now.as_millisecond()])?;
                }
            }
            all.push(added);
        }
        Ok(all)
    }

    /// Appends one turn: see [`WriteTx::append_turns`].
    ///
    /// # Errors
    /// As there.
    pub fn add_turn(
        &self,
        scope: ScopeRow,
        session: SessionId,
        turn: &NewTurn,
        placement: Placement,
        now: Timestamp,
    ) -> Result<Added, StoreError> {
        let added = self.append_turns(scope, session, std::slice::from_ref(turn), placement, now)?;
        let none = || StoreError::BadRow { table: "memory", row: 0, expected: "one row", got: "none".into() };
        added.into_iter().next().ok_or_else(none)
    }

    fn insert(&self, scope: ScopeRow, now: Timestamp, fields: &Fields<'_>) -> Result<Added, StoreError> {
        check_text(fields.text)?;
        check_text(fields.caption.unwrap_or_default())?;
        check_priority(fields.priority)?;
        check_importance(fields.state.importance)?;
        let hash = fields.origin.map(|_| content_hash(fields.text, fields.caption));
        if let Some((origin, hash)) = fields.origin.zip(hash)
            && let Some(known) = self.by_origin(scope, origin, hash)?
        {
            return Ok(known);
        }
        let source = fields.origin.map(|origin| self.ensure_source(&origin.source)).transpose()?;
        let id = MemoryId::new(now);
        let (position, role) =
            (fields.place.map(|(_, position, _)| position), fields.place.map(|(.., role)| role.code()));
        let occurred_at = fields.occurred_at.map(Timestamp::as_millisecond);
        let metadata = metadata_text(fields.metadata)?;
        let number = |value: Option<i64>| value.map_or(ValueRef::Null, ValueRef::Integer);
        let checksum = checksum([
            ValueRef::Blob(id.as_bytes()),
            ValueRef::Integer(fields.kind.code()),
            fields.text.into(),
            fields.caption.into(),
            number(position),
            number(role),
            fields.speaker.into(),
            metadata.as_deref().into(),
            number(occurred_at),
        ]);
        self.conn
            .prepare_cached(
                "INSERT INTO memory (uid, scope_id, kind, session_id, position, role, pinned, occurred_at, stored_at,
                                     updated_at, priority, source_id, external_id, origin_hash, speaker, metadata, caption,
                                     text, checksum)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18)",
            )?
            .execute(params![
                id.as_bytes(),
                scope.0,
                fields.kind.code(),
                fields.place.map(|(session, ..)| session),
                position,
                role,
                fields.pinned,
                occurred_at,
                now.as_millisecond(),
                fields.priority,
                source,
                fields.origin.map(|origin| &origin.id),
                hash,
                fields.speaker,
                metadata,
                fields.caption,
                fields.text,
                checksum,
            ])?;
        let row = self.conn.last_insert_rowid();
        self.write_grams(row, fields.text, fields.caption, fields.speaker)?;
        let role = fields.place.map(|(.., role)| role);
        let usual = Trust::of(fields.kind, role, fields.origin.is_some());
        let trust = fields.trust.map(|trust| trust.min(Trust::most(role))).filter(|trust| *trust != usual);
        self.write_state(row, scope, trust, fields.state)?;
        let owner = Owner {
            scope: scope.0,
            place: fields.place.map(|(session, position, _)| (session, position)),
            bytes: fields.text.len() as u64,
        };
        Ok(Added { row, id, is_new: true, owner: Some(owner) })
    }

    /// Changes a memory of this scope. Returns its row and whether its text is another one now: then its passages
    /// are gone, and it has none until [`WriteTx::put_passages`].
    ///
    /// # Errors
    /// [`StoreError::NoMemory`]; otherwise as [`WriteTx::add_memory`].
    pub fn update(
        &self,
        scope: ScopeRow,
        id: MemoryId,
        update: &MemoryUpdate,
        now: Timestamp,
    ) -> Result<(RowId, bool), StoreError> {
        let row = self.memory_row(scope, id)?.ok_or(StoreError::NoMemory { id })?;
        // What is damaged is not to be taken for sound because a part of it was replaced.
        self.row_checksum(row)?;
        if let Some(priority) = update.priority {
            check_priority(priority)?;
        }
        self.conn
            .prepare_cached(
                "UPDATE memory SET pinned = coalesce(?2, pinned), priority = coalesce(?3, priority), updated_at = ?4
                 WHERE id = ?1",
            )?
            .execute(params![row, update.pinned, update.priority, now.as_millisecond()])?;
        if let Some(metadata) = &update.metadata {
            self.conn
                .prepare_cached("UPDATE memory SET metadata = ?2 WHERE id = ?1")?
                .execute(params![row, metadata_text(metadata)?])?;
        }
        self.update_state(row, update)?;
        let changed = match &update.text {
            Some(text) => {
                check_text(text)?;
                self.conn
                    .prepare_cached("UPDATE memory SET text = ?2 WHERE id = ?1 AND text <> ?2")?
                    .execute(params![row, text])?
                    > 0
            }
            None => false,
        };
        if changed || update.metadata.is_some() {
            self.renew_checksum(row)?;
        }
        // How far a summary may be believed, and how long it holds, comes from what it was made of.
        if changed || update.trust.is_some() || update.expires_at.is_some() {
            self.drop_summaries_above(row)?;
        }
        let Some(text) = &update.text else { return Ok((row, false)) };
        if changed {
            self.conn.prepare_cached("DELETE FROM memory_grams WHERE rowid = ?1")?.execute([row])?;
            let (caption, speaker): (Option<String>, Option<String>) = self
                .conn
                .prepare_cached("SELECT caption, speaker FROM memory WHERE id = ?1")?
                .query_row([row], |row| Ok((row.get(0)?, row.get(1)?)))
                .of_row("memory", row)?;
            self.write_grams(row, text, caption.as_deref(), speaker.as_deref())?;
        }
        Ok((row, changed))
    }

    /// Deletes a memory of this scope: its row, its text index, its passages with their vectors, its place in the window, and
    /// the summaries that tell of it.
    ///
    /// # Errors
    /// [`StoreError::NoMemory`], and when the file cannot be written.
    pub fn delete(&self, scope: ScopeRow, id: MemoryId) -> Result<(), StoreError> {
        let row = self.memory_row(scope, id)?.ok_or(StoreError::NoMemory { id })?;
        self.drop_summaries_above(row)?;
        self.conn.prepare_cached("DELETE FROM memory WHERE id = ?1")?.execute([row])?;
        Ok(())
    }

    /// Deletes every memory and session of a scope, and the scope. Returns how many memories there were.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn clear(&self, scope: ScopeRow) -> Result<u64, StoreError> {
        let deleted = self.conn.execute("DELETE FROM memory WHERE scope_id = ?1", [scope.0])?;
        self.conn.execute("DELETE FROM session WHERE scope_id = ?1", [scope.0])?;
        self.conn.execute("DELETE FROM scope WHERE id = ?1", [scope.0])?;
        self.conn
            .execute("DELETE FROM source WHERE NOT EXISTS (SELECT 1 FROM memory WHERE source_id = source.id)", [])?;
        Ok(deleted as u64)
    }

    /// Computes the checksum of a row that was changed.
    fn renew_checksum(&self, row: RowId) -> Result<(), StoreError> {
        let checksum = self.conn.prepare_cached(&select_one())?.query_row([row], checksum_of_row);
        let checksum = checksum.of_row("memory", row)?;
        self.conn.prepare_cached("UPDATE memory SET checksum = ?2 WHERE id = ?1")?.execute(params![row, checksum])?;
        Ok(())
    }

    /// Whether a row fits its checksum.
    fn row_checksum(&self, row: RowId) -> Result<(), StoreError> {
        let mut statement = self.conn.prepare_cached(&select_one())?;
        let mut rows = statement.query([row])?;
        rows.next()?.map_or(Ok(()), |row| verify(&Cells::new(row, "memory")?, row))
    }

    fn write_grams(
        &self,
        row: RowId,
        text: &str,
        caption: Option<&str>,
        speaker: Option<&str>,
    ) -> Result<(), StoreError> {
        let parts = [Some(text), caption, speaker];
        let grams = grams::grams(parts.into_iter().flatten());
        if !grams.is_empty() {
            self.conn
                .prepare_cached("INSERT INTO memory_grams (rowid, grams) VALUES (?1, ?2)")?
                .execute(params![row, grams])?;
        }
        Ok(())
    }

    fn ensure_source(&self, name: &str) -> Result<i64, StoreError> {
        let known = self
            .conn
            .prepare_cached("SELECT id FROM source WHERE name = ?1")?
            .query_row([name], |row| row.get(0))
            .optional()?;
        if let Some(id) = known {
            return Ok(id);
        }
        self.conn.prepare_cached("INSERT INTO source (name) VALUES (?1)")?.execute([name])?;
        Ok(self.conn.last_insert_rowid())
    }
}

/// The columns of a new row that differ between turns and other memories.
struct Fields<'a> {
    kind: Kind,
    /// Session row, position and role of a turn.
    place: Option<(RowId, i64, Role)>,
    speaker: Option<&'a str>,
    text: &'a str,
    caption: Option<&'a str>,
    pinned: bool,
    priority: f32,
    metadata: &'a Metadata,
    origin: Option<&'a Origin>,
    occurred_at: Option<Timestamp>,
    trust: Option<Trust>,
    state: &'a State,
}

/// No defence against anybody, which is not needed: whoever writes the content may as well write another origin.
fn content_hash(text: &str, caption: Option<&str>) -> i64 {
    fnv1a(text.bytes().chain([0xff]).chain(caption.unwrap_or_default().bytes())).cast_signed()
}

/// FNV-1a, 64 bits: small, and stable for ever.
pub(crate) fn fnv1a(bytes: impl Iterator<Item = u8>) -> u64 {
    bytes.fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3))
}

fn check_text(text: &str) -> Result<(), StoreError> {
    if text.len() > MAX_TEXT_BYTES {
        return Err(StoreError::TextTooLong { max: MAX_TEXT_BYTES, got: text.len() });
    }
    Ok(())
}

fn check_priority(priority: f32) -> Result<(), StoreError> {
    if priority.is_nan() {
        return Err(StoreError::Invalid { field: "priority", expected: "a number", got: "NaN".to_owned() });
    }
    Ok(())
}

/// What is nested deeper could be written, but the parser would refuse to read it back.
fn check_depth(metadata: &Metadata) -> Result<(), StoreError> {
    let mut open: Vec<(&serde_json::Value, usize)> = metadata.values().map(|value| (value, 1)).collect();
    while let Some((value, levels)) = open.pop() {
        let inner: &mut dyn Iterator<Item = &serde_json::Value> = match value {
            serde_json::Value::Array(values) => &mut values.iter(),
            serde_json::Value::Object(values) => &mut values.values(),
            _ => continue,
        };
        if levels >= MAX_METADATA_LEVELS {
            return Err(StoreError::Invalid {
                field: "metadata",
                expected: "JSON of at most 100 levels",
                got: "deeper JSON".to_owned(),
            });
        }
        open.extend(inner.map(|value| (value, levels + 1)));
    }
    Ok(())
}

fn metadata_text(metadata: &Metadata) -> Result<Option<String>, StoreError> {
    if metadata.is_empty() {
        return Ok(None);
    }
    check_depth(metadata)?;
    serde_json::to_string(metadata).map(Some).map_err(|error| StoreError::Invalid {
        field: "metadata",
        expected: "an object that can be written as JSON",
        got: error.to_string(),
    })
}

/// Numbers of rows as SQL reads a list of them.
fn list_of(rows: &[RowId]) -> String {
    let mut list = String::with_capacity(8 * rows.len() + 2);
    for (at, row) in rows.iter().enumerate() {
        list.push(if at == 0 { '[' } else { ',' });
        list.push_str(&row.to_string());
    }
    list.push(']');
    list
}

/// Whether a row of [`COLUMNS`] fits its checksum.
fn verify(cells: &Cells<'_>, row: &Row<'_>) -> Result<(), StoreError> {
    let (expected, found): (i64, i64) = (cells.get(22)?, checksum_of_row(row)?);
    if expected == found {
        return Ok(());
    }
    Err(cells.bad("a row that fits its checksum", format!("{found:08x} where {expected:08x} is stored")))
}

fn memory_from_row(row: &Row<'_>) -> Result<Memory, StoreError> {
    let cells = Cells::new(row, "memory")?;
    verify(&cells, row)?;
    let id = cells.id();
    let damaged = |expected, got: String| cells.bad(expected, got);
    let kind: i64 = cells.get(2)?;
    let kind = Kind::from_code(kind).ok_or_else(|| damaged("the code of a kind", kind.to_string()))?;
    let role: Option<i64> = cells.get(6)?;
    let read_role = |code: i64| Role::from_code(code).ok_or_else(|| damaged("the code of a role", code.to_string()));
    let role = role.map(read_role).transpose()?;
    let is_imported = !matches!(row.get_ref(20)?, ValueRef::Null);
    let turn = match cells.get::<Option<[u8; 16]>>(19)? {
        None => None,
        Some(session) => {
            let position: i64 = cells.get(5)?;
            Some(Turn {
                session: SessionId::from_bytes(session),
                position: u32::try_from(position).map_err(|_| damaged("a position", position.to_string()))?,
                role: role.ok_or_else(|| damaged("a role", "none".to_owned()))?,
                speaker: cells.get(7)?,
                placement: if cells.get(21)? { Placement::Window } else { Placement::LongTerm },
            })
        }
    };
    if turn.is_some() != (kind == Kind::Turn) {
        return Err(damaged("a session for a turn, and for nothing else", "another row of `session`".to_owned()));
    }
    let metadata = match cells.get::<Option<String>>(10)? {
        None => Metadata::new(),
        Some(text) => serde_json::from_str(&text).map_err(|error| damaged("a JSON object", error.to_string()))?,
    };
    let origin = match (cells.get(20)?, cells.get(11)?) {
        (Some(source), Some(id)) => Some(Origin { source, id }),
        _ => None,
    };
    let parts: [String; 3] = [cells.get(15)?, cells.get(16)?, cells.get(17)?];
    Ok(Memory {
        id: MemoryId::from_bytes(cells.get(1)?),
        scope: scope_from_parts(cells.get(18)?, &parts[0], &parts[1], &parts[2])?,
        kind,
        text: cells.get(3)?,
        caption: cells.get(4)?,
        turn,
        pinned: cells.get(8)?,
        priority: cells.get(9)?,
        metadata,
        origin,
        occurred_at: cells.get::<Option<i64>>(12)?.map(|at| time_from_millis("memory", id, at)).transpose()?,
        stored_at: time_from_millis("memory", id, cells.get(13)?)?,
        updated_at: time_from_millis("memory", id, cells.get(14)?)?,
        trust: trust_from_code(id, cells.get(23)?, Trust::of(kind, role, is_imported))?,
        // Of most memories nothing more is known.
        state: match row.get_ref(33)? {
            ValueRef::Null => State::default(),
            _ => state_from_row(id, row, 24)?,
        },
    })
}

pub(crate) fn time_from_millis(table: &'static str, row: RowId, millis: i64) -> Result<Timestamp, StoreError> {
    // `Timestamp::from_millisecond` refuses the last second of the calendar.
    let nanosecond = i32::try_from(millis.rem_euclid(1000)).unwrap_or(0) * 1_000_000;
    Timestamp::new(millis.div_euclid(1000), nanosecond).map_err(|_| StoreError::BadRow {
        table,
        row,
        expected: "milliseconds of Unix time between the years -9999 and 9999",
        got: millis.to_string(),
    })
}
