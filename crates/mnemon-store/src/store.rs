//! The store itself: one connection that writes, several that read.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard};

use rusqlite::Connection;

use crate::cells::OfRow;
use crate::connection::{self, retry_busy};
use crate::group::Writer;
use crate::rollback::Notes;
use crate::{Damage, Snapshot, StoreError, StoreOptions, WriteTx, backup, schema};

/// Connections that wait for the next reader. More are opened when more read at once, and closed afterwards.
const IDLE_READERS: usize = 8;

/// One memory file.
///
/// Any number of threads may share a store, and any number of processes one file: readers never wait for anybody,
/// writers take turns.
#[derive(Debug)]
pub struct Store {
    path: Option<PathBuf>,
    options: StoreOptions,
    writer: Mutex<Writer>,
    /// Threads that wait for the writer: a transaction is handed on only when somebody takes it.
    waiting: AtomicUsize,
    /// Empty for ever when the database lives in memory, where the writer also reads.
    idle_readers: Mutex<Vec<Connection>>,
    /// `None` in memory, and where a file says no id.
    notes: Option<Notes>,
    was_unclean: bool,
    /// Whether it is still due to say what was found at opening.
    is_unchecked: AtomicBool,
}

impl Store {
    /// Opens a file, or makes it when it is not there (with the folders above it).
    ///
    /// # Errors
    /// [`StoreError::NotADatabase`], [`StoreError::NotMnemon`], [`StoreError::Newer`] and [`StoreError::Older`] when
    /// the file is not one that this version can use, and then nothing in it was changed;
    /// [`StoreError::CannotOpen`], [`StoreError::Busy`], [`StoreError::Full`], [`StoreError::Io`] for what their
    /// names say.
    pub fn open(path: impl AsRef<Path>, options: StoreOptions) -> Result<Self, StoreError> {
        Self::open_path(path.as_ref(), options)
    }

    fn open_path(path: &Path, options: StoreOptions) -> Result<Self, StoreError> {
        schema::check_sqlite_version()?;
        if !options.read_only {
            backup::make_folder(path)?;
        }
        let was_unclean = !options.read_only && connection::ended_uncleanly(path);
        let mut writer = connection::open(path, &options)?;
        schema::prepare(&mut writer, path, options.read_only, options.busy_timeout)?;
        let notes = Notes::look(path, &writer);
        let store = Self {
            path: Some(path.to_owned()),
            notes,
            options,
            writer: Mutex::new(Writer::new(writer)),
            waiting: AtomicUsize::new(0),
            idle_readers: Mutex::new(Vec::new()),
            was_unclean,
            is_unchecked: AtomicBool::new(true),
        };
        store.keep_room();
        store.scrub_on_opening();
        Ok(store)
    }

    /// A store that ends with the value: for tests and for what should not be kept. Readers and writers take turns.
    ///
    /// # Errors
    /// When SQLite is too old or out of memory.
    pub fn open_in_memory() -> Result<Self, StoreError> {
        schema::check_sqlite_version()?;
        let mut writer = connection::open_in_memory()?;
        let options = StoreOptions::default();
        schema::prepare(&mut writer, Path::new(":memory:"), false, options.busy_timeout)?;
        Ok(Self {
            path: None,
            notes: None,
            options,
            writer: Mutex::new(Writer::new(writer)),
            waiting: AtomicUsize::new(0),
            idle_readers: Mutex::new(Vec::new()),
            was_unclean: false,
            is_unchecked: AtomicBool::new(false),
        })
    }

    /// The file, unless the store lives in memory.
    #[must_use]
    pub fn path(&self) -> Option<&Path> {
        self.path.as_deref()
    }

    pub(crate) fn notes(&self) -> Option<&Notes> {
        self.notes.as_ref()
    }

    pub(crate) fn options(&self) -> &StoreOptions {
        &self.options
    }

    /// Whether it was opened for reading only.
    #[must_use]
    pub fn is_read_only(&self) -> bool {
        self.options.read_only
    }

    /// Whether the last process that had the file open for writing ended without closing it, as seen when this store opened
    /// it for writing. Nothing that was acknowledged is lost by that; see [`Store::check_if_unclean`].
    #[must_use]
    pub fn was_unclean(&self) -> bool {
        self.was_unclean
    }

    /// Looks for damage once, if [`Store::was_unclean`] or [`Store::rollback`]; nothing at the second call. After an unclean
    /// end it reads every page; indexes are not compared with their tables, which [`Store::check`] does.
    ///
    /// # Errors
    /// When the file cannot be read at all; damage that was found is not an error.
    pub fn check_if_unclean(&self) -> Result<Vec<Damage>, StoreError> {
        if !self.is_unchecked.swap(false, Ordering::Relaxed) {
            return Ok(Vec::new());
        }
        let mut damage: Vec<Damage> = self.rollback_damage().into_iter().collect();
        if self.was_unclean {
            match self.read(|snapshot| backup::quick_check(snapshot.conn)) {
                Err(StoreError::Corrupt(source)) => {
                    damage.push(Damage { part: "database", detail: source.to_string() });
                }
                looked => damage.extend(looked.inspect_err(|_| self.is_unchecked.store(true, Ordering::Relaxed))?),
            }
        }
        Ok(damage)
    }

    /// Runs `work` on one unchanging state of the file.
    ///
    /// # Errors
    /// What `work` returns, and what opening a connection can.
    pub fn read<T, E: From<StoreError>>(&self, work: impl FnOnce(&Snapshot<'_>) -> Result<T, E>) -> Result<T, E> {
        if self.path.is_none() {
            let conn = self.lock_writer()?;
            let tx = conn.unchecked_transaction().map_err(StoreError::from)?;
            return work(&Snapshot::new(&tx));
        }
        let mut conn = self.take_reader()?;
        let result = retry_busy(self.options.busy_timeout, || begin_read(&mut conn))
            .map_err(E::from)
            .and_then(|()| work(&Snapshot::new(&conn)));
        // A connection whose transaction cannot be ended is not used again.
        let ended = conn.prepare_cached("ROLLBACK").and_then(|mut rollback| rollback.execute([])).is_ok();
        if ended || conn.is_autocommit() {
            self.return_reader(conn);
        }
        result
    }

    /// Runs `work` with the right to write, alone among all processes. When it returns `Ok` everything it wrote is
    /// durable (see [`Durability`](crate::Durability)); when it returns an error nothing was written.
    ///
    /// Keep slow things (embedding, waiting for a network) out of `work`: all other writers wait.
    ///
    /// Threads of this store that write at the same time share a commit, up to 64 writes or 2 ms of them: each sees what those
    /// before it wrote, and what one that fails wrote is taken back alone. Nobody returns before the commit.
    ///
    /// # Errors
    /// What `work` returns; [`StoreError::Undone`] when the disk failed another write of the same commit, so that SQLite gave up
    /// all of it; [`StoreError::Busy`] when no turn came within the busy timeout; [`StoreError::ReadOnly`];
    /// [`StoreError::Full`].
    pub fn write<T, E: From<StoreError>>(&self, work: impl FnOnce(&WriteTx<'_>) -> Result<T, E>) -> Result<T, E> {
        if self.options.read_only {
            return Err(StoreError::ReadOnly.into());
        }
        let mut writer = self.wait_for_turn()?;
        let joins = writer.is_shared();
        if joins {
            if let Err(error) = writer.execute_batch("SAVEPOINT one") {
                writer.finish(self.notes());
                return Err(StoreError::from(error).into());
            }
        } else {
            retry_busy(self.options.busy_timeout, || {
                writer.prepare_cached("BEGIN IMMEDIATE")?.execute([])?;
                Ok(())
            })?;
        }
        match catch_unwind(AssertUnwindSafe(|| work(&WriteTx::new(&writer)))) {
            Ok(Ok(value)) => {
                if joins && let Err(error) = writer.execute_batch("RELEASE one") {
                    writer.undo();
                    writer.finish(self.notes());
                    return Err(StoreError::from(error).into());
                }
                let somebody_waits = self.waiting.load(Ordering::SeqCst) > 0;
                match somebody_waits.then(|| writer.hand_on()).flatten() {
                    Some(shared) => {
                        drop(writer);
                        shared.wait()?;
                    }
                    None => writer.commit(self.notes())?,
                }
                Ok(value)
            }
            Ok(Err(error)) => {
                writer.undo();
                if self.waiting.load(Ordering::SeqCst) == 0 || !writer.has_room() {
                    writer.finish(self.notes());
                }
                Err(error)
            }
            Err(panic) => {
                writer.undo();
                writer.finish(self.notes());
                // While the lock is held, so that the next one learns of it.
                resume_unwind(panic)
            }
        }
    }

    /// The connection, with the transaction that another writer may have left open: who gets it commits that, or hands it on.
    fn wait_for_turn(&self) -> Result<MutexGuard<'_, Writer>, StoreError> {
        self.waiting.fetch_add(1, Ordering::SeqCst);
        let locked = self.writer.lock();
        self.waiting.fetch_sub(1, Ordering::SeqCst);
        // What a thread that panicked had written was taken back, so the connection is sound; the flag is cleared for the
        // next caller, and this one learns what happened.
        locked.map_err(|poisoned| {
            self.writer.clear_poison();
            poisoned.into_inner().finish(self.notes());
            StoreError::Poisoned
        })
    }

    /// The connection, outside of any transaction.
    pub(crate) fn lock_writer(&self) -> Result<MutexGuard<'_, Writer>, StoreError> {
        let mut writer = self.wait_for_turn()?;
        writer.finish(self.notes());
        Ok(writer)
    }

    fn take_reader(&self) -> Result<Connection, StoreError> {
        let idle = self.idle_readers.lock().ok().and_then(|mut readers| readers.pop());
        match (idle, &self.path) {
            (Some(conn), _) => Ok(conn),
            (None, Some(path)) => connection::open(path, &self.options),
            (None, None) => connection::open_in_memory(),
        }
    }

    fn return_reader(&self, conn: Connection) {
        if let Ok(mut readers) = self.idle_readers.lock()
            && readers.len() < IDLE_READERS
        {
            readers.push(conn);
        }
    }
}

/// A deferred transaction takes its snapshot at the first read, not at BEGIN, so the first read belongs to it.
fn begin_read(conn: &mut Connection) -> Result<(), StoreError> {
    if conn.is_autocommit() {
        conn.prepare_cached("BEGIN")?.execute([])?;
    }
    conn.prepare_cached("SELECT id FROM meta")?.query_row([], |row| row.get::<_, i64>(0)).of_row("meta", 1)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use mnemon_core::{Kind, NewMemory, Scope, Timestamp};

    use super::*;

    fn add(store: &Store, text: &str) -> Result<(), StoreError> {
        let now = Timestamp::UNIX_EPOCH;
        store.write(|tx| tx.add_memory(&Scope::default(), &NewMemory::new(Kind::Note, text), now)).map(|_| ())
    }

    fn texts(store: &Store) -> Vec<String> {
        store
            .read(|snapshot| {
                let Some(scope) = snapshot.scope_id(&Scope::default())? else { return Ok(Vec::new()) };
                snapshot.list(scope, &crate::ListFilter::default())
            })
            .map(|memories: Vec<mnemon_core::Memory>| memories.into_iter().map(|memory| memory.text).collect())
            .map_err(|error: StoreError| error)
            .unwrap()
    }

    #[test]
    fn a_full_disk_stores_nothing_and_loses_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path().join("m.db"), StoreOptions::default()).unwrap();
        add(&store, "before").unwrap();
        {
            let writer = store.writer.lock().unwrap();
            let pages: i64 = writer.pragma_query_value(None, "page_count", |row| row.get(0)).unwrap();
            writer.pragma_update(None, "max_page_count", pages + 2).unwrap();
        }
        let error = add(&store, &"long ".repeat(20_000)).unwrap_err();
        assert!(matches!(error, StoreError::Full), "{error:?}");
        assert_eq!(texts(&store), ["before"]);
        store.writer.lock().unwrap().pragma_update(None, "max_page_count", 1 << 30).unwrap();
        add(&store, "after").unwrap();
        assert_eq!(texts(&store), ["before", "after"]);
    }

    #[test]
    fn a_panic_inside_a_transaction_rolls_it_back_and_the_store_goes_on() {
        let store = Store::open_in_memory().unwrap();
        let panicked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            store.write(|tx| -> Result<(), StoreError> {
                tx.add_memory(&Scope::default(), &NewMemory::new(Kind::Note, "half"), Timestamp::UNIX_EPOCH)?;
                panic!("the caller's own code failed");
            })
        }));
        assert!(panicked.is_err());
        assert!(matches!(add(&store, "told"), Err(StoreError::Poisoned)));
        add(&store, "whole").unwrap();
        assert_eq!(texts(&store), ["whole"]);
    }

    #[test]
    fn a_lock_that_is_held_too_long_is_an_error_that_says_how_long() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("m.db");
        let options = StoreOptions { busy_timeout: std::time::Duration::from_millis(30), ..StoreOptions::default() };
        let store = Store::open(&path, options).unwrap();
        let other = Connection::open(&path).unwrap();
        other.execute_batch("BEGIN IMMEDIATE").unwrap();
        let error = add(&store, "never").unwrap_err();
        assert!(matches!(error, StoreError::Busy { waited_ms } if waited_ms >= 30), "{error:?}");
        assert!(error.is_transient());
        other.execute_batch("ROLLBACK").unwrap();
        add(&store, "now").unwrap();
        assert_eq!(texts(&store), ["now"]);
    }

    #[test]
    fn a_writer_does_not_disturb_a_snapshot() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path().join("m.db"), StoreOptions::default()).unwrap();
        add(&store, "one").unwrap();
        store
            .read(|snapshot| -> Result<(), StoreError> {
                let before = snapshot.head()?;
                add(&store, "two")?;
                assert_eq!(snapshot.head()?, before);
                Ok(())
            })
            .unwrap();
        assert_eq!(texts(&store), ["one", "two"]);
    }

    /// Eight threads write at once; every fifth write of each fails, and every seventh panics in one of them. What returned
    /// is there for every other connection at that moment, what failed is not, and nothing else is.
    #[test]
    fn writers_that_share_a_commit_are_alone_with_what_happens_to_them() {
        for in_memory in [false, true] {
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("m.db");
            let store = match in_memory {
                true => Store::open_in_memory().unwrap(),
                false => Store::open(&path, StoreOptions::default()).unwrap(),
            };
            let store = &store;
            let path = &path;
            let expected: std::collections::BTreeSet<String> = std::thread::scope(|scope| {
                let threads: Vec<_> = (0..8)
                    .map(|thread| {
                        scope.spawn(move || {
                            let other = (!in_memory).then(|| Connection::open(path).unwrap());
                            let mut done = Vec::new();
                            for number in 0..40 {
                                let text = format!("{thread} {number}");
                                if number % 5 == 4 {
                                    let failed = store.write(|tx| {
                                        let new = NewMemory::new(Kind::Note, text.as_str());
                                        tx.add_memory(&Scope::default(), &new, Timestamp::UNIX_EPOCH)?;
                                        Err::<(), _>(StoreError::ReadOnly)
                                    });
                                    assert!(
                                        matches!(failed, Err(StoreError::ReadOnly | StoreError::Poisoned)),
                                        "{failed:?}"
                                    );
                                    continue;
                                }
                                if thread == 0 && number % 7 == 3 {
                                    let panicked = std::panic::catch_unwind(AssertUnwindSafe(|| {
                                        store.write(|tx| -> Result<(), StoreError> {
                                            let new = NewMemory::new(Kind::Note, text.as_str());
                                            tx.add_memory(&Scope::default(), &new, Timestamp::UNIX_EPOCH)?;
                                            panic!("the caller's own code failed");
                                        })
                                    }));
                                    assert!(panicked.is_err());
                                    continue;
                                }
                                match add(store, &text) {
                                    Ok(()) => {}
                                    Err(StoreError::Poisoned) => continue,
                                    Err(error) => panic!("{error:?}"),
                                }
                                if let Some(other) = &other {
                                    let sql = "SELECT count(*) FROM memory WHERE text = ?1";
                                    let found: i64 = other.query_row(sql, [&text], |row| row.get(0)).unwrap();
                                    assert_eq!(found, 1, "{text}");
                                }
                                done.push(text);
                            }
                            done
                        })
                    })
                    .collect();
                threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect()
            });
            let filter = crate::ListFilter { limit: 1000, ..crate::ListFilter::default() };
            let found = store
                .read(|snapshot| snapshot.list(snapshot.scope_id(&Scope::default())?.unwrap(), &filter))
                .map_err(|error: StoreError| error)
                .unwrap();
            assert!(expected.len() > 200);
            assert_eq!(
                found.into_iter().map(|memory| memory.text).collect::<std::collections::BTreeSet<_>>(),
                expected
            );
            assert_eq!(store.check().unwrap(), []);
        }
    }

    /// Two writers share a commit that fails (a reference that is checked only then leads nowhere): both are told.
    #[test]
    fn when_a_commit_fails_everybody_who_shares_it_is_told() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path().join("m.db"), StoreOptions::default()).unwrap();
        add(&store, "before").unwrap();
        let store = &store;
        let (first, second) = std::thread::scope(|scope| {
            let (begun, has_begun) = std::sync::mpsc::channel();
            let first = scope.spawn(move || {
                store.write(|tx| -> Result<(), StoreError> {
                    begun.send(()).unwrap();
                    while store.waiting.load(Ordering::SeqCst) == 0 {
                        std::thread::yield_now();
                    }
                    tx.conn.execute_batch("PRAGMA defer_foreign_keys = ON; INSERT INTO window VALUES (77, 77, 0)")?;
                    Ok(())
                })
            });
            has_begun.recv().unwrap();
            let second = add(store, "beside it");
            (first.join().unwrap(), second)
        });
        assert!(first.is_err() && second.is_err(), "{first:?} {second:?}");
        assert_eq!(texts(store), ["before"]);
        add(store, "after").unwrap();
        assert_eq!(texts(store), ["before", "after"]);
    }

    /// Threads that share commits do not keep others out: a store beside them, with locks of its own, gets its turns.
    #[test]
    fn others_write_beside_threads_that_share_commits() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("m.db");
        let crowd = Store::open(&path, StoreOptions::default()).unwrap();
        let other = Store::open(&path, StoreOptions::default()).unwrap();
        let (crowd, is_over) = (&crowd, &AtomicBool::new(false));
        let written: usize = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..4)
                .map(|_| {
                    scope.spawn(move || {
                        let mut written = 0;
                        while !is_over.load(Ordering::SeqCst) {
                            add(crowd, "of the crowd").unwrap();
                            written += 1;
                        }
                        written
                    })
                })
                .collect();
            (0..25).for_each(|number| add(&other, &number.to_string()).unwrap());
            is_over.store(true, Ordering::SeqCst);
            threads.into_iter().map(|thread| thread.join().unwrap()).sum()
        });
        let count = |snapshot: &Snapshot<'_>| -> Result<u64, StoreError> {
            let scope = snapshot.scope_id(&Scope::default())?.unwrap();
            snapshot.count(scope, &crate::ListFilter::default())
        };
        assert_eq!(crowd.read(count).unwrap(), written as u64 + 25);
        assert_eq!(crowd.rollback(), None);
    }
}
