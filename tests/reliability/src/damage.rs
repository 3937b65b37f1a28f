//! Bytes that change where they lie: in the file, in its log, in what was saved of an index.

use std::collections::BTreeSet;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use mnemon::{Error, ListFilter, Memory, NewMemory, Scope};
use mnemon_store::{Store, StoreOptions};
use rusqlite::{Connection, params};
use serde::{Deserialize, Serialize};

use crate::actor::{Actor, MARK, Opening};
use crate::kill::{LARGE_USER, large};
use crate::operation::Author;
use crate::power::Disk;
use crate::random::Random;
use crate::report::{Plan, Report, Run, chain};
use crate::scratch::beside;
use crate::supervise::{Teller, supervise};
use crate::vfs::{self, Monitor, Recording};
use crate::{Result, scratch};

const USER: &str = "damage";
/// Cases of one process.
const CASES: u64 = 50;
const PAGE: usize = 4096;
/// Questions whose answers are known.
const QUESTIONS: usize = 12;
const ANSWERS: usize = 5;

/// Damages files as the plan says. It counts files that were damaged.
///
/// # Errors
/// When files of its own cannot be made.
pub fn run(plan: Plan) -> Result<Report> {
    let folder = scratch::folder()?;
    let run = Run::new("damage", plan);
    let (logged, closed) = small(&mut Random::new(run.plan.seed))?;
    let originals = [logged, closed, saved(&mut Random::new(run.plan.seed))?];
    for (number, original) in originals.iter().enumerate() {
        std::fs::write(folder.path().join(format!("original {number}")), serde_json::to_vec(original)?)?;
    }
    run.rounds(|number| {
        let folder = folder.path().to_string_lossy().into_owned();
        supervise(&run, number, &["damage-cases".into(), folder, run.plan.seed.to_string(), number.to_string()])
    });
    Ok(run.finish())
}

/// Files before they are damaged, and what was ever written to them.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Original {
    user: String,
    file: Vec<u8>,
    log: Vec<u8>,
    /// The file beside it that notes the end of the change log, as it was when all was written.
    notes: Vec<u8>,
    /// The end of the change log.
    head: i64,
    /// Every memory as it was at any time.
    known: BTreeSet<String>,
    /// How many there are.
    memories: usize,
    /// Every state of the scope that there was, as hashes.
    states: BTreeSet<u64>,
    /// Questions with the ids that answer them, the best first.
    answers: Vec<(String, Vec<String>)>,
}

/// A file that is open, so that a part of it is in the log; and the same when it was closed.
fn small(random: &mut Random) -> Result<(Original, Original)> {
    let folder = scratch::folder()?;
    let file = folder.path().join("m.db");
    vfs::watch(folder.path(), Monitor::Record(Recording::default()))?;
    let actor = Actor::open(&file, &Scope::user_scope(USER)?, Opening::default())?;
    let mut author = Author::new("damage", random.clone());
    let (mut known, mut memories) = (BTreeSet::new(), Vec::new());
    let mut states = BTreeSet::from([state(&memories)]);
    for number in 0..120 {
        let ids: Vec<_> = memories.iter().map(|memory: &Memory| memory.id).collect();
        actor.run(&author.next(&ids))?;
        memories = all(&actor)?;
        known.extend(memories.iter().map(key));
        states.insert(state(&memories));
        if number == 80 {
            let other = Connection::open(&file)?;
            other.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))?;
        }
    }
    let answers = answers(&actor, &memories, random)?;
    let Monitor::Record(recording) = vfs::unwatch() else { return Err("nothing was recorded".into()) };
    let mut disk = Disk::default();
    recording.events.iter().for_each(|event| disk.happen(event));
    let mut image = disk.now();
    let mut take = |name: &str| -> Result<Vec<u8>> {
        let found = image.iter_mut().find(|(there, _)| there == name);
        found.map(|(_, bytes)| std::mem::take(bytes)).ok_or_else(|| format!("{name} was not recorded").into())
    };
    let (bytes, log) = (take("m.db")?, take("m.db-wal")?);
    let (notes, head) = (std::fs::read(beside(&file, "-head"))?, head(&file)?);
    drop(actor);
    let closed = std::fs::read(&file)?;
    let (user, memories) = (USER.into(), memories.len());
    let logged = Original { user, file: bytes, log, notes, head, known, memories, states, answers };
    let closed = Original { file: closed, log: Vec::new(), ..logged.clone() };
    Ok((logged, closed))
}

/// A file with an index that was saved.
fn saved(random: &mut Random) -> Result<Original> {
    let folder = scratch::folder()?;
    let file = folder.path().join("m.db");
    large(&file)?;
    let actor = Actor::open(&file, &Scope::user_scope(LARGE_USER)?, Opening::default())?;
    let memories = all(&actor)?;
    let answers = answers(&actor, &memories, random)?;
    drop(actor);
    let (known, states) = (memories.iter().map(key).collect(), BTreeSet::from([state(&memories)]));
    let (user, log) = (LARGE_USER.into(), Vec::new());
    let (notes, head) = (std::fs::read(beside(&file, "-head"))?, head(&file)?);
    let (file, memories) = (std::fs::read(&file)?, memories.len());
    Ok(Original { user, file, log, notes, head, known, memories, states, answers })
}

fn head(file: &Path) -> Result<i64> {
    Ok(Store::open(file, StoreOptions::default())?.read(|snapshot| snapshot.head())?.seq)
}

fn all(actor: &Actor) -> Result<Vec<Memory>, Error> {
    actor.memory().list(&ListFilter { limit: usize::MAX, ..ListFilter::default() })
}

fn answers(actor: &Actor, memories: &[Memory], random: &mut Random) -> Result<Vec<(String, Vec<String>)>> {
    let mut answers = Vec::new();
    for _ in 0..QUESTIONS {
        let Some(memory) = random.choose(memories) else { break };
        let recall = actor.memory().query_memory(memory.text.as_str(), ANSWERS)?;
        answers.push((memory.text.clone(), recall.hits.iter().map(|hit| hit.memory.id.to_string()).collect()));
    }
    Ok(answers)
}

/// All of a memory that was ever written by somebody.
fn key(memory: &Memory) -> String {
    let role = memory.turn.as_ref().map(|turn| turn.role);
    let mark = memory.metadata.get(MARK).and_then(serde_json::Value::as_u64);
    format!("{} {} {role:?} {mark:?} {} {:?}", memory.id, memory.kind, memory.pinned, memory.text)
}

fn state(memories: &[Memory]) -> u64 {
    let mut hasher = DefaultHasher::new();
    memories.iter().for_each(|memory| key(memory).hash(&mut hasher));
    hasher.finish()
}

/// What is damaged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Target {
    File,
    Log,
    Index,
}

/// How.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum How {
    Flipped,
    Zeroed,
    Cut,
    Swapped,
    Noise,
}

impl How {
    const ALL: [Self; 5] = [Self::Flipped, Self::Zeroed, Self::Cut, Self::Swapped, Self::Noise];

    fn damage(self, bytes: &mut Vec<u8>, random: &mut Random) {
        let pages = bytes.len().div_ceil(PAGE);
        let page = random.index(pages) * PAGE;
        match self {
            Self::Flipped => {
                for _ in 0..1 + random.below(8) {
                    let place = random.index(bytes.len());
                    let bit = 1 << random.below(8);
                    bytes.iter_mut().skip(place).take(1).for_each(|byte| *byte ^= bit);
                }
            }
            Self::Zeroed => bytes.iter_mut().skip(page).take(PAGE).for_each(|byte| *byte = 0),
            Self::Cut => {
                let length = random.index(bytes.len() + 1);
                bytes.truncate(length);
            }
            Self::Swapped => {
                let other = random.index(pages) * PAGE;
                for at in 0..PAGE {
                    if page.max(other) + at < bytes.len() {
                        bytes.swap(page + at, other + at);
                    }
                }
            }
            Self::Noise => {
                let (place, length) = (random.index(bytes.len()), 1 + random.index(600));
                bytes.iter_mut().skip(place).take(length).for_each(|byte| *byte = random.below(256) as u8);
            }
        }
    }
}

/// The cases of one round, in the process that [`run`] starts for them.
///
/// # Errors
/// When something of its own fails.
pub fn cases(folder: &Path, seed: u64, round: u64) -> Result<()> {
    let mut teller = Teller::default();
    let read = |number| -> Result<Original> {
        Ok(serde_json::from_slice(&std::fs::read(folder.join(format!("original {number}")))?)?)
    };
    let (logged, closed, saved) = (read(0)?, read(1)?, read(2)?);
    let mut random = Random::of(seed, round);
    let own = scratch::folder()?;
    let file = own.path().join("m.db");
    for number in 0..CASES {
        let target = match random.below(3) {
            0 => Target::File,
            1 => Target::Log,
            _ => Target::Index,
        };
        let how = random.choose(&How::ALL).copied().unwrap_or(How::Flipped);
        let original = match target {
            Target::Log => &logged,
            Target::Index => &saved,
            // What is in the log too is not read from the file.
            Target::File => random.choose(&[&closed, &closed, &logged, &saved]).copied().unwrap_or(&closed),
        };
        teller.begin(format!("case {number}: {target:?} {how:?}"))?;
        make(original, target, how, &file, &mut random)?;
        match catch_unwind(AssertUnwindSafe(|| read_everything(&teller, original, target, &file))) {
            Ok(read) => read?,
            Err(_) => teller.find("a panic")?,
        }
        teller.count(&format!("damaged: {target:?}"), 1)?;
        teller.done(1)?;
        scratch::remove(&file)?;
    }
    Ok(())
}

fn make(original: &Original, target: Target, how: How, file: &Path, random: &mut Random) -> Result<()> {
    let (mut bytes, mut log) = (original.file.clone(), original.log.clone());
    match target {
        Target::File => how.damage(&mut bytes, random),
        Target::Log => how.damage(&mut log, random),
        Target::Index => {}
    }
    std::fs::write(file, bytes)?;
    if !original.log.is_empty() {
        std::fs::write(beside(file, "-wal"), log)?;
    }
    std::fs::write(beside(file, "-head"), &original.notes)?;
    if target == Target::Index {
        let conn = Connection::open(file)?;
        let parts: Vec<i64> = conn
            .prepare("SELECT id FROM saved_part ORDER BY id")?
            .query_map([], |row| row.get(0))?
            .collect::<Result<_, _>>()?;
        let part = random.choose(&parts).copied().ok_or("no index was saved")?;
        let mut bytes: Vec<u8> =
            conn.query_row("SELECT data FROM saved_part WHERE id = ?1", [part], |row| row.get(0))?;
        how.damage(&mut bytes, random);
        conn.execute("UPDATE saved_part SET data = ?2 WHERE id = ?1", params![part, bytes])?;
    }
    Ok(())
}

fn read_everything(teller: &Teller, original: &Original, target: Target, file: &Path) -> Result<()> {
    let name = |what: &str| format!("{target:?}: {what}");
    let actor = match Actor::open(
        file,
        &Scope::user_scope(&original.user)?,
        Opening { busy_timeout_ms: 3_000, ..Opening::default() },
    ) {
        Ok(actor) => actor,
        Err(error) => {
            teller.count(&name("refused at opening"), 1)?;
            return judge(teller, &error);
        }
    };
    let memory = actor.memory();
    let (mut wrong, mut failed, mut differs) = (Vec::new(), false, false);
    let mut seen = |memory: &Memory| {
        if !original.known.contains(&key(memory)) {
            wrong.push(key(memory));
        }
    };
    match all(&actor) {
        Ok(listed) => {
            listed.iter().for_each(&mut seen);
            differs |= listed.len() != original.memories;
            // What is left of a log is a beginning of it.
            if target != Target::File && !original.states.contains(&state(&listed)) {
                teller.find(format!("{} memories, a state that never was", listed.len()))?;
            }
        }
        Err(error) => {
            failed = true;
            judge(teller, &error)?;
        }
    }
    for (question, expected) in &original.answers {
        match memory.query_memory(question.as_str(), ANSWERS) {
            Ok(recall) => {
                recall.hits.iter().for_each(|hit| seen(&hit.memory));
                let ids: Vec<String> = recall.hits.iter().map(|hit| hit.memory.id.to_string()).collect();
                if ids != *expected {
                    differs = true;
                    if target == Target::Index {
                        teller.find(format!("{question:?} is answered by {ids:?} instead of {expected:?}"))?;
                    }
                }
            }
            Err(error) => {
                failed = true;
                judge(teller, &error)?;
            }
        }
    }
    let others = [
        memory.build_context("What is there?").map(|_| ()),
        memory.get_stats().map(|_| ()),
        memory.sessions().map(|_| ()),
        memory.scopes().map(|_| ()),
    ];
    for error in others.into_iter().filter_map(Result::err) {
        failed = true;
        judge(teller, &error)?;
    }
    rolled_back(teller, original, target, file)?;
    let noticed = match memory.check() {
        Ok(damage) => !damage.is_empty(),
        Err(error) => {
            judge(teller, &error)?;
            true
        }
    };
    // Writing to it ends well or with an error, too.
    for result in [
        memory.add(&[NewMemory::new(mnemon::Kind::Note, "afterwards")]).map(|_| ()),
        memory.maintain(&mut |_| true).map(|_| ()),
    ] {
        if let Err(error) = result {
            judge(teller, &error)?;
        }
    }
    let outcome = match (failed, differs, noticed) {
        (true, ..) => "some reads failed with an error",
        (false, true, true) => "something is missing and check says so",
        (false, true, false) => "something is missing and check does not know",
        (false, false, true) => "nothing is missing and check found the damage",
        (false, false, false) => "nothing is missing and check found nothing",
    };
    teller.count(&name(outcome), 1)?;
    if let Some(first) = wrong.first() {
        teller.count(&name("files with rows that nobody wrote"), 1)?;
        teller.count(&name("files with such rows of which check does not know"), u64::from(!noticed))?;
        teller.find(format!("{} rows that nobody wrote, such as {first}", wrong.len()))?;
    }
    Ok(())
}

/// A file whose log ends before the last change that was acknowledged says so, and no other does. A page of the file itself that
/// is damaged may be one of the change log.
fn rolled_back(teller: &Teller, original: &Original, target: Target, file: &Path) -> Result<()> {
    let Ok(store) = Store::open(file, StoreOptions::default()) else { return Ok(()) };
    let Ok(head) = store.read(|snapshot| snapshot.head()) else { return Ok(()) };
    let is_older = head.seq < original.head;
    match (is_older, store.rollback()) {
        (true, Some(_)) => teller.count(&format!("{target:?}: older than acknowledged, and says so"), 1)?,
        (true, None) => {
            teller.find(format!("change {} instead of {}, and it does not say so", head.seq, original.head))?
        }
        (false, Some(rollback)) if target != Target::File => teller.find(format!("a false alarm: {rollback}"))?,
        (false, _) => {}
    }
    Ok(())
}

/// Errors say that the file is damaged.
fn judge(teller: &Teller, error: &Error) -> Result<()> {
    use mnemon::StoreError as E;
    let kind = match error {
        Error::Store(E::Corrupt(_)) => "damaged",
        Error::Store(E::NotADatabase { .. }) => "not a database",
        Error::Store(E::BadRow { .. }) => "bad row",
        Error::Store(E::NotMnemon { .. }) => "of another program",
        Error::Store(E::Newer { .. }) => "newer",
        Error::Store(E::Older { .. }) => "older",
        Error::Store(E::Io(_)) => "reading or writing failed",
        Error::Store(E::CannotOpen { .. }) => "cannot open",
        Error::Store(E::Migration(_)) => "migration",
        Error::Store(E::Sqlite(_)) => "any other failure of SQLite",
        Error::Store(E::Full) => "full",
        Error::Store(E::OutOfMemory(_)) => "no memory",
        Error::Store(E::Busy { .. }) => "busy",
        Error::LongTerm(_) => "long-term memory",
        _ => "another error",
    };
    teller.count(&format!("errors: {kind}"), 1)?;
    // The lock is free and the disk has room; and what is damaged is no failure of another kind.
    if matches!(kind, "full" | "busy" | "any other failure of SQLite") {
        teller.find(format!("damage gave {kind:?}: {}", chain(error)))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_damage_changes_bytes_and_none_needs_any() {
        for how in How::ALL {
            let mut random = Random::new(9);
            let before: Vec<u8> = (0..5 * PAGE + 17).map(|place| (place / 7) as u8 | 1).collect();
            let differs = (0..20).filter(|_| {
                let mut bytes = before.clone();
                how.damage(&mut bytes, &mut random);
                assert!(bytes.len() <= before.len());
                bytes != before
            });
            assert!(differs.count() >= 10, "{how:?}");
            how.damage(&mut Vec::new(), &mut random);
        }
    }
}
