//! Calls on files that fail: once or for ever, of every kind, at every place.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use mnemon::{Error, MemoryId, Scope, StoreError};
use mnemon_store::{Store, StoreOptions};

use crate::actor::{Actor, Opening};
use crate::kill::old_schema;
use crate::operation::{Author, Operation};
use crate::random::Random;
use crate::report::{Plan, Report, Run, chain};
use crate::room::Room;
use crate::supervise::{Teller, supervise};
use crate::vfs::{self, Call, Fault, Faults, Monitor};
use crate::{Result, inspect, scratch};

const USER: &str = "faults";
/// Cases of one process.
const CASES: u64 = 40;
/// Operations that fail in one case before the fault goes.
const ENOUGH_FAILURES: usize = 3;

/// Injects faults as the plan says. It counts cases in which a fault was met.
///
/// # Errors
/// When a process cannot be started.
pub fn run(plan: Plan) -> Result<Report> {
    let run = Run::new("faults", plan);
    run.rounds(|number| {
        let seed = run.plan.seed.to_string();
        supervise(&run, number, &["fault-cases".into(), seed, number.to_string()])
    });
    Ok(run.finish())
}

/// The cases of one round, in the process that [`run`] starts for them.
///
/// # Errors
/// When something of its own fails.
pub fn cases(seed: u64, round: u64) -> Result<()> {
    let mut teller = Teller::default();
    let folder = scratch::folder()?;
    let template = folder.path().join("template.db");
    let mut random = Random::of(seed, round);
    let known = make_template(&template, &mut random)?;
    for number in 0..CASES {
        let case = Case::think(&mut random, number);
        // First without a fault, which tells how many calls there are.
        let file = folder.path().join("m.db");
        let (before, bytes) = case.ground(&template, &known, &file)?;
        let calls = case.count(&file, &folder)?;
        scratch::remove(&file)?;
        let Some(total) = calls.filter(|total| *total > 0) else { continue };
        std::fs::write(&file, bytes)?;
        let at = 1 + random.below(total);
        teller.begin(format!("{} (call {at} of {total})", case.name()))?;
        let outcome = catch_unwind(AssertUnwindSafe(|| case.play(&teller, before, &file, &folder, at)));
        vfs::unwatch();
        match outcome {
            Ok(played) => played?,
            Err(_) => teller.find("a panic")?,
        }
        teller.done(1)?;
        scratch::remove(&file)?;
    }
    Ok(())
}

fn make_template(file: &Path, random: &mut Random) -> Result<Room> {
    let actor = Actor::open(file, &Scope::user_scope(USER)?, Opening::default())?;
    let mut author = Author::new("template", random.clone());
    let (mut room, mut known) = (Room::default(), Vec::new());
    for _ in 0..30 {
        let operation = author.next(&known);
        let done = actor.run(&operation)?;
        room.apply(&operation, Some(&done));
        known = actor.ids()?;
    }
    Ok(room)
}

/// What a file is when the fault waits for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ground {
    New,
    Used,
    Old(usize),
}

struct Case {
    number: u64,
    ground: Ground,
    fault: Fault,
    for_ever: bool,
    /// Whether the file is closed while the fault lasts.
    closes: bool,
    seed: u64,
}

/// What a script came to.
struct Played {
    room: Room,
    /// Operations that failed and may have been done nevertheless.
    open: Vec<Operation>,
    actor: Option<Actor>,
    author: Author,
}

impl Case {
    fn think(random: &mut Random, number: u64) -> Self {
        let ground = match random.below(10) {
            0..=1 => Ground::New,
            2 => Ground::Old(1 + random.index(3)),
            _ => Ground::Used,
        };
        let [first, ..] = Fault::ALL;
        let fault = random.choose(&Fault::ALL).copied().unwrap_or(first);
        Self { number, ground, fault, for_ever: random.percent(50), closes: random.percent(30), seed: random.next() }
    }

    fn name(&self) -> String {
        let how = if self.for_ever { "for ever" } else { "once" };
        format!(
            "case {}: {} {how}, {:?} file{}",
            self.number,
            self.fault.name,
            self.ground,
            if self.closes { ", closed" } else { "" }
        )
    }

    /// Makes the file. Returns what it holds, and its bytes.
    fn ground(&self, template: &Path, known: &Room, file: &Path) -> Result<(Room, Vec<u8>)> {
        let room = match self.ground {
            Ground::New => Room::default(),
            Ground::Used => {
                std::fs::copy(template, file)?;
                known.clone()
            }
            Ground::Old(version) => old_schema(file, version, USER, &mut Random::new(self.seed))?,
        };
        let bytes = if self.ground == Ground::New { Vec::new() } else { std::fs::read(file)? };
        Ok((room, bytes))
    }

    fn count(&self, file: &Path, folder: &tempfile::TempDir) -> Result<Option<u64>> {
        let played = self.script(&Teller::default(), Room::default(), file, (folder.path(), Faults::default()));
        let mut played = played?;
        if self.closes {
            played.actor = None;
        }
        Ok(match vfs::unwatch() {
            Monitor::Fail(faults) => faults.calls.get(&self.fault.call).copied(),
            _ => None,
        })
    }

    /// SQLite takes zeros for what a read did not give, and what it read that way it may write. No file system reads short
    /// in the middle of a file, so only questions meet it, on a file that is open.
    fn reads_only(&self) -> bool {
        self.fault.name == "short read"
    }

    fn opening() -> Opening {
        Opening { busy_timeout_ms: 3_000, ..Opening::default() }
    }

    /// Opens the file and writes, reading between, until enough has failed.
    fn script(&self, teller: &Teller, room: Room, file: &Path, watched: (&Path, Faults)) -> Result<Played> {
        let (folder, faults) = watched;
        let monitor = Monitor::Fail(faults);
        let reads_only = self.reads_only();
        let mut played = Played {
            room,
            open: Vec::new(),
            actor: None,
            author: Author::new(format!("case {}", self.number), Random::new(self.seed)),
        };
        let scope = Scope::user_scope(USER)?;
        let mut waiting = Some(monitor);
        if !reads_only {
            waiting.take().map_or(Ok(()), |monitor| vfs::watch(folder, monitor))?;
        }
        let actor = match Actor::open(file, &scope, Self::opening()) {
            Ok(actor) => actor,
            Err(error) => {
                self.judge(teller, &error, "opening")?;
                return Ok(played);
            }
        };
        let mut known: Vec<MemoryId> = played.room.records.iter().filter_map(|record| record.id).collect();
        if let Some(monitor) = waiting {
            vfs::watch(folder, monitor)?;
            for _ in 0..10 {
                self.read(teller, &actor, &mut played.author)?;
            }
            return Ok(played);
        }
        let truncates = self.fault.call == Call::Truncate;
        for _ in 0..10 {
            let operation = played.author.next(&known);
            match actor.run(&operation) {
                Ok(done) => {
                    played.room.apply(&operation, Some(&done));
                    match &operation {
                        Operation::Delete { id } => known.retain(|known| known != id),
                        Operation::Clear => known.clear(),
                        _ => known.extend(&done.ids),
                    }
                }
                Err(error) => {
                    self.judge(teller, &error, "writing")?;
                    played.open.push(operation);
                }
            }
            self.read(teller, &actor, &mut played.author)?;
            if truncates {
                // Somebody else moves the log into the file; it is not the engine's, so what it says does not matter.
                let other = rusqlite::Connection::open(file);
                let _ = other.map(|other| other.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(())));
            }
            // What failed may have been done. Nothing more is known until somebody looks, so nothing more is written.
            if !played.open.is_empty() {
                break;
            }
        }
        played.actor = Some(actor);
        Ok(played)
    }

    /// Reads go on whatever happens to writes.
    fn read(&self, teller: &Teller, actor: &Actor, author: &mut Author) -> Result<()> {
        let listed = actor.ids().map(|_| ());
        let asked = actor.memory().query_memory(author.text(), 5).map(|_| ());
        for read in [listed, asked] {
            if let Err(error) = read {
                self.judge(teller, &error, "reading")?;
                if matches!(self.fault.call, Call::Write | Call::Sync | Call::Truncate | Call::Delete) {
                    teller.find(format!("a read failed for a fault of writes: {}", chain(&error)))?;
                }
            }
        }
        Ok(())
    }

    /// An error is one of those that say what happened.
    fn judge(&self, teller: &Teller, error: &Error, when: &str) -> Result<()> {
        let kind = match error {
            Error::Store(StoreError::Full) => "full",
            Error::Store(StoreError::OutOfMemory(_)) => "no memory",
            Error::Store(StoreError::Io(_)) => "reading or writing failed",
            Error::Store(StoreError::CannotOpen { .. }) => "cannot open",
            Error::Store(StoreError::Corrupt(_)) => "damaged",
            Error::Store(StoreError::Busy { .. }) => "busy",
            Error::Store(StoreError::ReadOnly) => "read only",
            Error::Store(StoreError::NotADatabase { .. }) => "not a database",
            Error::Store(StoreError::BadRow { .. }) => "bad row",
            Error::Store(StoreError::Migration(_)) => "migration",
            Error::Store(StoreError::Sqlite(_)) => "any other failure of SQLite",
            _ => "another error",
        };
        teller.count(&format!("errors while {when}: {kind}"), 1)?;
        let expected: &[&str] = match self.fault.name {
            "full disk" | "disk that fills up" => &["full"],
            "open" => &["cannot open", "reading or writing failed"],
            "short read" => &["damaged", "not a database", "bad row", "reading or writing failed"],
            _ => &["reading or writing failed", "cannot open"],
        };
        if !expected.contains(&kind) {
            teller.find(format!("{when} gave {kind:?}, expected one of {expected:?}: {}", chain(error)))?;
        }
        Ok(())
    }

    fn play(&self, teller: &Teller, before: Room, file: &Path, folder: &tempfile::TempDir, at: u64) -> Result<()> {
        let faults = Faults { fault: Some(self.fault), at, for_ever: self.for_ever, ..Faults::default() };
        let mut played = self.script(teller, before, file, (folder.path(), faults))?;
        // Until now the fault may last; some close the file with it.
        let mut failures = played.open.len();
        while let Some(actor) = played.actor.as_ref().filter(|_| failures > 0 && failures < ENOUGH_FAILURES) {
            let operation = Operation::Begin;
            failures += 1;
            if let Err(error) = actor.run(&operation) {
                self.judge(teller, &error, "writing again")?;
            }
        }
        if self.closes || self.reads_only() {
            played.actor = None;
        }
        let injected = match vfs::unwatch() {
            Monitor::Fail(faults) => faults.injected,
            _ => 0,
        };
        teller.count("calls that failed", injected)?;
        teller.count(&format!("cases of: {}", self.fault.name), u64::from(injected > 0))?;

        // The fault is gone: everything works again, without opening the file anew.
        let scope = Scope::user_scope(USER)?;
        let Played { mut room, open, actor, mut author } = played;
        let mut open = open;
        if let Some(actor) = &actor {
            match inspect_live(file, &scope) {
                Ok(found) => match room.settle(&open, &found) {
                    Ok(settled) => {
                        for (done, operation) in settled.done.iter().zip(&open) {
                            teller.count(if *done { "failed and done" } else { "failed and not done" }, 1)?;
                            // What was stored before the failure stays; anything else is one transaction.
                            if *done && !matches!(operation, Operation::Import { .. }) {
                                teller.find(format!("it failed and was done nevertheless: {operation:?}"))?;
                            }
                        }
                        (room, open) = (settled.room, Vec::new());
                    }
                    Err(difference) => return teller.find(format!("after the fault: {difference}; failed: {open:?}")),
                },
                Err(error) => return teller.find(format!("after the fault the file cannot be read: {error}")),
            }
            for _ in 0..3 {
                let known = match actor.ids() {
                    Ok(known) => known,
                    Err(error) => return teller.find(format!("after the fault reading failed: {}", chain(&error))),
                };
                let operation = author.next(&known);
                match actor.run(&operation) {
                    Ok(done) => room.apply(&operation, Some(&done)),
                    Err(error) => {
                        return teller.find(format!("after the fault {operation:?} failed: {}", chain(&error)));
                    }
                }
            }
            if let Some(record) = room.records.last() {
                let found = actor.memory().query_memory(record.text.as_str(), 20)?;
                if !found.hits.iter().any(|hit| Some(hit.memory.id) == record.id) {
                    teller.find(format!("after the fault {:?} is stored and not found", record.text))?;
                }
            }
        }
        drop(actor);

        // And everything that was acknowledged is there.
        if let Err(error) = Actor::open(file, &scope, Self::opening()) {
            return teller.find(format!("opening after the fault: {}", chain(&error)));
        }
        let store = Store::open(file, StoreOptions::default())?;
        let damage = store.check()?;
        if !damage.is_empty() {
            teller.find(format!("check: {damage:?}"))?;
        }
        let (found, problems) = inspect::scope(&store, &scope)?;
        for problem in problems {
            teller.find(problem)?;
        }
        teller.count("memories compared", found.len() as u64)?;
        if let Err(difference) = room.settle(&open, &found) {
            teller.find(format!("at the end: {difference}; failed: {open:?}"))?;
        }
        Ok(())
    }
}

/// What the file holds, seen by another connection.
fn inspect_live(file: &Path, scope: &Scope) -> Result<Vec<crate::room::Record>> {
    let store = Store::open(file, StoreOptions::default())?;
    Ok(inspect::scope(&store, scope)?.0)
}
