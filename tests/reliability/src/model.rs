//! Long random orders of everything that the engine does, with nothing that goes wrong, against a model in memory.

use std::path::PathBuf;
use std::time::Duration;

use mnemon::{ContextManager, Durability, Existing, Scope};
use mnemon_store::{Scrubbed, Store, StoreOptions};

use crate::actor::{Actor, Opening};
use crate::operation::{Author, Operation};
use crate::random::Random;
use crate::report::{Plan, Report, Run, chain};
use crate::room::{Record, Room};
use crate::{Result, inspect, scratch};

/// Scopes of a file.
const SCOPES: usize = 3;
/// After so many operations at most every scope is compared with its model.
const COMPARE_EVERY: u64 = 8;

/// Plays files as the plan says. It counts operations.
///
/// # Errors
/// When files of its own cannot be made.
pub fn run(plan: Plan) -> Result<Report> {
    let run = Run::new("model", plan);
    run.rounds(|number| Round::new(&run, number)?.play());
    Ok(run.finish())
}

/// One file, from its first memory on, through reopenings and restored copies.
struct Round<'a> {
    run: &'a Run,
    number: u64,
    random: Random,
    folder: tempfile::TempDir,
    /// How often the file was replaced by a restored copy.
    copies: u64,
    scopes: Vec<Held>,
}

/// A scope with what it must hold.
struct Held {
    scope: Scope,
    author: Author,
    room: Room,
}

/// The file, open for every scope, and once more for those who only look.
struct Open {
    actors: Vec<Actor>,
    store: Store,
}

impl<'a> Round<'a> {
    fn new(run: &'a Run, number: u64) -> Result<Self> {
        let mut random = Random::of(run.plan.seed, number);
        // One of them is the unnamed one.
        let scopes = (0..SCOPES).map(|scope| -> Result<Held> {
            let name = if scope == 0 { Scope::default() } else { Scope::user_scope(format!("user {scope}"))? };
            let author = Author::new(format!("scope {scope}"), Random::new(random.next())).who_does_all();
            Ok(Held { scope: name, author, room: Room::default() })
        });
        let scopes = scopes.collect::<Result<Vec<_>>>()?;
        Ok(Self { run, number, random, folder: scratch::folder()?, copies: 0, scopes })
    }

    fn file(&self) -> PathBuf {
        self.folder.path().join(format!("m{}.db", self.copies))
    }

    fn play(mut self) -> Result<()> {
        let mut open = self.open()?;
        let operations = 200 + self.random.below(800);
        for number in 0..operations {
            match self.random.below(200) {
                0..=3 => {
                    drop(open);
                    open = self.open()?;
                    self.run.count("reopened", 1);
                }
                4 => {
                    drop(open);
                    self.restore()?;
                    open = self.open()?;
                }
                _ => self.operate(&open)?,
            }
            self.run.advance(1);
            let is_last = number + 1 == operations || self.run.is_over();
            if (is_last || self.random.below(COMPARE_EVERY) == 0) && !self.compare(&open)? {
                return Ok(());
            }
            if is_last {
                break;
            }
        }
        self.check(&open)
    }

    fn open(&mut self) -> Result<Open> {
        let file = self.file();
        let opening = Opening {
            with_model: self.random.percent(80),
            durability: if self.random.percent(50) { Durability::Full } else { Durability::Normal },
            ..Opening::default()
        };
        let actors = self.scopes.iter().map(|held| Actor::open(&file, &held.scope, opening));
        let actors = actors.collect::<Result<Vec<_>, _>>()?;
        let mut options = StoreOptions::default();
        options.busy_timeout = Duration::from_secs(120);
        Ok(Open { actors, store: Store::open(&file, options)? })
    }

    fn operate(&mut self, open: &Open) -> Result<()> {
        let number = self.random.index(self.scopes.len());
        let (Some(held), Some(actor)) = (self.scopes.get_mut(number), open.actors.get(number)) else { return Ok(()) };
        let known: Vec<_> = held.room.records.iter().filter_map(|record| record.id).collect();
        let operation = held.author.next(&known);
        let done = actor.run(&operation).map_err(|error| format!("{operation:?} failed: {}", chain(&error)))?;
        self.run.count(&format!("operations: {}", name(&operation)), 1);
        if let Some(damage) = &done.damage {
            self.run.find(self.number, format!("check: {damage}"));
        }
        for (kept, ended) in &done.merged {
            let record = |id| held.room.records.iter().find(|record| record.id == Some(id));
            let is_same = |(a, b): (&Record, &Record)| a.text == b.text && !b.ended && !b.pinned;
            if !record(*kept).zip(record(*ended)).is_some_and(is_same) {
                self.run.find(self.number, format!("{ended} was merged into {kept}, which says something else"));
            }
            self.run.count("memories merged", 1);
        }
        held.room.apply(&operation, Some(&done));
        if matches!(operation, Operation::Erase { .. } | Operation::EraseSession { .. }) {
            // Nobody reads an older state, so nothing keeps the bytes.
            if open.store.scrub_pending()?.is_some() {
                self.run.find(self.number, format!("{operation:?} left bytes in the file"));
            }
        }
        Ok(())
    }

    /// The file is copied, and the copy takes its place.
    fn restore(&mut self) -> Result<()> {
        let (from, backup) = (self.file(), self.folder.path().join("backup.db"));
        let memories: usize = self.scopes.iter().map(|held| held.room.records.len()).sum();
        let memory = ContextManager::builder().without_model().open(&from)?;
        let report = memory.backup(&backup, Existing::Replace, &mut |_| {})?;
        drop(memory);
        if report.memories != memories as u64 || report.damaged_memories != 0 {
            self.run.find(self.number, format!("a copy of {memories} memories has {report:?}"));
        }
        self.copies += 1;
        let restored = ContextManager::restore(&backup, self.file(), Existing::Refuse, &mut |_| {})?;
        if restored.uuid == report.uuid || restored.memories != report.memories {
            self.run.find(self.number, format!("{report:?} was restored as {restored:?}"));
        }
        self.run.count("copies restored", 1);
        scratch::remove(&from)
    }

    /// Whether every scope is what its model says.
    fn compare(&mut self, open: &Open) -> Result<bool> {
        let mut is_sound = true;
        for (held, actor) in self.scopes.iter_mut().zip(&open.actors) {
            let (found, problems) = inspect::scope(&open.store, &held.scope)?;
            self.run.count("memories compared", found.len() as u64);
            for problem in problems {
                self.run.find(self.number, format!("{}: {problem}", held.scope));
                is_sound = false;
            }
            if let Err(difference) = held.room.settle(&[], &found) {
                self.run.find(self.number, format!("{}: {difference}", held.scope));
                is_sound = false;
            }
            let Some(record) = self.random.choose(&held.room.records) else { continue };
            let recall = actor.memory().query_memory(record.text.as_str(), 10)?;
            self.run.count("questions asked", 1);
            // Of texts that come twice one is found.
            let is_found = recall.hits.iter().any(|hit| hit.memory.text == record.text);
            let twins = held.room.records.iter().filter(|other| other.text == record.text);
            let holds = twins.into_iter().any(|record| !record.ended && !record.expired);
            if is_found != holds {
                let what = if holds { "holds and is not found" } else { "does not hold and is found" };
                self.run.find(self.number, format!("{}: {:?} {what}", held.scope, record.text));
                is_sound = false;
            }
        }
        Ok(is_sound)
    }

    fn check(&self, open: &Open) -> Result<()> {
        let damage = open.store.check()?;
        self.run.count("files checked", 1);
        if !damage.is_empty() {
            self.run.find(self.number, format!("check: {damage:?}"));
        }
        if let Scrubbed::Blocked = open.store.scrub()? {
            self.run.find(self.number, "nobody reads, and what was erased cannot go");
        }
        Ok(())
    }
}

fn name(operation: &Operation) -> String {
    format!("{operation:?}").chars().take_while(|c| c.is_alphanumeric()).collect()
}
