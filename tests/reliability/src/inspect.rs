//! What a file really holds, read through the store alone.

use std::collections::{BTreeMap, BTreeSet};

use mnemon::{Embedder, ListFilter, Memory, Placement, Scope, SessionId};
use mnemon_store::{RowId, Snapshot, Store, StoreError};

use crate::actor::MARK;
use crate::embedder::HashEmbedder;
use crate::room::Record;

/// A unit vector may be so far from length 1.
const LENGTH_TOLERANCE: f32 = 1e-3;

/// The memories of a scope in the order in which they were stored, from one state of the file; and what is half done
/// among them: memories without a passage, vectors that are none.
///
/// # Errors
/// When the file cannot be read.
pub(crate) fn scope(store: &Store, scope: &Scope) -> Result<(Vec<Record>, Vec<String>), StoreError> {
    store.read(|snapshot| {
        let Some(row) = snapshot.scope_id(scope)? else { return Ok((Vec::new(), Vec::new())) };
        let memories = snapshot.list(row, &ListFilter { limit: usize::MAX, ..ListFilter::default() })?;
        let names: BTreeMap<SessionId, Option<String>> =
            snapshot.sessions(scope)?.into_iter().map(|session| (session.id, session.name)).collect();

        let mut problems = Vec::new();
        let (mut passages, mut without) = (BTreeMap::new(), BTreeSet::new());
        snapshot.each_passage(row, |passage| {
            passages.insert(passage.id, passage.memory);
        })?;
        let model = HashEmbedder::new();
        let mut vectors = BTreeSet::new();
        if let Some(model) = snapshot.model(model.model(), HashEmbedder::size())? {
            snapshot.each_vector_of(row, model, |passage, vector| -> Result<(), StoreError> {
                let length = vector.iter().map(|value| value * value).sum::<f32>().sqrt();
                if (length - 1.0).abs() > LENGTH_TOLERANCE || length.is_nan() {
                    problems.push(format!("the vector of passage {passage} has the length {length}"));
                }
                vectors.insert(passage);
                Ok(())
            })?;
        }
        without.extend(passages.iter().filter(|(id, _)| !vectors.contains(id)).map(|(_, memory)| *memory));
        let rows: BTreeSet<RowId> = passages.values().copied().collect();
        let mut records = Vec::with_capacity(memories.len());
        let mut last = BTreeMap::new();
        for memory in memories {
            problems.extend(misplaced(&memory, &mut last));
            let in_rows = row_of(snapshot, &memory, row)?;
            if !rows.contains(&in_rows) {
                problems.push(format!("memory {} has no passage", memory.id));
            }
            records.push(record(memory, &names, !without.contains(&in_rows)));
        }
        Ok((records, problems))
    })
}

fn row_of(snapshot: &Snapshot<'_>, memory: &Memory, scope: mnemon_store::ScopeRow) -> Result<RowId, StoreError> {
    // The same snapshot listed it.
    Ok(snapshot.memory_row(scope, memory.id)?.unwrap_or(0))
}

/// The turns of a session ascend.
fn misplaced(memory: &Memory, last: &mut BTreeMap<SessionId, u32>) -> Option<String> {
    let turn = memory.turn.as_ref()?;
    match last.insert(turn.session, turn.position) {
        Some(before) if before >= turn.position => {
            Some(format!("turn {} of its session stands behind turn {before}", turn.position))
        }
        _ => None,
    }
}

/// A memory as the model speaks of it.
fn record(memory: Memory, names: &BTreeMap<SessionId, Option<String>>, embedded: bool) -> Record {
    let turn = memory.turn.as_ref();
    Record {
        id: Some(memory.id),
        kind: memory.kind,
        role: turn.map(|turn| turn.role),
        session: turn.and_then(|turn| names.get(&turn.session).cloned().flatten()),
        mark: memory.metadata.get(MARK).and_then(serde_json::Value::as_u64),
        pinned: memory.pinned,
        expired: memory.state.expires_at.is_some(),
        ended: memory.state.ended.is_some(),
        in_window: turn.is_some_and(|turn| turn.placement == Placement::Window),
        embedded,
        text: memory.text,
    }
}

#[cfg(test)]
mod tests {
    use mnemon_store::StoreOptions;
    use rusqlite::Connection;

    use super::*;
    use crate::actor::{Actor, Opening};
    use crate::operation::Operation;
    use crate::operation::{Noted, Spoken};
    use crate::room::Room;
    use mnemon::{Kind, Role};

    /// Two turns and a note are stored and seen; then `sql` breaks something, and that is seen too.
    #[track_caller]
    fn check(sql: &str, expected: &str) {
        let folder = crate::scratch::folder().unwrap();
        let file = folder.path().join("m.db");
        let ann = Scope::user_scope("ann").unwrap();
        let said = |text: &str| Spoken { role: Role::User, text: text.into() };
        let noted = Noted { kind: Kind::Note, text: "a boiler".into(), mark: 7, pinned: true };
        let operations = [
            Operation::Say { session: "talk".into(), turns: vec![said("a heron"), said("a plover")] },
            Operation::Add { memories: vec![noted] },
        ];
        let mut room = Room::default();
        let actor = Actor::open(&file, &ann, Opening::default()).unwrap();
        for operation in &operations {
            let done = actor.run(operation).unwrap();
            room.apply(operation, Some(&done));
        }
        drop(actor);
        let store = Store::open(&file, StoreOptions::default()).unwrap();
        let (found, problems) = scope(&store, &ann).unwrap();
        assert_eq!((room.settle(&[], &found).map(|settled| settled.room), problems), (Ok(room.clone()), vec![]));

        Connection::open(&file).unwrap().execute_batch(sql).unwrap();
        let seen = match scope(&store, &ann) {
            Ok((found, problems)) => {
                format!("{} {problems:?}", room.settle(&[], &found).err().unwrap_or_default())
            }
            Err(error) => format!("{error:?}"),
        };
        assert!(seen.contains(expected), "{sql}: expected {expected:?}, got {seen:?}");
    }

    #[test]
    fn what_is_half_there_is_seen() {
        check("DELETE FROM memory WHERE text = 'a plover'", "lost: turn");
        check("DELETE FROM window WHERE memory_id = 1", "window: expected turn");
        check("DELETE FROM passage WHERE memory_id = 3", "has no passage");
        check("DELETE FROM vector WHERE (id >> 8) & 255 = 2", "embedded, found turn");
        check("UPDATE vector SET data = zeroblob(length(data)) WHERE (id >> 8) & 255 = 1", "embedded, found turn");
        check("UPDATE memory SET pinned = 0", "pinned");
        check("UPDATE memory SET metadata = NULL", "fits its checksum");
        check("UPDATE memory SET text = 'a curlew' WHERE id = 1", "fits its checksum");
    }
}
