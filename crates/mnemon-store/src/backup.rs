//! Copies of a whole file: backups, and files that are restored from them.

use std::ffi::OsString;
use std::fs::{self, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rusqlite::backup::{Backup, StepResult};
use rusqlite::{Connection, OpenFlags};
use uuid::Uuid;

use crate::cells::OfRow;
use crate::changes::log_copied;
use crate::checksum::checksum_of_stored;
use crate::{Damage, Durability, Snapshot, Store, StoreError, StoreOptions, connection, schema};

/// Pages that are copied between two reports of progress: 4 MB.
const PAGES: i32 = 1024;
/// How long is waited for a lock on the file that is to be replaced.
const REPLACE_TIMEOUT: Duration = Duration::from_secs(5);

/// What to do when there is a file where one is to be written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Existing {
    /// Leave it alone: [`StoreError::Exists`].
    #[default]
    Refuse,
    /// Put the new file in its place, once that is written and checked. Nobody may have the old one open.
    Replace,
}

/// How far a long piece of work has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Steps {
    /// Steps that are done.
    pub done: u64,
    /// All steps.
    pub total: u64,
}

/// A copy that was made and checked.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
#[non_exhaustive]
pub struct BackupReport {
    /// The copy.
    pub path: PathBuf,
    /// Its size.
    pub bytes: u64,
    /// Its own id: it is another file than the one that it was made of.
    pub uuid: Uuid,
    /// Memories in it, but for the summaries that the engine made.
    pub memories: u64,
    /// Memories that do not fit their checksum, in the original as in the copy. They are copied as they are;
    /// [`Store::salvage`] leaves them out.
    pub damaged_memories: u64,
}

impl Snapshot<'_> {
    /// The id of the file. A copy made by [`Store::backup`], [`Store::restore`] or [`Store::salvage`] has another one.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn uuid(&self) -> Result<Uuid, StoreError> {
        let mut statement = self.conn.prepare_cached("SELECT uuid FROM meta WHERE id = 1")?;
        Ok(Uuid::from_bytes(statement.query_row([], |row| row.get(0)).of_row("meta", 1)?))
    }
}

impl Store {
    /// Copies the whole file as it is now, while others read and write on. The copy is checked (its structure, the number
    /// of rows of every table, the checksum of every memory), is durable when this returns, and opens as any file does. It
    /// is written under another name beside `to` and renamed at the end: `to` is never half a file.
    ///
    /// Reads and writes the whole file once, and reads the copy twice. The write-ahead log cannot be cut back meanwhile.
    ///
    /// # Errors
    /// [`StoreError::Exists`], [`StoreError::Busy`] when somebody has the file open that is to be replaced,
    /// [`StoreError::BadCopy`] when the copy is not sound, which is so when the original is not,
    /// [`StoreError::CannotWrite`], and when the file cannot be read.
    pub fn backup(
        &self,
        to: impl AsRef<Path>,
        existing: Existing,
        progress: &mut dyn FnMut(Steps),
    ) -> Result<BackupReport, StoreError> {
        let to = to.as_ref();
        refuse_itself(self.path(), to)?;
        self.read(|snapshot| copy(snapshot.conn, self.path(), to, existing, progress))
    }

    /// Makes a memory file out of a backup: a copy of it, checked as that of [`Store::backup`], brought to the schema of this
    /// version, with an id of its own. The backup is not changed.
    ///
    /// # Errors
    /// As [`Store::backup`]; and as [`Store::open`] when `from` is no memory file, or one of a newer version.
    pub fn restore(
        from: impl AsRef<Path>,
        to: impl AsRef<Path>,
        existing: Existing,
        progress: &mut dyn FnMut(Steps),
    ) -> Result<BackupReport, StoreError> {
        let (from, to) = (from.as_ref(), to.as_ref());
        schema::check_sqlite_version()?;
        refuse_itself(Some(from), to)?;
        make_folder(to)?;
        let options = StoreOptions { read_only: true, ..StoreOptions::default() };
        let conn = connection::open(from, &options)?;
        if schema::identify(&conn, from)? == 0 {
            return Err(StoreError::NotADatabase { path: from.to_owned() });
        }
        let tx = conn.unchecked_transaction()?;
        copy(&tx, Some(from), to, existing, progress)
    }
}

/// Copies what a connection sees inside of its transaction.
fn copy(
    from: &Connection,
    from_path: Option<&Path>,
    to: &Path,
    existing: Existing,
    progress: &mut dyn FnMut(Steps),
) -> Result<BackupReport, StoreError> {
    let partial = Partial::new(to, existing)?;
    let counts = counts(from)?;
    copy_pages(from, partial.path(), progress)?;
    let bad = |detail: String| StoreError::BadCopy { path: to.to_owned(), detail };
    let mut conn = partial.open()?;
    if let Some(damage) = quick_check(&conn)?.into_iter().next() {
        return Err(bad(damage.detail));
    }
    if let Some(((table, expected), (_, found))) =
        counts.iter().zip(self::counts(&conn)?).find(|(expected, found)| **expected != *found)
    {
        return Err(bad(format!("expected {expected} rows in {table}, got {found}")));
    }
    schema::prepare(&mut conn, to, false, REPLACE_TIMEOUT)?;
    renew(&conn)?;
    let (memories, damaged_memories) = count_memories(&conn)?;
    let uuid = Snapshot::new(&conn).uuid()?;
    let bytes = partial.finish(conn, from_path)?;
    Ok(BackupReport { path: to.to_owned(), bytes, uuid, memories, damaged_memories })
}

/// One read transaction holds the state that is copied, so that no write of others makes it begin anew.
fn copy_pages(from: &Connection, to: &Path, progress: &mut dyn FnMut(Steps)) -> Result<(), StoreError> {
    let mut conn =
        Connection::open_with_flags(to, OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX)?;
    // All of it is made durable at the end, at once.
    conn.pragma_update(None, "synchronous", "OFF")?;
    let backup = Backup::new(from, &mut conn)?;
    let start = Instant::now();
    loop {
        let step = backup.step(PAGES)?;
        let pages = backup.progress();
        let count = |pages: i32| u64::try_from(pages).unwrap_or(0);
        progress(Steps { done: count(pages.pagecount - pages.remaining), total: count(pages.pagecount) });
        match step {
            StepResult::Done => return Ok(()),
            StepResult::Busy | StepResult::Locked if start.elapsed() > REPLACE_TIMEOUT => {
                return Err(StoreError::Busy { waited_ms: start.elapsed().as_millis() });
            }
            StepResult::Busy | StepResult::Locked => std::thread::sleep(Duration::from_millis(5)),
            _ => {}
        }
    }
}

/// Makes a file another one than the one that it was copied from, for everybody who knows that by its id or its log.
pub(crate) fn renew(conn: &Connection) -> Result<(), StoreError> {
    let tx = conn.unchecked_transaction()?;
    tx.execute("UPDATE meta SET uuid = ?1 WHERE id = 1", [Uuid::new_v4().into_bytes()])?;
    log_copied(&tx)?;
    Ok(tx.commit()?)
}

/// The rows of every table that has any of its own.
fn counts(conn: &Connection) -> Result<Vec<(String, u64)>, StoreError> {
    let mut tables = conn.prepare(
        "SELECT name FROM sqlite_schema WHERE type = 'table' AND rootpage > 0 AND name NOT LIKE 'sqlite_%' ORDER BY name",
    )?;
    let names: Vec<String> = tables.query_map([], |row| row.get(0))?.collect::<Result<_, _>>()?;
    let count = |name: String| {
        let quoted = name.replace('"', "\"\"");
        let rows = conn.query_row(&format!("SELECT count(*) FROM \"{quoted}\""), [], |row| row.get(0))?;
        Ok((name, rows))
    };
    names.into_iter().map(count).collect()
}

/// What is wrong with the pages of a file, its indexes aside.
pub(crate) fn quick_check(conn: &Connection) -> Result<Vec<Damage>, StoreError> {
    let mut statement = conn.prepare("PRAGMA quick_check(20)")?;
    let mut rows = statement.query([])?;
    let mut damage = Vec::new();
    while let Some(row) = rows.next()? {
        let detail: String = row.get(0)?;
        if detail != "ok" {
            damage.push(Damage { part: "database", detail });
        }
    }
    Ok(damage)
}

/// The memories of a file but for the summaries that the engine made, and how many of all do not fit their checksum.
fn count_memories(conn: &Connection) -> Result<(u64, u64), StoreError> {
    let mut statement = conn.prepare(crate::checksum::STORED)?;
    let mut rows = statement.query([])?;
    let (mut all, mut damaged) = (0, 0);
    while let Some(row) = rows.next()? {
        all += 1;
        damaged += u64::from(Some(checksum_of_stored(row)?) != row.get::<_, i64>(1).ok());
    }
    // A copy may be of an older schema.
    let has_summaries = conn.table_exists(None, "summary")?;
    let made: u64 = match has_summaries {
        true => conn.query_row("SELECT count(*) FROM summary", [], |row| row.get(0))?,
        false => 0,
    };
    Ok((all - made.min(all), damaged))
}

pub(crate) fn make_folder(path: &Path) -> Result<(), StoreError> {
    match path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        Some(folder) => {
            fs::create_dir_all(folder).map_err(|source| StoreError::CannotMakeFolder { path: path.to_owned(), source })
        }
        None => Ok(()),
    }
}

/// A file is no backup of itself.
pub(crate) fn refuse_itself(from: Option<&Path>, to: &Path) -> Result<(), StoreError> {
    let whole = |path: &Path| fs::canonicalize(path).ok();
    match from.and_then(whole).zip(whole(to)) {
        Some((from, to)) if from == to => Err(StoreError::Exists { path: to }),
        _ => Ok(()),
    }
}

/// A file that is being written, under another name beside its place. It is gone when it is dropped before it is finished.
#[derive(Debug)]
pub(crate) struct Partial {
    target: PathBuf,
    path: PathBuf,
    existing: Existing,
}

impl Partial {
    /// An empty file, which nobody but this user may read until it is finished.
    pub(crate) fn new(target: &Path, existing: Existing) -> Result<Self, StoreError> {
        if existing == Existing::Refuse && fs::symlink_metadata(target).is_ok() {
            return Err(StoreError::Exists { path: target.to_owned() });
        }
        let path = with_suffix(target, &format!("-partial-{}", Uuid::new_v4().simple()));
        let mut options = OpenOptions::new();
        options.write(true).create_new(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        options.open(&path).map_err(|source| cannot_write(target, source))?;
        Ok(Self { target: target.to_owned(), path, existing })
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Opens it for writing, with everything that a store sets.
    pub(crate) fn open(&self) -> Result<Connection, StoreError> {
        let options = StoreOptions { durability: Durability::Normal, ..StoreOptions::default() };
        connection::open(&self.path, &options)
    }

    /// Closes it, makes it durable and puts it into its place, with the permissions of `like`. Returns its size.
    pub(crate) fn finish(self, conn: Connection, like: Option<&Path>) -> Result<u64, StoreError> {
        // One file without a log, which can also be read where nothing can be written.
        conn.pragma_update(None, "journal_mode", "DELETE")?;
        conn.close().map_err(|(_, error)| error)?;
        let written = |source| cannot_write(&self.target, source);
        if let Some(like) = like.and_then(|like| fs::metadata(like).ok()) {
            fs::set_permissions(&self.path, like.permissions()).map_err(written)?;
        }
        let file = OpenOptions::new().read(true).write(true).open(&self.path).map_err(written)?;
        file.sync_all().map_err(written)?;
        let bytes = file.metadata().map_err(written)?.len();
        drop(file);
        match self.existing {
            Existing::Refuse => match fs::hard_link(&self.path, &self.target) {
                Ok(()) => {}
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                    return Err(StoreError::Exists { path: self.target.clone() });
                }
                // A file system without links.
                Err(_) => fs::rename(&self.path, &self.target).map_err(written)?,
            },
            Existing::Replace => {
                leave(&self.target)?;
                fs::rename(&self.path, &self.target).map_err(written)?;
            }
        }
        sync_folder(&self.target).map_err(written)?;
        Ok(bytes)
    }
}

impl Drop for Partial {
    fn drop(&mut self) {
        for suffix in ["", "-journal", "-wal", "-shm"] {
            // Most of them are not there.
            let _ = fs::remove_file(with_suffix(&self.path, suffix));
        }
    }
}

/// Makes sure that nobody has a file open that is about to be replaced, and that nothing of it stays: its log would be
/// played into the file that takes its place. Of a file that is too damaged to be opened nobody can tell who has it open.
fn leave(target: &Path) -> Result<(), StoreError> {
    if fs::symlink_metadata(target).is_ok() {
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let conn = Connection::open_with_flags(target, flags)?;
        let left = connection::retry_busy(REPLACE_TIMEOUT, || {
            match schema::identify(&conn, target) {
                Ok(_) | Err(StoreError::Newer { .. }) => {}
                Err(error) => return Err(error),
            }
            // Leaving the log needs the file for oneself, and plays the log into the file.
            Ok(conn.pragma_update(None, "journal_mode", "DELETE")?)
        });
        match left {
            Ok(()) | Err(StoreError::Corrupt(_)) => {}
            Err(error) => return Err(error),
        }
    }
    for suffix in ["-wal", "-shm", "-journal", "-head"] {
        match fs::remove_file(with_suffix(target, suffix)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(cannot_write(target, error)),
            _ => {}
        }
    }
    Ok(())
}

/// A name becomes durable with its folder.
fn sync_folder(path: &Path) -> io::Result<()> {
    #[cfg(unix)]
    {
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        fs::File::open(folder)?.sync_all()?;
    }
    #[cfg(not(unix))]
    let _ = path;
    Ok(())
}

pub(crate) fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name: OsString = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

pub(crate) fn cannot_write(path: &Path, source: io::Error) -> StoreError {
    match source.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => StoreError::Full,
        _ => StoreError::CannotWrite { path: path.to_owned(), source },
    }
}
