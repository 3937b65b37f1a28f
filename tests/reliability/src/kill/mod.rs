//! Processes that are killed at any moment: while they write, open, recover, migrate, save and close.

mod ground;
mod writer;

use std::path::{Path, PathBuf};
use std::time::Duration;

use mnemon::Scope;
use mnemon_store::{Scrubbed, Store, StoreOptions};

use crate::actor::{Actor, Opening, backup_of};
use crate::operation::Operation;
use crate::random::Random;
use crate::report::{Plan, Report, Run};
use crate::room::Room;
use crate::scratch::beside;
use crate::{Result, inspect, scratch};
pub(crate) use ground::{LARGE_USER, large, old_schema};
pub use writer::Orders;
use writer::{Life, Writer};

/// Kills writers as the plan says. It counts kills. Writers that boast acknowledge before they have done it: then losses
/// must be found, or the harness is blind.
///
/// # Errors
/// When files of its own cannot be made.
pub fn run(plan: Plan, most_writers: u64, boast: bool) -> Result<Report> {
    let folder = scratch::folder()?;
    let large = Large { file: folder.path().join("large.db"), room: large(&folder.path().join("large.db"))? };
    let run = Run::new(format!("kill --writers {most_writers}{}", if boast { " --boast" } else { "" }), plan);
    run.rounds(|number| Round { boast, ..Round::new(&run, number, most_writers, &large)? }.play());
    Ok(run.finish())
}

/// A file with a large scope that rounds copy.
struct Large {
    file: PathBuf,
    room: Room,
}

/// One file, from its beginning through several generations of writers.
struct Round<'a> {
    run: &'a Run,
    number: u64,
    random: Random,
    folder: tempfile::TempDir,
    scopes: Vec<Held>,
    /// Writers to which the first scopes belong. The scope behind them is nobody's.
    writers: usize,
    /// Whether the file was of an older schema and may not have been analysed yet.
    is_old: bool,
    boast: bool,
}

/// A scope with what it must hold.
struct Held {
    user: String,
    room: Room,
    /// Operations that did not return before their writer was killed.
    open: Vec<Operation>,
    /// Texts of which no byte may be left in the end.
    erased: Vec<String>,
}

impl Held {
    fn new(user: impl Into<String>, room: Room) -> Self {
        Self { user: user.into(), room, open: Vec::new(), erased: Vec::new() }
    }
}

impl<'a> Round<'a> {
    fn new(run: &'a Run, number: u64, most_writers: u64, large: &Large) -> Result<Self> {
        let mut random = Random::of(run.plan.seed, number);
        let folder = scratch::folder()?;
        let file = folder.path().join("m.db");
        let writers = 1 + random.index(usize::try_from(most_writers)?);
        let hold = |writer| Held::new(format!("writer {writer}"), Room::default());
        let mut scopes: Vec<Held> = (0..writers).map(hold).collect();
        let ground = random.below(10);
        match (ground, scopes.first_mut()) {
            (0..=2, Some(first)) => {
                first.room = old_schema(&file, 1 + random.index(3), &first.user, &mut random)?;
                run.count("files of an older schema", 1);
            }
            (3..=4, _) => {
                std::fs::copy(&large.file, &file)?;
                scopes.push(Held::new(LARGE_USER, large.room.clone()));
                run.count("files with a large scope", 1);
            }
            _ => run.count("files that did not exist", 1),
        }
        Ok(Self { run, number, random, folder, scopes, writers, is_old: ground <= 2, boast: false })
    }

    fn file(&self) -> PathBuf {
        self.folder.path().join("m.db")
    }

    fn play(mut self) -> Result<()> {
        for generation in 0..4 + self.random.below(5) {
            // A file that is made, migrated or recovered is killed most easily before anybody writes to it.
            let only_open = self.random.percent(if generation == 0 { 40 } else { 15 });
            if only_open {
                self.kill_while_opening()?;
                // The next ones find what these left, unless somebody looks before.
                if self.random.percent(50) {
                    continue;
                }
            } else {
                self.kill_while_writing()?;
            }
            self.verify_all()?;
            if self.run.is_over() {
                break;
            }
        }
        self.verify_all()?;
        self.verify_erased()
    }

    /// Whoever opens the file finishes what was erased: no byte is left, whenever its writer was killed.
    fn verify_erased(&mut self) -> Result<()> {
        let store = open(&self.file())?;
        if let Scrubbed::Blocked = store.scrub()? {
            self.run.find(self.number, "nobody has the file open, and what was erased cannot go from it");
        }
        if let Some(since) = store.scrub_pending()? {
            self.run.find(self.number, format!("bytes wait to be erased since {since}"));
        }
        drop(store);
        let mut bytes = std::fs::read(self.file())?;
        // It is gone with the last who had the file open, unless that one was killed.
        bytes.extend(std::fs::read(beside(&self.file(), "-wal")).unwrap_or_default());
        for held in &self.scopes {
            for text in held.erased.iter().filter(|text| !held.room.records.iter().any(|record| record.text == **text))
            {
                self.run.count("erased texts looked for", 1);
                // What makes it this text is its beginning; the words behind it are in others too. With the first of them:
                // names of imports end like the beginning, and a row of number 58 behind one in an index is a colon.
                let words = text.split_once(": ").map_or("", |(_, words)| words);
                let first = words.split(' ').next().unwrap_or_default();
                let end = text.len() - words.len() + first.len();
                let own = text.get(..end).unwrap_or(text).as_bytes();
                if let Some(at) = bytes.windows(own.len()).position(|window| window == own) {
                    let kept = tempfile::Builder::new().prefix("mnemon-reliability-found-").tempdir()?.keep();
                    std::fs::write(kept.join("m.db"), &bytes)?;
                    let (user, kept) = (&held.user, kept.display());
                    self.run.find(
                        self.number,
                        format!(
                            "{user}: bytes of {text:?} are left at byte {at}; the file, its log behind it, is in {kept}"
                        ),
                    );
                }
            }
        }
        Ok(())
    }

    fn kill_while_opening(&mut self) -> Result<()> {
        let mut writers = (0..self.writers).map(|writer| self.start(writer, true)).collect::<Result<Vec<_>>>()?;
        for writer in &mut writers {
            let openings = 1 + self.random.below(3);
            writer.wait_until(|life| life.openings >= openings || life.failed.is_some())?;
            std::thread::sleep(Duration::from_micros(self.random.below(4_000)));
            writer.kill()?;
        }
        for writer in writers {
            let life = writer.end()?;
            self.heard(&life, "opening")?;
        }
        Ok(())
    }

    fn kill_while_writing(&mut self) -> Result<()> {
        let mut writers = Vec::new();
        for writer in 0..self.writers {
            writers.push(Some(self.start(writer, false)?));
        }
        // Some are killed while the others go on, and what they left is looked at meanwhile.
        for _ in 0..if self.writers > 1 { self.random.below(4) } else { 0 } {
            let number = self.random.index(self.writers);
            let Some(mut victim) = writers.get_mut(number).and_then(Option::take) else { continue };
            self.wait(&mut victim)?;
            victim.kill()?;
            self.lived(number, victim.end()?)?;
            self.verify(number..number + 1)?;
            let fresh = self.start(number, false)?;
            if let Some(place) = writers.get_mut(number) {
                *place = Some(fresh);
            }
        }
        let last = self.random.index(self.writers);
        if let Some(Some(writer)) = writers.get_mut(last) {
            self.wait(writer)?;
        }
        let mut writers: Vec<Writer> = writers.into_iter().flatten().collect();
        for writer in &mut writers {
            writer.kill()?;
        }
        for (number, writer) in writers.into_iter().enumerate() {
            self.lived(number, writer.end()?)?;
        }
        Ok(())
    }

    /// Waits for a moment to kill a writer at.
    fn wait(&mut self, writer: &mut Writer) -> Result<()> {
        let acknowledged = usize::try_from(self.random.below(40))?;
        writer.wait_until(|life| life.acknowledged() >= acknowledged || life.failed.is_some())?;
        std::thread::sleep(Duration::from_micros(self.random.below(3_000)));
        Ok(())
    }

    fn start(&mut self, writer: usize, only_open: bool) -> Result<Writer> {
        Writer::start(&Orders {
            file: self.file(),
            user: self.scopes.get(writer).map(|held| held.user.clone()).unwrap_or_default(),
            seed: self.random.next(),
            without_model: self.random.percent(30),
            boast: self.boast,
            only_open,
        })
    }

    fn heard(&self, life: &Life, when: &str) -> Result<()> {
        self.run.advance(1);
        self.run.count("kills", 1);
        self.run.count(&format!("kills while {when}"), 1);
        match &life.failed {
            Some(failed) => Err(failed.clone().into()),
            None => Ok(()),
        }
    }

    /// Takes into the model what a writer did.
    fn lived(&mut self, writer: usize, life: Life) -> Result<()> {
        let is_open = life.steps.last().is_some_and(|(_, done)| done.is_none());
        let when = if life.opened < life.openings {
            "opening"
        } else if is_open {
            "writing"
        } else {
            "between writes"
        };
        self.heard(&life, when)?;
        self.run.count("operations acknowledged", life.acknowledged() as u64);
        let saved = life.steps.iter().filter(|(_, done)| done.as_ref().is_some_and(|done| done.saved)).count();
        self.run.count("indexes saved", saved as u64);
        let Some(held) = self.scopes.get_mut(writer) else { return Ok(()) };
        if !held.open.is_empty() && !life.steps.is_empty() {
            // What was under way before is decided now, by what the new life began from.
            return Err("a writer began before it was seen what the one before it left".into());
        }
        for (operation, done) in life.steps {
            match done {
                Some(done) => {
                    if let Some(damage) = &done.damage {
                        self.run.find(self.number, format!("check, while others wrote: {damage}"));
                    }
                    if matches!(operation, Operation::Erase { .. } | Operation::EraseSession { .. }) {
                        let before = held.room.clone();
                        held.room.apply(&operation, Some(&done));
                        let there = |text: &String| held.room.records.iter().any(|record| record.text == *text);
                        let gone = before.records.into_iter().map(|record| record.text).filter(|text| !there(text));
                        held.erased.extend(gone);
                    } else {
                        held.room.apply(&operation, Some(&done));
                    }
                }
                None => held.open.push(operation),
            }
        }
        Ok(())
    }

    fn verify_all(&mut self) -> Result<()> {
        self.verify(0..self.scopes.len())?;
        if self.random.percent(25) {
            self.ask()?;
        }
        let store = open(&self.file())?;
        let damage = store.check()?;
        self.run.count("files checked", 1);
        if !damage.is_empty() {
            self.run.find(self.number, format!("check: {damage:?}"));
        }
        self.verify_copies()
    }

    /// A copy is there as a whole or not at all, whenever its writer was killed.
    fn verify_copies(&self) -> Result<()> {
        for held in &self.scopes {
            let copy = backup_of(&self.file(), &Scope::user_scope(&held.user)?);
            if !copy.exists() {
                continue;
            }
            let damage = open(&copy)?.check()?;
            self.run.count("copies checked", 1);
            if !damage.is_empty() {
                self.run.find(self.number, format!("check of a copy: {damage:?}"));
            }
        }
        Ok(())
    }

    /// Compares scopes with the model. What was under way is there as a whole or not at all.
    fn verify(&mut self, which: std::ops::Range<usize>) -> Result<()> {
        if std::mem::take(&mut self.is_old) {
            // What an older version stored is analysed when the engine opens the file.
            Actor::open(&self.file(), &Scope::default(), Opening { with_model: false, ..Opening::default() })?;
        }
        let store = open(&self.file())?;
        for held in self.scopes.get_mut(which).into_iter().flatten() {
            let (found, problems) = inspect::scope(&store, &Scope::user_scope(&held.user)?)?;
            self.run.count("memories compared", found.len() as u64);
            for problem in problems {
                self.run.find(self.number, format!("{}: {problem}", held.user));
            }
            let open = std::mem::take(&mut held.open);
            match held.room.settle(&open, &found) {
                Ok(settled) => {
                    for done in settled.done {
                        self.run.count(if done { "under way and done" } else { "under way and not done" }, 1);
                    }
                    held.room = settled.room;
                }
                Err(difference) => {
                    self.run.find(self.number, format!("{}: {difference}; under way: {}", held.user, names(&open)));
                    held.room = Room { records: found };
                }
            }
        }
        Ok(())
    }

    /// Texts that are stored are found by whoever comes next.
    fn ask(&mut self) -> Result<()> {
        let Some(held) = self.scopes.first() else { return Ok(()) };
        let with_model = self.random.percent(70);
        let actor =
            Actor::open(&self.file(), &Scope::user_scope(&held.user)?, Opening { with_model, ..Opening::default() })?;
        for _ in 0..3 {
            let Some(record) = self.random.choose(&held.room.records) else { break };
            if record.ended || record.expired {
                continue;
            }
            let recall = actor.memory().query_memory(record.text.as_str(), 10)?;
            self.run.count("questions asked", 1);
            if !recall.hits.iter().any(|hit| Some(hit.memory.id) == record.id) {
                self.run.find(self.number, format!("{}: {:?} is stored and not found", held.user, record.text));
            }
        }
        Ok(())
    }
}

fn names(operations: &[Operation]) -> String {
    let short = |operation| format!("{operation:?}").chars().take(80).collect::<String>();
    operations.iter().map(short).collect::<Vec<_>>().join(", ")
}

fn open(path: &Path) -> Result<Store> {
    let mut options = StoreOptions::default();
    options.busy_timeout = Duration::from_secs(120);
    Ok(Store::open(path, options)?)
}
