//! Whether a file is older than what was acknowledged.
//!
//! A write-ahead log that was cut, damaged or deleted behind SQLite's back is read up to its last sound transaction, and
//! nothing is said: the file is sound, and it is old. So the end of the change log is noted in a small file beside the
//! database (`-head`) after every commit, without waiting for the disk, and compared when the file is opened.
//!
//! No false alarm: what is noted was committed before, with [`Durability::Full`](crate::Durability) on the disk before; it
//! is read before the database is looked at; and it counts for the database of the same id alone. A process that ends
//! between a commit and its note leaves an older note, which says less.
//!
//! Many processes write one such file without a lock. It has sixteen places, each with a checksum; a note goes to a place
//! at random, and the highest that is sound counts. One that comes late, or is torn, takes at most one other with it.

use std::fmt;
use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

use rusqlite::{Connection, OptionalExtension};
use uuid::Uuid;

use crate::backup::with_suffix;
use crate::{Damage, Head, Snapshot, Store, StoreError};

/// A place holds one note: a mark, the id of the database, number and nonce of the entry, a checksum.
const PLACE: usize = 64;
const PLACES: usize = 16;
const MARK: [u8; 8] = *b"mnemhead";
/// What the checksum is over.
const CHECKED: usize = 40;

/// A file is older than what was acknowledged: it was replaced by an older copy of itself, or its log lost its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Rollback {
    /// The end of the change log that somebody had reached.
    pub expected: Head,
    /// The end of the change log when the file was opened.
    pub found: Head,
}

impl Rollback {
    /// How many entries the change log is shorter at least; 0 when it went on another way since, so that nobody can tell.
    #[must_use]
    pub fn lost(&self) -> u64 {
        u64::try_from(self.expected.seq.saturating_sub(self.found.seq)).unwrap_or(0)
    }

    fn damage(&self) -> Damage {
        Damage { part: "history", detail: self.to_string() }
    }
}

impl fmt::Display for Rollback {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (expected, found) = (self.expected.seq, self.found.seq);
        f.write_str("the file is older than what was acknowledged: ")?;
        match self.lost() {
            0 => write!(f, "change {expected} is another one now")?,
            lost => write!(f, "expected change {expected}, got {found}, which is {lost} fewer")?,
        }
        f.write_str("; it was replaced by an older copy, or its log lost its end")
    }
}

/// The notes of one database.
#[derive(Debug)]
pub(crate) struct Notes {
    path: PathBuf,
    id: Uuid,
    /// What was noted last, and the file once something was.
    written: Mutex<(Head, Option<File>)>,
    /// While nobody was told that the file is older, what it should be stays noted.
    rollback: Option<Rollback>,
    is_told: AtomicBool,
}

impl Notes {
    /// Of a database that is open. Nothing about it can keep the database from being used.
    pub(crate) fn look(path: &Path, conn: &Connection) -> Option<Self> {
        let path = with_suffix(path, "-head");
        let noted = read(&path);
        let tx = conn.unchecked_transaction().ok()?;
        let snapshot = Snapshot::new(&tx);
        let (id, found) = (snapshot.uuid().ok()?, snapshot.head().ok()?);
        let expected = noted.into_iter().filter(|(of, _)| *of == id).map(|(_, head)| head).max_by_key(|head| head.seq);
        let mut rollback = None;
        if let Some(expected) = expected
            && is_gone(&tx, expected, found)?
        {
            let older = Rollback { expected, found };
            tracing::warn!(path = %path.display(), "{older}");
            rollback = Some(older);
        }
        let written = Mutex::new((expected.unwrap_or_default(), None));
        Some(Self { path, id, written, rollback, is_told: false.into() })
    }

    pub(crate) fn rollback(&self) -> Option<Rollback> {
        self.rollback
    }

    /// Notes what was committed. A note that cannot be written is none.
    pub(crate) fn note(&self, head: Head) {
        if self.rollback.is_some() && !self.is_told.load(Ordering::Relaxed) {
            return;
        }
        let Ok(mut written) = self.written.lock() else { return };
        if written.0 == head {
            return;
        }
        let place = head.nonce.cast_unsigned() as usize % PLACES;
        let done = match &mut written.1 {
            Some(file) => write_at(file, place, &self.encode(head)),
            none => self.open().and_then(|mut file| {
                write_at(&mut file, place, &self.encode(head))?;
                *none = Some(file);
                Ok(())
            }),
        };
        match done {
            Ok(()) => written.0 = head,
            Err(error) => tracing::debug!(%error, "the end of the change log is not noted"),
        }
    }

    /// Somebody was told that the file is older: from now on it is what it is.
    fn settle(&self, head: Head) -> io::Result<()> {
        let Ok(mut written) = self.written.lock() else { return Ok(()) };
        let mut file = self.open()?;
        let mut bytes = [0; PLACE * PLACES];
        if let Some(first) = bytes.first_chunk_mut::<PLACE>() {
            *first = self.encode(head);
        }
        file.write_all(&bytes)?;
        *written = (head, Some(file));
        self.is_told.store(true, Ordering::Relaxed);
        Ok(())
    }

    fn open(&self) -> io::Result<File> {
        let is_new = !self.path.exists();
        let file = OpenOptions::new().write(true).create(true).truncate(false).open(&self.path)?;
        if is_new {
            // Whoever may write the database may write its notes.
            let database = self.path.to_string_lossy().strip_suffix("-head").map(PathBuf::from);
            if let Some(like) = database.and_then(|database| std::fs::metadata(database).ok()) {
                file.set_permissions(like.permissions())?;
            }
        }
        Ok(file)
    }

    fn encode(&self, head: Head) -> [u8; PLACE] {
        let mut bytes = [0; PLACE];
        let parts: [&[u8]; 4] = [&MARK, self.id.as_bytes(), &head.seq.to_le_bytes(), &head.nonce.to_le_bytes()];
        let checked: Vec<u8> = parts.concat();
        let checksum = crc32fast::hash(&checked).to_le_bytes();
        bytes.iter_mut().zip(checked.iter().chain(&checksum)).for_each(|(byte, part)| *byte = *part);
        bytes
    }
}

impl Store {
    /// Whether the file was older, when this store opened it, than what this or another process had acknowledged before:
    /// it was replaced by an older copy of itself, or its log lost its end. Copies by [`Store::backup`] and
    /// [`Store::restore`] are files of their own and never are.
    ///
    /// [`Store::check`] says it too. When it did, for a store that may write, the file counts as it is from then on, and who
    /// opens it next finds nothing.
    #[must_use]
    pub fn rollback(&self) -> Option<Rollback> {
        self.notes().and_then(Notes::rollback)
    }

    /// The rollback as damage, for who tells it to somebody.
    pub(crate) fn rollback_damage(&self) -> Option<Damage> {
        self.rollback().map(|rollback| rollback.damage())
    }

    /// The same; it was told now.
    pub(crate) fn tell_rollback(&self) -> Result<Option<Damage>, StoreError> {
        let damage = self.rollback_damage();
        if damage.is_some()
            && !self.is_read_only()
            && let Some(notes) = self.notes()
        {
            let head = self.read(|snapshot| snapshot.head())?;
            if let Err(error) = notes.settle(head) {
                tracing::warn!(%error, "that the file is older will be said again");
            }
        }
        Ok(damage)
    }
}

/// Whether the log does not lead to an entry any more. One that was cut off at its beginning is not missed; `None` when
/// that cannot be read.
fn is_gone(conn: &Connection, expected: Head, found: Head) -> Option<bool> {
    if expected.seq > found.seq {
        return Some(true);
    }
    let nonce = conn.query_row("SELECT nonce FROM change WHERE seq = ?1", [expected.seq], |row| row.get::<_, i64>(0));
    Some(nonce.optional().ok()?.is_some_and(|nonce| nonce != expected.nonce))
}

/// The notes that are sound, each with the id of the database that it is about.
fn read(path: &Path) -> Vec<(Uuid, Head)> {
    let mut bytes = Vec::with_capacity(PLACE * PLACES);
    let length = (PLACE * PLACES) as u64;
    let Ok(_) = File::open(path).and_then(|file| file.take(length).read_to_end(&mut bytes)) else { return Vec::new() };
    bytes.as_chunks::<PLACE>().0.iter().filter_map(decode).collect()
}

fn decode(bytes: &[u8; PLACE]) -> Option<(Uuid, Head)> {
    let (checked, rest) = bytes.split_first_chunk::<CHECKED>()?;
    let is_sound = rest.first_chunk() == Some(&crc32fast::hash(checked).to_le_bytes());
    let (mark, rest) = checked.split_first_chunk::<8>()?;
    let (id, rest) = rest.split_first_chunk::<16>()?;
    let (seq, rest) = rest.split_first_chunk::<8>()?;
    let head = Head { seq: i64::from_le_bytes(*seq), nonce: i64::from_le_bytes(*rest.first_chunk()?) };
    (is_sound && *mark == MARK).then(|| (Uuid::from_bytes(*id), head))
}

fn write_at(file: &mut File, place: usize, note: &[u8; PLACE]) -> io::Result<()> {
    file.seek(SeekFrom::Start((place * PLACE) as u64))?;
    file.write_all(note)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn notes(folder: &Path) -> Notes {
        let path = folder.join("m.db-head");
        let written = Mutex::new((Head::default(), None));
        Notes { path, id: Uuid::from_u128(7), written, rollback: None, is_told: false.into() }
    }

    #[test]
    fn the_highest_note_that_is_sound_counts_whatever_is_damaged() {
        let folder = tempfile::tempdir().unwrap();
        let notes = notes(folder.path());
        let heads: Vec<Head> =
            (1..200).map(|seq| Head { seq, nonce: seq.wrapping_mul(0x5851_f42d_4c95_7f2d) }).collect();
        for head in &heads {
            notes.note(*head);
            let highest = read(&notes.path).into_iter().max_by_key(|(_, head)| head.seq);
            assert_eq!(highest, Some((notes.id, *head)));
        }
        // Every bit of the file is flipped: nothing that was not noted is ever read.
        let bytes = std::fs::read(&notes.path).unwrap();
        assert!(bytes.len() <= PLACE * PLACES);
        for bit in 0..bytes.len() * 8 {
            let mut bytes = bytes.clone();
            bytes[bit / 8] ^= 1 << (bit % 8);
            std::fs::write(&notes.path, &bytes).unwrap();
            for (id, head) in read(&notes.path) {
                assert!(id == notes.id && heads.contains(&head), "{bit}");
            }
        }
        for length in 0..bytes.len() {
            std::fs::write(&notes.path, &bytes[..length]).unwrap();
            assert!(read(&notes.path).iter().all(|(_, head)| heads.contains(head)));
        }
    }

    #[test]
    fn what_is_settled_is_the_only_note() {
        let folder = tempfile::tempdir().unwrap();
        let notes = notes(folder.path());
        (1..50).for_each(|seq| notes.note(Head { seq, nonce: seq }));
        let head = Head { seq: 3, nonce: 9 };
        notes.settle(head).unwrap();
        assert_eq!(read(&notes.path), [(notes.id, head)]);
        notes.note(Head { seq: 4, nonce: 5 });
        assert_eq!(read(&notes.path).len(), 2);
    }
}
