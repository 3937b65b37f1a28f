//! Memories, what is known of them, and the windows that they stand in.

use mnemon_core::{EndReason, Kind, Role, Trust};
use rusqlite::types::Value;
use rusqlite::{Row, params, params_from_iter};

use super::reading::{each_row, integer, is_believed, readable, values};
use super::{LostMemory, Salvage, SalvagedTable, advance};
use crate::checksum::checksum;
use crate::memories::time_from_millis;
use crate::summaries::MADE_KEY;
use crate::{RowId, StoreError, grams};

/// Why a summary that the engine made is not kept: what it was made of may be lost, and all of it is in its turns. They wait
/// for a new one.
const MADE: &str = "it is made anew";

/// What a passage says of its memory.
#[derive(Debug, Clone, Copy)]
pub(super) struct Witness {
    scope: i64,
    run: i64,
    place: i64,
}

impl Salvage<'_> {
    /// What passages say of the memories that they belong to.
    pub(super) fn look_for_witnesses(&mut self, last: i64) -> Result<(), StoreError> {
        if self.version < 3 {
            return Ok(());
        }
        let sql = "SELECT id, memory_id, scope_id, run, place FROM passage NOT INDEXED
                   WHERE id >= ?1 AND id <= ?2 ORDER BY id";
        let (witnesses, steps, progress) = (&mut self.witnesses, &mut self.steps, &mut self.progress);
        each_row(self.from, sql, 1..=last, |row| {
            if let (Ok(memory), Ok(scope), Ok(run), Ok(place)) = (row.get(1), row.get(2), row.get(3), row.get(4)) {
                witnesses.entry(memory).or_insert(Witness { scope, run, place });
            }
            advance(steps, *progress);
            Ok(())
        })?;
        Ok(())
    }

    pub(super) fn memories(&mut self, last: i64) -> Result<(), StoreError> {
        let checksum = if self.version >= 5 { "checksum" } else { "NULL" };
        let sql = format!(
            "SELECT id, uid, scope_id, kind, session_id, position, role, pinned, occurred_at, stored_at, updated_at,
                    priority, source_id, external_id, origin_hash, speaker, metadata, caption, text, {checksum}
             FROM memory NOT INDEXED WHERE id >= ?1 AND id <= ?2 ORDER BY id"
        );
        let mut table = SalvagedTable { table: "memory", kept: 0, refused: 0, is_whole: true };
        table.is_whole = each_row(self.from, &sql, 1..=last, |row| {
            let Ok(id) = row.get::<_, RowId>(0) else { return Ok(()) };
            // Two pages of a damaged tree may be one.
            if self.kept.contains_key(&id) {
                return Ok(());
            }
            match self.memory(id, row)? {
                Ok(()) => table.kept += 1,
                Err(MADE) => {
                    self.made.insert(id);
                }
                Err(why) => {
                    table.refused += 1;
                    self.report.lost.push(LostMemory { row: id, id: None, why });
                }
            }
            self.advance();
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
        if kind == Kind::Summary && *source == Value::Null && is_made(metadata) {
            return Ok(Err(MADE));
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

    pub(super) fn states(&mut self, last: i64) -> Result<(), StoreError> {
        let sql =
            "SELECT memory_id, trust, importance, uses, last_used, expires_at, ended_at, ended_why, ended_by, subject,
                          slot FROM memory_state NOT INDEXED
                   WHERE memory_id >= ?1 AND memory_id <= ?2 ORDER BY memory_id";
        self.each_kept("memory_state", (sql, last), |salvage, row| salvage.state(row))
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

    /// A turn that is in no window is active in long-term memory, so nothing is lost with a row of it.
    pub(super) fn windows(&mut self) -> Result<(), StoreError> {
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

    /// Where summaries were made, the turns that left a window wait for new ones.
    pub(super) fn wait_for_summaries(&mut self) -> Result<(), StoreError> {
        let waiting = self.indexed("SELECT 1 FROM summary_due", [])?.unwrap_or(false);
        if self.made.is_empty() && !waiting {
            return Ok(());
        }
        self.to.execute(
            "INSERT INTO summary_due (session_id, turn_id)
             SELECT memory.session_id, memory.id FROM memory JOIN session ON session.id = memory.session_id
             WHERE session.imported = 0 AND NOT EXISTS (
                 SELECT 1 FROM window WHERE window.session_id = memory.session_id AND memory_id = memory.id
             )",
            [],
        )?;
        Ok(())
    }
}

/// Whether metadata is that of a summary that the engine made.
fn is_made(metadata: &Value) -> bool {
    let Value::Text(metadata) = metadata else { return false };
    let metadata: Option<serde_json::Value> = serde_json::from_str(metadata).ok();
    metadata.is_some_and(|metadata| metadata.get(MADE_KEY).is_some_and(|made| made.get("depth").is_some()))
}
