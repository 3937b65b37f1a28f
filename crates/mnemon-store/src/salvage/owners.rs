//! To whom memories belong: scopes, sessions, sources.

use std::collections::{BTreeMap, BTreeSet};

use rusqlite::types::Value;
use rusqlite::{Row, params};
use uuid::Uuid;

use super::reading::{each_row, readable, values};
use super::{Salvage, SalvagedTable};
use crate::StoreError;
use crate::memories::time_from_millis;
use crate::scopes::scope_from_parts;

impl Salvage<'_> {
    pub(super) fn scopes(&mut self) -> Result<(), StoreError> {
        let mut names: BTreeMap<i64, [String; 3]> = BTreeMap::new();
        let read = |row: &Row<'_>| Some((row.get(0).ok()?, [row.get(1).ok()?, row.get(2).ok()?, row.get(3).ok()?]));
        let last = self.last_id("scope", None)?;
        let sql = "SELECT id, user, agent, project FROM scope NOT INDEXED WHERE id >= ?1 AND id <= ?2 ORDER BY id";
        let is_whole = each_row(self.from, sql, 1..=last, |row| {
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
        for id in names.keys().chain(indexed.keys()).copied().collect::<BTreeSet<_>>() {
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
    pub(super) fn scope(&mut self, old: i64) -> Result<i64, StoreError> {
        if let Some(scope) = self.scopes.get(&old) {
            return Ok(*scope);
        }
        let name = format!("salvaged-{old}-{:08x}", Uuid::new_v4().as_fields().0);
        self.to.execute("INSERT INTO scope (id, user, agent, project) VALUES (?1, ?2, '', '')", params![old, name])?;
        self.report.renamed_scopes.push(name);
        self.scopes.insert(old, old);
        Ok(old)
    }

    pub(super) fn sessions(&mut self) -> Result<(), StoreError> {
        let sql = "SELECT id, uid, scope_id, name, started_at, imported FROM session NOT INDEXED
                   WHERE id >= ?1 AND id <= ?2 ORDER BY id";
        let last = self.last_id("session", None)?;
        self.each_kept("session", (sql, last), |salvage, row| {
            let values = values(row);
            let Some([Value::Integer(id), uid, Value::Integer(scope), name, Value::Integer(started), imported]) =
                values.as_deref()
            else {
                return Ok(false);
            };
            if !salvage.scopes.contains_key(scope) || time_from_millis("session", *id, *started).is_err() {
                return Ok(false);
            }
            let index = "SELECT 1 FROM session INDEXED BY session_name
                         WHERE scope_id = ?1 AND name = ?2 AND name IS NOT NULL AND id = ?3";
            // A name that its index does not know is not what it was.
            let name = match (name, salvage.indexed(index, params![scope, name, id])?) {
                (Value::Text(_), Some(false)) => &Value::Null,
                (name, _) => name,
            };
            let kept = salvage.insert(
                "INSERT INTO session (id, uid, scope_id, name, started_at, imported) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
                params![id, uid, scope, name, started, imported],
            )?;
            if kept {
                salvage.sessions.insert(*id, *scope);
            }
            Ok(kept)
        })
    }

    /// The session of the new file for turns of a scope that were in a session of the old file. One that was lost, or is of
    /// another scope, is made up as history without a name.
    pub(super) fn session(&mut self, old: i64, scope: i64, at: i64) -> Result<i64, StoreError> {
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

    pub(super) fn sources(&mut self) -> Result<(), StoreError> {
        let sql = "SELECT id, name FROM source NOT INDEXED WHERE id >= ?1 AND id <= ?2 ORDER BY id";
        let last = self.last_id("source", None)?;
        self.each_kept("source", (sql, last), |salvage, row| {
            let values = values(row);
            let Some([Value::Integer(id), name @ Value::Text(_)]) = values.as_deref() else { return Ok(false) };
            let index = "SELECT 1 FROM source INDEXED BY sqlite_autoindex_source_1 WHERE name = ?1 AND id = ?2";
            let is_sound = salvage.indexed(index, params![name, id])? != Some(false);
            let kept =
                is_sound && salvage.insert("INSERT INTO source (id, name) VALUES (?1, ?2)", params![id, name])?;
            if kept {
                salvage.sources.insert(*id);
            }
            Ok(kept)
        })
    }

    /// A source of the new file for one of the old file. That it came from elsewhere is part of how far it is believed.
    pub(super) fn source(&mut self, old: i64) -> Result<i64, StoreError> {
        if self.sources.insert(old) {
            let name = format!("salvaged-{old}-{:08x}", Uuid::new_v4().as_fields().0);
            self.to.execute("INSERT INTO source (id, name) VALUES (?1, ?2)", params![old, name])?;
        }
        Ok(old)
    }
}
