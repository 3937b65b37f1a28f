//! Crowds of processes and threads that write and ask at once. Each answer has to be one state of the file, and none older
//! than what was acknowledged when the question was asked.

use std::collections::VecDeque;
use std::fs::{File, OpenOptions};
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use mnemon::{Kind, Level, MemoryId, MemoryQuery, NewMemory, Scope};
use mnemon_store::{Store, StoreOptions};
use rusqlite::Connection;

use crate::actor::{Actor, Opening};
use crate::random::Random;
use crate::report::{Plan, Report, Run, chain};
use crate::supervise::{Teller, supervise};
use crate::{Result, scratch};

const USER: &str = "coherence";
/// Memories that are stored in one transaction.
const BATCH: u64 = 3;
/// Batches of a writer that are there at once.
const LIVE: u64 = 6;
/// Questions of each thread in one round.
const QUESTIONS: u64 = 2_000;
/// Told to the supervisor at once.
const TOLD: u64 = 100;
/// Entries of the change log that a trim leaves.
const TRIMMED: u64 = 40;

/// Lets crowds write and ask as the plan says. It counts answers that were checked.
///
/// # Errors
/// When files of its own cannot be made.
pub fn run(plan: Plan, processes: u64, threads: u64) -> Result<Report> {
    let run = Run::new(format!("coherence --processes {processes} --threads {threads}"), Plan { jobs: 1, ..plan });
    run.rounds(|number| {
        let folder = scratch::folder()?;
        let file = folder.path().join("m.db");
        Board::make(&folder.path().join("board"), processes * threads)?;
        let member = |process: u64| -> Vec<String> {
            let numbers = [process, processes, threads, run.plan.seed, number];
            let folder = folder.path().to_string_lossy().into_owned();
            ["crowd-member".to_owned(), folder].into_iter().chain(numbers.iter().map(u64::to_string)).collect()
        };
        std::thread::scope(|crowd| {
            let members = (0..processes).map(|process| {
                let run = &run;
                let arguments = member(process);
                crowd.spawn(move || supervise(run, number, &arguments))
            });
            let members: Vec<_> = members.collect();
            for member in members {
                member.join().map_err(|_| "a thread of the harness panicked")??;
            }
            Ok::<(), Box<dyn std::error::Error + Send + Sync>>(())
        })?;
        let store = Store::open(&file, StoreOptions::default())?;
        let damage = store.check()?;
        run.count("files checked", 1);
        if !damage.is_empty() {
            run.find(number, format!("check: {damage:?}"));
        }
        Ok(())
    });
    Ok(run.finish())
}

/// What the writers say of themselves, in a file that all can see: for each how many batches it began to store and has
/// stored, and how many memories it began to delete and has deleted, always from the oldest. Each thread has its own.
struct Board {
    file: File,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Column {
    AddBegun,
    Added,
    DeleteBegun,
    Deleted,
}

const COLUMNS: u64 = 4;

impl Board {
    fn make(path: &Path, writers: u64) -> Result<()> {
        std::fs::write(path, vec![0; usize::try_from(writers * COLUMNS * 8)?])?;
        Ok(())
    }

    fn open(path: &Path) -> Result<Self> {
        Ok(Self { file: OpenOptions::new().read(true).write(true).open(path)? })
    }

    fn place(writer: u64, column: Column) -> u64 {
        (writer * COLUMNS + column as u64) * 8
    }

    fn read(&self, writer: u64, column: Column) -> Result<u64> {
        let mut bytes = [0; 8];
        let mut file = &self.file;
        file.seek(SeekFrom::Start(Self::place(writer, column)))?;
        // Eight bytes of one page, written by one thread: never half of a number.
        file.read_exact(&mut bytes)?;
        Ok(u64::from_le_bytes(bytes))
    }

    fn write(&self, writer: u64, column: Column, number: u64) -> Result<()> {
        let mut file = &self.file;
        file.seek(SeekFrom::Start(Self::place(writer, column)))?;
        Ok(file.write_all(&number.to_le_bytes())?)
    }
}

/// What a member of a crowd is told.
#[derive(Debug, Clone, clap::Args)]
pub struct Member {
    folder: PathBuf,
    process: u64,
    processes: u64,
    threads: u64,
    seed: u64,
    round: u64,
}

impl Member {
    /// Writes and asks on all threads.
    ///
    /// # Errors
    /// When something of its own fails.
    pub fn take_part(&self) -> Result<()> {
        let file = self.folder.join("m.db");
        let mut teller = Teller::default();
        teller.begin(format!("process {}", self.process))?;
        let opening = Opening { busy_timeout_ms: 60_000, ..Opening::default() };
        let actor = match Actor::open(&file, &Scope::user_scope(USER)?, opening) {
            Ok(actor) => actor,
            Err(error) => return teller.find(format!("opening: {}", chain(&error))),
        };
        let ends = AtomicBool::new(false);
        std::thread::scope(|threads| {
            let started: Vec<_> = (0..self.threads)
                .map(|thread| {
                    let (actor, teller, ends, file) = (&actor, &teller, &ends, &file);
                    threads.spawn(move || -> Result<()> {
                        let number = self.process * self.threads + thread;
                        let mut crowd = Crowd::new(self, actor, number)?;
                        let result = crowd.go(teller, ends, file);
                        if let Err(error) = &result {
                            ends.store(true, Ordering::SeqCst);
                            teller.find(format!("writer {number}: {}", chain(&**error)))?;
                        }
                        Ok(())
                    })
                })
                .collect();
            for thread in started {
                match thread.join() {
                    Ok(done) => done?,
                    Err(_) => teller.find("a panic")?,
                }
            }
            Ok(())
        })
    }
}

/// One thread of the crowd.
struct Crowd<'a> {
    actor: &'a Actor,
    board: Board,
    writer: u64,
    writers: u64,
    random: Random,
    /// Its own memories, the oldest first.
    own: VecDeque<MemoryId>,
    added: u64,
    deleted: u64,
}

impl<'a> Crowd<'a> {
    fn new(member: &Member, actor: &'a Actor, writer: u64) -> Result<Self> {
        Ok(Self {
            actor,
            board: Board::open(&member.folder.join("board"))?,
            writer,
            writers: member.processes * member.threads,
            random: Random::of(member.seed, member.round * 1_000 + writer),
            own: VecDeque::new(),
            added: 0,
            deleted: 0,
        })
    }

    fn go(&mut self, teller: &Teller, ends: &AtomicBool, file: &Path) -> Result<()> {
        let (mut asked, mut written) = (0, 0);
        while asked < QUESTIONS && !ends.load(Ordering::SeqCst) {
            match self.random.below(100) {
                0..=5 => {
                    self.add()?;
                    written += 1;
                }
                6..=15 if self.own.len() as u64 > LIVE * BATCH => {
                    self.delete()?;
                    written += 1;
                }
                16 if self.writer == 0 && self.random.percent(20) => trim(file)?,
                _ => {
                    if let Err(difference) = self.ask()? {
                        teller.find(format!("writer {}: {difference}", self.writer))?;
                    }
                    asked += 1;
                    if asked % TOLD == 0 {
                        teller.count("writes", std::mem::take(&mut written))?;
                        teller.count("answers checked", TOLD)?;
                        teller.done(TOLD)?;
                    }
                }
            }
        }
        Ok(())
    }

    fn add(&mut self) -> Result<()> {
        let word = word(self.writer, self.added);
        let memory = |place| NewMemory::new(Kind::Note, format!("{word} is batch {} at place {place}", self.added));
        let memories: Vec<NewMemory> = (0..BATCH).map(memory).collect();
        self.board.write(self.writer, Column::AddBegun, self.added + 1)?;
        self.own.extend(self.actor.memory().add(&memories)?);
        self.added += 1;
        self.board.write(self.writer, Column::Added, self.added)
    }

    fn delete(&mut self) -> Result<()> {
        let Some(oldest) = self.own.pop_front() else { return Ok(()) };
        self.board.write(self.writer, Column::DeleteBegun, self.deleted + 1)?;
        self.actor.memory().delete(oldest)?;
        self.deleted += 1;
        self.board.write(self.writer, Column::Deleted, self.deleted)
    }

    /// Asks for a batch of anybody, at the edges of what there is.
    fn ask(&mut self) -> Result<Result<(), String>> {
        let of = self.random.below(self.writers);
        let (added, deleted) = (self.board.read(of, Column::Added)?, self.board.read(of, Column::Deleted)?);
        let batch = match self.random.below(3) {
            0 => deleted / BATCH,
            1 => added.saturating_sub(1),
            // The one that is being written.
            _ => added,
        };
        let word = word(of, batch);
        let level = if self.random.percent(50) { Level::Fast } else { Level::Thorough };
        let recall = self.actor.memory().query_memory(MemoryQuery::new(word.as_str()).recall(level), 12)?;
        let after = (self.board.read(of, Column::AddBegun)?, self.board.read(of, Column::DeleteBegun)?);
        let found: Vec<bool> = (0..BATCH)
            .map(|place| {
                let text = format!("{word} is batch {batch} at place {place}");
                recall.hits.iter().any(|hit| hit.memory.text == text)
            })
            .collect();
        Ok(judge(batch, &found, (added, deleted), after))
    }
}

/// Whether what was found of a batch is one state of the file, between what was certain before the question and what was
/// possible after it.
fn judge(batch: u64, found: &[bool], before: (u64, u64), after: (u64, u64)) -> Result<(), String> {
    let ((added, deleted), (add_begun, delete_begun)) = (before, after);
    let first = batch * BATCH;
    let problem = |what: &str| {
        Err(format!(
            "batch {batch} was seen as {found:?}, {what}: {added} batches and {deleted} deletions were acknowledged before \
             the question, {add_begun} and {delete_begun} begun after the answer"
        ))
    };
    let each = || (first..).zip(found.iter().copied());
    if each().any(|(memory, is_there)| is_there && memory < deleted) {
        return problem("with one that was deleted");
    }
    if batch >= add_begun && found.contains(&true) {
        return problem("before anybody stored it");
    }
    if batch < added && each().any(|(memory, is_there)| !is_there && memory >= delete_begun) {
        return problem("without one that was stored");
    }
    // Stored together, deleted from the first on: what is there is the end of the batch, as a whole.
    let begin = found.iter().position(|is_there| *is_there).unwrap_or(found.len());
    if found.iter().skip(begin).any(|is_there| !is_there) {
        return problem("with a gap");
    }
    let kept = each().filter(|(memory, _)| *memory >= delete_begun);
    let (there, all) = kept.fold((0, 0), |(there, all), (_, is_there)| (there + u64::from(is_there), all + 1));
    if there != 0 && there != all {
        return problem("by half");
    }
    Ok(())
}

/// Forgets the beginning of the change log, as another program may that knows that caches can be read anew.
fn trim(file: &Path) -> Result<()> {
    let conn = Connection::open(file)?;
    conn.busy_timeout(Duration::from_secs(60))?;
    conn.execute("DELETE FROM change WHERE seq <= (SELECT max(seq) FROM change) - ?1", [TRIMMED])?;
    Ok(())
}

/// A word that no other batch has, of letters only and without an ending that a stemmer would take.
fn word(writer: u64, batch: u64) -> String {
    let letters = |mut number: u64| {
        let mut word = String::new();
        loop {
            word.push(char::from(b'a' + (number % 20) as u8));
            number /= 20;
            if number == 0 {
                return word;
            }
        }
    };
    format!("zx{}v{}wq", letters(writer), letters(batch))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(batch: u64, found: [bool; 3], before: (u64, u64), after: (u64, u64), expected: &str) {
        let judged = judge(batch, &found, before, after);
        match (expected, &judged) {
            ("", Ok(())) => {}
            (expected, Err(problem)) if !expected.is_empty() && problem.contains(expected) => {}
            _ => panic!("expected {expected:?}, got {judged:?}"),
        }
    }

    #[test]
    fn an_answer_is_one_state_between_what_was_certain_and_what_was_possible() {
        let (all, none) = ([true; 3], [false; 3]);
        check(4, all, (5, 0), (5, 0), "");
        check(4, none, (5, 0), (5, 0), "without one that was stored");
        check(4, [true, false, true], (4, 0), (5, 0), "gap");
        check(5, all, (5, 0), (6, 0), "");
        check(5, none, (5, 0), (6, 0), "");
        check(5, [false, false, true], (5, 0), (6, 0), "half");
        check(5, all, (5, 0), (5, 0), "before anybody");
        // Two of batch 1 are deleted, the third may be.
        check(1, [false, false, true], (5, 5), (5, 6), "");
        check(1, none, (5, 5), (5, 6), "");
        check(1, [false, true, true], (5, 5), (5, 6), "deleted");
    }

    #[test]
    fn words_differ() {
        let words: std::collections::BTreeSet<String> =
            (0..50).flat_map(|writer| (0..50).map(move |batch| word(writer, batch))).collect();
        assert_eq!(words.len(), 2_500);
    }
}
