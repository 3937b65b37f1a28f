//! Power that fails: what SQLite writes is recorded, and images are built of what a disk may hold at any moment of it.

mod disk;

use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::Mutex;

use mnemon::{Durability, Scope};
use mnemon_store::{Store, StoreOptions};
use rusqlite::Connection;

use crate::actor::{Actor, Opening};
use crate::kill::old_schema;
use crate::operation::{Author, Operation};
use crate::random::Random;
use crate::report::{Plan, Report, Run, chain};
use crate::room::Room;
use crate::vfs::{self, Event, Monitor, Recording};
use crate::{Result, inspect, scratch};
pub(crate) use disk::{Disk, Image};

const FILE: &str = "m.db";
const USER: &str = "power";
/// Images of one recording.
const IMAGES: usize = 250;

/// When what was written is on the disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Synchronous {
    /// When an operation returns: nothing that was acknowledged may be lost.
    Full,
    /// At checkpoints: the last operations may be lost, and the file stays sound.
    Normal,
    /// Never: the disk says that it has synced, and has not. Losses must be found, or the harness is blind.
    Off,
}

impl FromStr for Synchronous {
    type Err = String;

    fn from_str(word: &str) -> Result<Self, String> {
        match word {
            "full" => Ok(Self::Full),
            "normal" => Ok(Self::Normal),
            "off" => Ok(Self::Off),
            _ => Err(format!("expected full, normal or off, got {word:?}")),
        }
    }
}

/// Lets the power fail as the plan says. It counts images.
///
/// # Errors
/// When files of its own cannot be made.
pub fn run(plan: Plan, synchronous: Synchronous) -> Result<Report> {
    let word = format!("{synchronous:?}").to_lowercase();
    let run = Run::new(format!("power --synchronous {word}"), plan);
    // One is recorded at a time, while the images of others are looked at.
    let recorder = Mutex::new(());
    run.rounds(|number| {
        let mut random = Random::of(run.plan.seed, number);
        let story = {
            let _one = recorder.lock();
            Story::record(&mut random, synchronous)?
        };
        run.count("recordings", 1);
        run.count("operations acknowledged", story.rooms.len() as u64 - 1);
        run.count("calls recorded", story.events.len() as u64);
        story.play(&run, number, &mut random, synchronous)
    });
    Ok(run.finish())
}

/// A number that marks the beginning of an operation is twice its number, the end one more.
struct Story {
    before: Option<Vec<u8>>,
    events: Vec<Event>,
    operations: Vec<Operation>,
    /// After each operation: what was noted of the end of the change log, which no sync waits for.
    notes: Vec<Vec<u8>>,
    /// The scope before each operation and after the last.
    rooms: Vec<Room>,
}

impl Story {
    fn record(random: &mut Random, synchronous: Synchronous) -> Result<Self> {
        let folder = scratch::folder()?;
        let file = folder.path().join(FILE);
        let mut room = Room::default();
        let mut before = None;
        if random.percent(20) {
            room = old_schema(&file, 1 + random.index(3), USER, random)?;
            before = Some(std::fs::read(&file)?);
        }
        let recording = Recording { ignore_sync: synchronous == Synchronous::Off, ..Recording::default() };
        vfs::watch(folder.path(), Monitor::Record(recording))?;
        let mut story =
            Self { before, events: Vec::new(), operations: Vec::new(), notes: Vec::new(), rooms: vec![room] };
        let done = story.act(&file, random, synchronous);
        let monitor = vfs::unwatch();
        done?;
        match monitor {
            Monitor::Record(recording) => story.events = recording.events,
            _ => return Err("what was written was not recorded".into()),
        }
        Ok(story)
    }

    fn act(&mut self, file: &Path, random: &mut Random, synchronous: Synchronous) -> Result<()> {
        let durability = if synchronous == Synchronous::Normal { Durability::Normal } else { Durability::Full };
        for life in 0..1 + random.below(3) {
            let with_model = random.percent(70);
            let opening = Opening { with_model, durability, ..Opening::default() };
            let actor = Actor::open(file, &Scope::user_scope(USER)?, opening)?;
            // Somebody else who moves the log into the file.
            let other = Connection::open(file)?;
            let mut known = actor.ids()?;
            let mut author = Author::new(format!("life {life}"), random.clone());
            for _ in 0..5 + random.below(40) {
                let operation = author.next(&known);
                let number = self.operations.len();
                let mut room = self.rooms.last().cloned().unwrap_or_default();
                mark(2 * number);
                let done = actor.run(&operation)?;
                mark(2 * number + 1);
                self.notes.push(std::fs::read(scratch::beside(file, "-head")).unwrap_or_default());
                room.apply(&operation, Some(&done));
                match &operation {
                    Operation::Delete { id } => known.retain(|known| known != id),
                    Operation::Clear => known.clear(),
                    _ => known.extend(&done.ids),
                }
                self.operations.push(operation);
                self.rooms.push(room);
                if random.percent(8) {
                    let how = ["PASSIVE", "FULL", "RESTART", "TRUNCATE"];
                    let how = random.choose(&how).copied().unwrap_or("PASSIVE");
                    other.query_row(&format!("PRAGMA wal_checkpoint({how})"), [], |_| Ok(()))?;
                }
            }
        }
        Ok(())
    }

    fn play(&self, run: &Run, number: u64, random: &mut Random, synchronous: Synchronous) -> Result<()> {
        let mut cuts: Vec<usize> = (0..IMAGES).map(|_| random.index(self.events.len() + 1)).collect();
        cuts.sort_unstable();
        let mut cuts = cuts.into_iter().peekable();
        let mut disk = Disk::with(self.before.iter().map(|bytes| (FILE.to_owned(), bytes.clone())));
        let (mut begun, mut acknowledged) = (0, 0);
        let folder = scratch::folder()?;
        for (place, event) in self.events.iter().map(Some).chain([None]).enumerate() {
            while cuts.next_if_eq(&place).is_some() {
                if run.is_over() {
                    return Ok(());
                }
                let image = disk.fail(random);
                let inside = folder.path().join("image");
                std::fs::create_dir(&inside)?;
                disk::write(&image, &inside)?;
                if let Err(what) = self.verify(run, &inside, acknowledged, begun, synchronous) {
                    let cut = format!("cut before call {place}, {acknowledged} operations acknowledged");
                    // Those that must be found are of no interest.
                    let kept = match synchronous {
                        Synchronous::Off => String::new(),
                        _ => format!("; the image is in {}", keep(&image)?.display()),
                    };
                    run.find(number, format!("{what}; {cut}{kept}"));
                }
                std::fs::remove_dir_all(&inside)?;
                run.count("images", 1);
                run.advance(1);
            }
            match event {
                Some(Event::Mark(mark)) if mark % 2 == 0 => begun = mark / 2 + 1,
                Some(Event::Mark(mark)) => acknowledged = mark / 2 + 1,
                Some(event) => disk.happen(event),
                None => {}
            }
        }
        Ok(())
    }

    /// Opens an image and compares it with what was acknowledged.
    fn verify(
        &self,
        run: &Run,
        folder: &Path,
        acknowledged: usize,
        begun: usize,
        synchronous: Synchronous,
    ) -> Result<(), String> {
        let file = folder.join(FILE);
        // The newest that was written may be on the disk, whatever else is not.
        if let Some(notes) = acknowledged.checked_sub(1).and_then(|last| self.notes.get(last)) {
            std::fs::write(scratch::beside(&file, "-head"), notes).map_err(|error| error.to_string())?;
        }
        let scope = Scope::user_scope(USER).map_err(|error| error.to_string())?;
        if self.before.is_some() {
            let opening = Opening { with_model: false, ..Opening::default() };
            Actor::open(&file, &Scope::default(), opening).map_err(|error| format!("opening: {}", chain(&error)))?;
        }
        let store =
            Store::open(&file, StoreOptions::default()).map_err(|error| format!("opening: {}", chain(&error)))?;
        if let Some(rollback) = store.rollback() {
            run.count("images that say that they are older", 1);
            if synchronous == Synchronous::Full {
                return Err(rollback.to_string());
            }
        }
        let mut damage = store.check().map_err(|error| format!("check: {}", chain(&error)))?;
        damage.retain(|damage| damage.part != "history");
        if !damage.is_empty() {
            return Err(format!("check: {damage:?}"));
        }
        let (found, problems) =
            inspect::scope(&store, &scope).map_err(|error| format!("reading: {}", chain(&error)))?;
        if let Some(problem) = problems.first() {
            return Err(problem.clone());
        }
        run.count("memories compared", found.len() as u64);
        let open = self.operations.get(acknowledged..begun).unwrap_or_default();
        let settle =
            |room: Option<&Room>, open: &[Operation]| room.ok_or("there is no such state")?.settle(open, &found);
        match settle(self.rooms.get(acknowledged), open) {
            Ok(settled) => {
                for done in settled.done {
                    run.count(if done { "under way and done" } else { "under way and not done" }, 1);
                }
                Ok(())
            }
            Err(difference) if synchronous == Synchronous::Normal => {
                // An earlier state, as a whole; some operations are several transactions.
                let next = |number| self.operations.get(number..number + 1).unwrap_or_default();
                let earlier =
                    (0..acknowledged).rev().any(|number| settle(self.rooms.get(number), next(number)).is_ok());
                run.count("images of an earlier state", u64::from(earlier));
                if earlier { Ok(()) } else { Err(difference) }
            }
            Err(difference) => Err(difference),
        }
    }
}

fn mark(mark: usize) {
    vfs::with(|monitor| {
        if let Monitor::Record(recording) = monitor {
            recording.push(Event::Mark(mark));
        }
    });
}

/// Keeps an image for who wants to look at it.
fn keep(image: &Image) -> Result<PathBuf, Box<dyn std::error::Error + Send + Sync>> {
    let kept = tempfile::Builder::new().prefix("mnemon-reliability-found-").tempdir()?.keep();
    disk::write(image, &kept)?;
    Ok(kept)
}
