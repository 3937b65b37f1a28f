//! What a file is before anybody writes to it.

use std::path::Path;

use mnemon::{Kind, MemoryId, NewMemory, Role, Scope};
use rusqlite::{Connection, params};

use crate::Result;
use crate::actor::{Actor, Opening};
use crate::operation::Operation;
use crate::random::Random;
use crate::room::{Record, Room};

/// From so many memories on `maintain` saves the index of a scope.
const LARGE: usize = 2_100;
/// The scope of a large ground. Nobody writes to it.
pub(crate) const LARGE_USER: &str = "large";

/// `Mnem`: the application id of the files of the engine.
const APPLICATION_ID: i64 = 0x4d6e_656d;

/// The schemas that files of older versions have. They never change.
const SCHEMAS: [&str; 3] = [
    include_str!("../../../../crates/mnemon-store/src/migrations/0001_first.sql"),
    include_str!("../../../../crates/mnemon-store/src/migrations/0002_passages.sql"),
    include_str!("../../../../crates/mnemon-store/src/migrations/0003_lean.sql"),
];

/// Writes a file of an older schema (from 1 on) with memories of a user, as its version left it.
///
/// # Errors
/// When it cannot be written.
pub(crate) fn old_schema(path: &Path, version: usize, user: &str, random: &mut Random) -> Result<Room> {
    let mut conn = Connection::open(path)?;
    conn.pragma_update(None, "journal_mode", "WAL")?;
    conn.pragma_update(None, "application_id", APPLICATION_ID)?;
    conn.pragma_update(None, "foreign_keys", true)?;
    let tx = conn.transaction()?;
    for schema in SCHEMAS.iter().take(version) {
        tx.execute_batch(schema)?;
    }
    tx.pragma_update(None, "user_version", version as i64)?;
    let mut room = Room::default();
    tx.execute("INSERT INTO scope (user, agent, project) VALUES (?1, '', '')", [user])?;
    let mut session_id = [0; 16];
    fill(&mut session_id, random);
    tx.execute(
        "INSERT INTO session (uid, scope_id, name, started_at, imported) VALUES (?1, 1, 'old', 0, 0)",
        [session_id],
    )?;
    let mut insert = tx.prepare(
        "INSERT INTO memory (uid, scope_id, kind, session_id, position, role, pinned, stored_at, updated_at, priority, text)
         VALUES (?1, 1, ?2, ?3, ?4, ?5, 0, 9000, 9000, 1.0, ?6)",
    )?;
    for number in 0..40 + random.below(200) {
        let mut uid = [0; 16];
        fill(&mut uid, random);
        let is_turn = number % 3 != 0;
        let text = format!("old memory {number} of {user} about {}", if is_turn { "the estuary" } else { "a heron" });
        let (kind, role) = if is_turn { (Kind::Turn, Some(Role::User)) } else { (Kind::Note, None) };
        let session = is_turn.then_some(1);
        insert.execute(params![uid, kind.code(), session, is_turn.then_some(number), role.map(Role::code), text])?;
        room.records.push(Record {
            id: Some(MemoryId::from_bytes(uid)),
            kind,
            role,
            session: is_turn.then(|| "old".to_owned()),
            text,
            mark: None,
            pinned: false,
            expired: false,
            ended: false,
            in_window: false,
            embedded: false,
        });
    }
    drop(insert);
    tx.commit()?;
    Ok(room)
}

fn fill(bytes: &mut [u8; 16], random: &mut Random) {
    let (first, second) = bytes.split_at_mut(8);
    first.copy_from_slice(&random.next().to_le_bytes());
    second.copy_from_slice(&random.next().to_le_bytes());
}

/// Writes a file with a scope so large that its index is saved, and saves it.
///
/// # Errors
/// When it cannot be written.
pub(crate) fn large(path: &Path) -> Result<Room> {
    let scope = Scope::user_scope(LARGE_USER)?;
    let actor = Actor::open(path, &scope, Opening::default())?;
    let text = |number| format!("large {number} tells of bird {} at harbour {}", number % 97, number % 89);
    let memories: Vec<NewMemory> = (0..LARGE).map(|number| NewMemory::new(Kind::Fact, text(number))).collect();
    let ids = actor.memory().add(&memories)?;
    actor.run(&Operation::Maintain)?;
    let record = |(number, id)| Record {
        id: Some(id),
        kind: Kind::Fact,
        role: None,
        session: None,
        text: text(number),
        mark: None,
        pinned: false,
        expired: false,
        ended: false,
        in_window: false,
        embedded: true,
    };
    Ok(Room { records: ids.into_iter().enumerate().map(record).collect() })
}
