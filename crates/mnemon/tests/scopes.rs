//! Scopes are walls: whatever is done in one, by whatever path, nothing of another is read, counted, found, exported, changed
//! or erased. Random operations over random scopes, and what each call answers against plain lists.
//!
//! `MNEMON_CASES` is the number of answers that are checked; `PROPTEST_RNG_SEED` is the seed.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use std::cell::Cell;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use mnemon::import::{Conversation, Format, Import, ImportedSession, jsonl};
use mnemon::{
    Config, ContextManager, Diversity, EmbedError, Embedder, Embeddings, Error, EstimateCounter, Field, Filter,
    ForgetPolicy, Forgetting, Kind, Level, ListFilter, Memory, MemoryId, MemoryQuery, MemoryUpdate, Metadata, ModelId,
    NewMemory, NewTurn, Purpose, Role, Scope, Selection, SessionId, Slot, StoreError, Timestamp, Trust,
};
use proptest::prelude::*;
use proptest::test_runner::{TestError, TestRunner};

const CASES: u64 = 4_000;
/// Questions that are asked of one world, spread over its operations. Each is answered in several ways.
const QUESTIONS: usize = 24;
const OPERATIONS: usize = 24;
/// What scopes are named by: what SQL, LIKE, FTS and case folding would take for the same.
const NAMES: [&str; 18] = [
    "",
    "ann",
    "Ann",
    "ann%",
    "an_",
    "a%",
    "%",
    "_",
    "*",
    "'",
    "\"",
    "ann' OR 1 --",
    "änn",
    "a\u{308}nn",
    "ANN",
    "東京",
    "ann.",
    "0",
];
const WORDS: [&str; 16] = [
    "heron",
    "estuary",
    "boiler",
    "peanut",
    "violin",
    "harbour",
    "東京",
    "レポート",
    "naïve",
    "100%",
    "snake_case",
    "x'y",
    "lantern",
    "garden",
    "garden",
    "heron",
];
const SOURCES: [&str; 3] = ["file:x", "file:%", "FILE:X"];
const SESSIONS: [&str; 3] = ["monday", "mon%", "Monday"];
const SLOTS: [(&str, &str); 2] = [("Ann", "home"), ("ann", "home")];
const START: i64 = 1_750_000_000;

/// What is done next, read from bytes, so that all of them mean something and few of them make a short case.
type Step = [u8; 6];

/// Hashes of words as vectors.
struct Hashes(ModelId);

impl Embedder for Hashes {
    fn model(&self) -> &ModelId {
        &self.0
    }

    fn dimension(&self) -> usize {
        16
    }

    fn embed(&self, texts: &[&str], _: Purpose) -> Result<Embeddings, EmbedError> {
        let mut values = Vec::new();
        for text in texts {
            let mut vector = [0.01_f32; 16];
            for word in text.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty()) {
                let hash = word.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
                    (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
                });
                vector[(hash >> 20) as usize % 16] += 1.0;
            }
            values.extend(vector);
        }
        Ok(Embeddings::new(16, values))
    }
}

/// What the oracle knows of a memory.
#[derive(Debug, Clone, PartialEq)]
struct Known {
    text: String,
    kind: Kind,
    pinned: bool,
    metadata: Metadata,
    source: Option<String>,
    session: Option<SessionId>,
    stored: Timestamp,
}

/// A scope: what is in it, and how the engine last read that out.
struct Room {
    scope: Scope,
    memory: ContextManager,
    known: BTreeMap<MemoryId, Known>,
    sessions: BTreeMap<SessionId, Option<String>>,
    listed: Vec<Memory>,
}

struct World {
    rooms: Vec<Room>,
    clock: Arc<AtomicI64>,
    serial: u32,
    log: Vec<String>,
    checked: u64,
    found: u64,
}

fn scopes(bytes: &[u8]) -> Vec<Scope> {
    let name = |byte: u8| NAMES[usize::from(byte) % NAMES.len()];
    let mut scopes = BTreeSet::from([Scope::default()]);
    for part in bytes.chunks_exact(3) {
        let mut scope = Scope::default();
        let (user, agent, project) = (name(part[0]), name(part[1] / 2), name(part[2] / 2));
        if !user.is_empty() {
            scope = Scope::user_scope(user).unwrap();
        }
        if !agent.is_empty() && part[1] % 2 == 0 {
            scope = scope.with_agent(agent).unwrap();
        }
        if !project.is_empty() && part[2] % 2 == 0 {
            scope = scope.with_project(project).unwrap();
        }
        scopes.insert(scope);
    }
    scopes.into_iter().collect()
}

fn words(a: u8, b: u8) -> String {
    let word = |n: u8| WORDS[usize::from(n) % WORDS.len()];
    format!("{} {} {} {}", word(a), word(a / 16), word(b), word(b / 16))
}

fn metadata(a: u8) -> Metadata {
    let mut metadata = Metadata::from_iter([("n".to_owned(), (a % 4).into())]);
    if a & 4 != 0 {
        metadata.insert("topic".into(), WORDS[usize::from(a) % WORDS.len()].into());
    }
    metadata
}

/// A filter about what memories have.
fn filter(bytes: Step) -> Filter {
    let leaf = |a: u8, b: u8| match a % 9 {
        0 => Field::metadata(["n"]).eq(i64::from(b % 4)),
        1 => Field::metadata(["topic"]).eq(WORDS[usize::from(b) % WORDS.len()]),
        2 => Field::metadata(["topic"]).exists(),
        3 => Field::Kind.eq(Kind::ALL[usize::from(b) % Kind::ALL.len()]),
        4 => Field::Pinned.eq(b & 1 == 0),
        5 => Field::Source.one_of([SOURCES[usize::from(b) % SOURCES.len()], "%"]),
        6 => Field::metadata(["n"]).gte(i64::from(b % 4)),
        7 => Field::Role.eq(Role::User),
        _ => Field::StoredAt.lt(Timestamp::from_second(START + i64::from(b)).unwrap()),
    };
    let (one, other) = (leaf(bytes[0], bytes[1]), leaf(bytes[2], bytes[3]));
    match bytes[4] % 5 {
        0 => one,
        1 => !one,
        2 => one.and(other),
        3 => one.or(!other),
        _ => !(one.and(other)),
    }
}

/// Without what a question of anybody changes.
fn steady(mut memory: Memory) -> Memory {
    (memory.state.uses, memory.state.last_used) = (0, None);
    memory
}

fn is_refused(error: &Error) -> bool {
    matches!(error, Error::Store(StoreError::NoMemory { .. } | StoreError::NoSession { .. }))
}

fn everything() -> ListFilter {
    ListFilter { limit: usize::MAX, ..ListFilter::default() }
}

impl World {
    fn new(names: &[u8], with_model: bool) -> Self {
        let clock = Arc::new(AtomicI64::new(START));
        let ticking = Arc::clone(&clock);
        let mut config = Config::default();
        config.relevance_floor = 0.0;
        // So small that turns leave it.
        (config.stm_capacity, config.chunk_size) = (120, 40);
        let builder = ContextManager::builder()
            .config(config)
            .token_counter(Arc::new(EstimateCounter))
            .clock(move || Timestamp::from_second(ticking.fetch_add(1, Ordering::Relaxed)).unwrap());
        let builder = if with_model {
            let id = ModelId { name: "hashes".into(), revision: "1".into(), dtype: "f32".into() };
            builder.embedder(Arc::new(Hashes(id)))
        } else {
            builder.without_model()
        };
        let memory = builder.open_in_memory().unwrap();
        let room = |scope: Scope| Room {
            memory: memory.in_scope(scope.clone()),
            scope,
            known: BTreeMap::new(),
            sessions: BTreeMap::new(),
            listed: Vec::new(),
        };
        let rooms = scopes(names).into_iter().map(room).collect();
        Self { rooms, clock, serial: 0, log: Vec::new(), checked: 0, found: 0 }
    }

    fn now(&self) -> Timestamp {
        Timestamp::from_second(self.clock.load(Ordering::Relaxed)).unwrap()
    }

    /// An id of this room, or one time in four of any.
    fn id(&self, room: usize, a: u8, b: u8) -> Option<MemoryId> {
        let room = if a.is_multiple_of(4) { usize::from(a / 4) % self.rooms.len() } else { room };
        let ids: Vec<MemoryId> = self.rooms[room].known.keys().copied().collect();
        ids.get(usize::from(b).checked_rem(ids.len())?).copied()
    }

    fn text(&mut self, a: u8, b: u8) -> String {
        // Half of the texts are the same in several scopes.
        if a & 1 == 0 {
            return words(a, b);
        }
        self.serial += 1;
        format!("{} {}", words(a, b), self.serial)
    }

    fn new_memory(&mut self, room: usize, a: u8, b: u8, c: u8) -> NewMemory {
        const KINDS: [Kind; 4] = [Kind::Note, Kind::Fact, Kind::Document, Kind::Summary];
        let mut new = NewMemory::new(KINDS[usize::from(c) % 4], self.text(a, b))
            .pinned(c.is_multiple_of(7))
            .with_metadata(metadata(b));
        if c & 8 != 0 {
            // The same source and the same ids in every scope.
            new = new.from_origin(SOURCES[usize::from(a) % SOURCES.len()], (b % 8).to_string());
        }
        if c & 48 == 48 {
            let (subject, slot) = SLOTS[usize::from(a) % SLOTS.len()];
            new = new.about(subject, slot);
        }
        if c & 192 == 192 {
            new = new.expires_at(Timestamp::from_second(self.clock.load(Ordering::Relaxed) + i64::from(a)).unwrap());
        }
        let _ = room;
        new
    }

    /// Does something in one room, and says so to the oracle. Returns whether what the room holds is now as the oracle says;
    /// else it is a part of that.
    fn step(&mut self, step: Step) -> bool {
        let [what, room, a, b, c, d] = step;
        let room = usize::from(room) % self.rooms.len();
        let memory = self.rooms[room].memory.clone();
        let now = self.now();
        let note = |log: &mut Vec<String>, what: &str| log.push(format!("{what} in {room}: {a} {b} {c} {d}"));
        match what % 20 {
            0..=3 => {
                note(&mut self.log, "observe");
                let session = memory.in_session(SESSIONS[usize::from(d) % SESSIONS.len()]);
                let turns = [
                    NewTurn::new(Role::User, self.text(a, b)),
                    NewTurn::new(Role::Assistant, self.text(b, c)).by("Ann"),
                ];
                let turns: Vec<NewTurn> =
                    turns.into_iter().map(|turn| NewTurn { metadata: metadata(c), ..turn }).collect();
                let observed = session.observe_turns(&turns).unwrap();
                let held = &mut self.rooms[room];
                held.sessions.insert(observed.session, Some(SESSIONS[usize::from(d) % SESSIONS.len()].to_owned()));
                for (turn, id) in turns.into_iter().zip(observed.turns) {
                    let known = Known {
                        text: turn.text,
                        kind: Kind::Turn,
                        pinned: false,
                        metadata: turn.metadata,
                        source: None,
                        session: Some(observed.session),
                        stored: now,
                    };
                    assert_eq!(held.known.insert(id, known), None);
                }
            }
            4..=8 => {
                note(&mut self.log, "add");
                let new: Vec<NewMemory> =
                    (0..1 + d % 3).map(|n| self.new_memory(room, a.wrapping_add(n), b.wrapping_add(n), c)).collect();
                let ids = memory.add(&new).unwrap();
                self.learn(room, new, ids, now);
            }
            9..=10 => {
                note(&mut self.log, "update");
                let Some(id) = self.id(room, a, b) else { return true };
                let update = MemoryUpdate {
                    text: (c & 1 == 0).then(|| self.text(c, d)),
                    metadata: (c & 2 == 0).then(|| metadata(d)),
                    pinned: (c & 4 == 0).then_some(c & 8 == 0),
                    trust: (c & 16 == 0).then_some(Trust::Untrusted),
                    ..MemoryUpdate::default()
                };
                match (memory.update(id, &update), self.rooms[room].known.get_mut(&id)) {
                    (Ok(()), Some(known)) => {
                        known.text = update.text.unwrap_or(std::mem::take(&mut known.text));
                        known.metadata = update.metadata.unwrap_or(std::mem::take(&mut known.metadata));
                        known.pinned = update.pinned.unwrap_or(known.pinned);
                    }
                    (Err(error), None) if is_refused(&error) => {}
                    (result, known) => panic!("updating {id}: {result:?} of {known:?}"),
                }
            }
            11 => {
                note(&mut self.log, "delete");
                let Some(id) = self.id(room, a, b) else { return true };
                match (memory.delete(id), self.rooms[room].known.remove(&id)) {
                    (Ok(()), Some(_)) => {}
                    (Err(error), None) if is_refused(&error) => {}
                    (result, known) => panic!("deleting {id}: {result:?} of {known:?}"),
                }
            }
            12..=13 => {
                note(&mut self.log, "erase");
                return self.erase(room, &memory, [a, b, c, d]);
            }
            14 => {
                note(&mut self.log, "forget");
                let policy = ForgetPolicy {
                    capacity: (a & 1 == 0).then_some(usize::from(b % 16)),
                    how: if a & 2 == 0 { Forgetting::Delete } else { Forgetting::End },
                    ..ForgetPolicy::default()
                };
                memory.forget(&policy).unwrap();
                return false;
            }
            15 => {
                note(&mut self.log, "supersede");
                let (Some(old), Some(new)) = (self.id(room, a, b), self.id(room, c, d)) else { return true };
                let known = &self.rooms[room].known;
                let both = known.contains_key(&old) && known.contains_key(&new);
                match memory.supersede(old, new) {
                    Ok(_) => assert!(both, "{old} or {new} is not here"),
                    // One may not take its own place.
                    Err(error) => assert!(old == new || !both && is_refused(&error), "{error:?}"),
                }
            }
            16 => {
                note(&mut self.log, "merge");
                for merged in memory.merge_duplicates().unwrap() {
                    let known = &self.rooms[room].known;
                    assert!(known.contains_key(&merged.kept) && merged.merged.iter().all(|id| known.contains_key(id)));
                }
            }
            17 => {
                note(&mut self.log, "import");
                self.import(room, &memory, [a, b, c, d], now);
            }
            18 => {
                note(&mut self.log, "new session");
                let session = memory.new_session().unwrap().session().unwrap().unwrap();
                self.rooms[room].sessions.insert(session, None);
            }
            _ if a.is_multiple_of(8) => {
                note(&mut self.log, "clear");
                let count = memory.clear_memory().unwrap();
                assert_eq!(count, self.rooms[room].known.len() as u64);
                self.rooms[room].known.clear();
                self.rooms[room].sessions.clear();
            }
            _ => {
                note(&mut self.log, "maintain");
                memory.maintain(&mut |_| true).unwrap();
            }
        }
        true
    }

    /// What was added; what has an origin that is known keeps what it was.
    fn learn(&mut self, room: usize, new: Vec<NewMemory>, ids: Vec<MemoryId>, now: Timestamp) {
        assert_eq!(new.len(), ids.len());
        for (new, id) in new.into_iter().zip(ids) {
            let elsewhere =
                self.rooms.iter().enumerate().any(|(other, held)| other != room && held.known.contains_key(&id));
            assert!(!elsewhere, "{id} is of another scope");
            let source = new.origin.map(|origin| origin.source);
            self.rooms[room].known.entry(id).or_insert(Known {
                text: new.text,
                kind: new.kind,
                pinned: new.pinned,
                metadata: new.metadata,
                source,
                session: None,
                stored: now,
            });
        }
    }

    fn erase(&mut self, room: usize, memory: &ContextManager, [a, b, c, d]: [u8; 4]) -> bool {
        let held = &self.rooms[room];
        let selection = match a % 8 {
            0..=2 => {
                let ids = [self.id(room, b, c), self.id(room, c, d)];
                Selection::Ids(ids.into_iter().flatten().collect())
            }
            3 => Selection::Source(SOURCES[usize::from(b) % SOURCES.len()].to_owned()),
            4..=5 => {
                let from = if b.is_multiple_of(4) { &self.rooms[usize::from(c) % self.rooms.len()] } else { held };
                let Some(id) = from.sessions.keys().nth(usize::from(d) % from.sessions.len().max(1)) else {
                    return true;
                };
                Selection::Session(*id)
            }
            6 => Selection::StoredBefore(Timestamp::from_second(START + i64::from(b)).unwrap()),
            _ if b.is_multiple_of(4) => Selection::All,
            _ => return true,
        };
        let fits = |id: &MemoryId, known: &Known| match &selection {
            Selection::Ids(ids) => ids.contains(id),
            Selection::All => true,
            Selection::Source(source) => known.source.as_ref() == Some(source),
            Selection::Session(session) => known.session == Some(*session),
            Selection::StoredBefore(time) => known.stored < *time,
            _ => false,
        };
        let expected: BTreeSet<MemoryId> =
            held.known.iter().filter(|(id, known)| fits(id, known)).map(|(id, _)| *id).collect();
        let is_here = match &selection {
            Selection::Ids(ids) => ids.iter().all(|id| held.known.contains_key(id)),
            Selection::Session(session) => held.sessions.contains_key(session),
            _ => true,
        };
        match memory.erase(&selection) {
            Ok(erasure) => {
                assert!(is_here, "{selection:?} is not here");
                assert_eq!(erasure.ids.iter().copied().collect::<BTreeSet<_>>(), expected, "{selection:?}");
                assert_eq!(erasure.receipt.memories, expected.len() as u64);
                let held = &mut self.rooms[room];
                let left: BTreeSet<SessionId> =
                    expected.iter().filter_map(|id| held.known.remove(id)).filter_map(|known| known.session).collect();
                let in_use: BTreeSet<SessionId> = held.known.values().filter_map(|known| known.session).collect();
                held.sessions.retain(|id, _| {
                    let is_named = matches!(&selection, Selection::Session(named) if named == id);
                    selection != Selection::All && (in_use.contains(id) || !(left.contains(id) || is_named))
                });
            }
            Err(error) => assert!(!is_here && is_refused(&error), "{selection:?}: {error:?}"),
        }
        true
    }

    fn import(&mut self, room: usize, memory: &ContextManager, [a, b, c, d]: [u8; 4], now: Timestamp) {
        // Into a scope that the file names, from the handle of another one.
        let other = self.rooms[usize::from(d) % self.rooms.len()].memory.clone();
        let (source, name) = (SOURCES[usize::from(a) % SOURCES.len()], SESSIONS[usize::from(b) % SESSIONS.len()]);
        self.serial += 1;
        let serial = self.serial;
        let text = format!("{} imported {serial}", words(b, c));
        let turn = NewTurn::new(Role::User, &text).from_origin(source, format!("turn {serial}"));
        let note = NewMemory::new(Kind::Note, format!("{text} beside")).from_origin(source, format!("note {serial}"));
        let session = ImportedSession { name: Some(name.to_owned()), started_at: None, turns: vec![turn] };
        let conversation = Conversation {
            scope: Some(self.rooms[room].scope.clone()),
            source: source.to_owned(),
            sessions: vec![session],
            memories: vec![note],
        };
        let import = Import {
            format: Format::Jsonl,
            conversations: vec![conversation],
            lines: 2,
            skipped: vec![],
            notes: vec![],
        };
        let ingested = other.import(&import, &mut |_| {}).unwrap();
        assert_eq!((ingested.turns, ingested.memories), (1, 1));
        // What it was called is known, its ids are not.
        let new = memory.list(&ListFilter { limit: 2, newest_first: true, ..ListFilter::default() }).unwrap();
        for stored in new {
            let session = stored.turn.as_ref().map(|turn| turn.session);
            assert!(stored.text.starts_with(&text), "{:?} where {text:?} was imported", stored.text);
            let held = &mut self.rooms[room];
            held.sessions.extend(session.map(|session| (session, Some(name.to_owned()))));
            let known = Known {
                text: stored.text,
                kind: stored.kind,
                pinned: false,
                metadata: Metadata::new(),
                source: Some(source.to_owned()),
                session,
                stored: now,
            };
            assert_eq!(held.known.insert(stored.id, known), None);
        }
    }

    /// Every scope but `acted` reads as before, and that one as the oracle says.
    fn compare(&mut self, acted: usize, is_exact: bool) {
        for (number, room) in self.rooms.iter_mut().enumerate() {
            let listed: Vec<Memory> = room.memory.list(&everything()).unwrap().into_iter().map(steady).collect();
            self.checked += 1;
            if number != acted {
                assert_eq!(listed, room.listed, "scope {} changed", room.scope);
                continue;
            }
            for memory in &listed {
                assert_eq!(memory.scope, room.scope);
                let known = room.known.get(&memory.id).unwrap_or_else(|| panic!("{memory:?} is not of {}", room.scope));
                assert_eq!((&memory.text, memory.kind, memory.pinned), (&known.text, known.kind, known.pinned));
                assert_eq!(memory.metadata, known.metadata);
                assert_eq!(memory.turn.as_ref().map(|turn| turn.session), known.session);
            }
            let there: BTreeSet<MemoryId> = listed.iter().map(|memory| memory.id).collect();
            if is_exact {
                assert_eq!(there.len(), room.known.len(), "of {}", room.scope);
            }
            room.known.retain(|id, _| there.contains(id));
            room.listed = listed;
        }
    }

    /// Asks a scope in every way.
    fn ask(&mut self, step: Step) {
        let [which, a, b, c, d, e] = step;
        let number = usize::from(which) % self.rooms.len();
        let room = &self.rooms[number];
        let memory = &room.memory;
        let own =
            |id: &MemoryId, path: &str| assert!(room.known.contains_key(id), "{path} of {} gave {id}", room.scope);
        let filter = filter([a, b, c, d, e, 0]);
        let meant: Vec<&Memory> = room.listed.iter().filter(|memory| filter.matches(memory)).collect();

        let narrowed = ListFilter { filter: Some(filter.clone()), ..everything() };
        let listed: Vec<Memory> = memory.list(&narrowed).unwrap().into_iter().map(steady).collect();
        assert_eq!(listed.iter().collect::<Vec<_>>(), meant, "list of {filter}");
        assert_eq!(memory.count(&narrowed).unwrap(), meant.len() as u64, "count of {filter}");
        assert_eq!(memory.count(&everything()).unwrap(), room.known.len() as u64);

        // Ids of all scopes.
        for other in &self.rooms {
            if let Some(id) = other.known.keys().nth(usize::from(b) % other.known.len().max(1)) {
                let got = memory.get(*id).unwrap();
                assert_eq!(got.map(|memory| memory.id), room.known.contains_key(id).then_some(*id), "get");
                self.checked += 1;
            }
            // Sessions of others are empty from here.
            if let Some(session) = other.sessions.keys().nth(usize::from(c) % other.sessions.len().max(1)) {
                let of = ListFilter { session: Some(*session), ..everything() };
                let expected = room.known.values().filter(|known| known.session == Some(*session)).count();
                assert_eq!(memory.list(&of).unwrap().len(), expected, "turns of {session}");
                self.checked += 1;
            }
        }

        // Words of anybody's memories, or any.
        let others: Vec<&Known> = self.rooms[usize::from(d) % self.rooms.len()].known.values().collect();
        let text = match others.get(usize::from(e).checked_rem(others.len()).unwrap_or(0)) {
            Some(known) if a & 1 == 0 => known.text.clone(),
            _ => words(a, b),
        };
        for level in [Level::Fast, Level::Thorough] {
            for (filter, diversity) in [(None, Diversity::None), (Some(filter.clone()), Diversity::Redundancy)] {
                let mut query = MemoryQuery::new(text.clone()).recall(level).relevance_floor(0.0).diversity(diversity);
                query.filter = filter.clone();
                if c & 1 == 0 {
                    query.holding_at = Some(Timestamp::from_second(START).unwrap());
                }
                let recall = memory.query_memory(query, 40).unwrap();
                for hit in &recall.hits {
                    own(&hit.memory.id, "query_memory");
                    assert_eq!(hit.memory.scope, room.scope);
                    assert!(filter.as_ref().is_none_or(|filter| filter.matches(&hit.memory)), "{filter:?}");
                }
                self.checked += 1;
                self.found += u64::from(!recall.hits.is_empty());
            }
        }
        if let Some(explanation) = memory.explain(text.as_str(), 20).unwrap() {
            explanation.ranked.iter().for_each(|explained| own(&explained.memory.id, "explain"));
            assert!(explanation.candidates <= room.known.len());
            self.checked += 1;
        }
        let session = SESSIONS[usize::from(e) % SESSIONS.len()];
        let context = memory.in_session(session).build_context(text.as_str()).unwrap();
        for item in &context.manifest().items {
            item.source.iter().for_each(|source| own(&source.id, "build_context"));
        }
        assert_eq!(context.manifest().scope, room.scope);

        let stats = memory.get_stats().unwrap();
        assert_eq!(stats.store.memories, room.known.len() as u64, "stats");
        assert_eq!(stats.store.sessions, room.sessions.len() as u64, "stats");
        let turns = room.known.values().filter(|known| known.kind == Kind::Turn).count();
        assert_eq!(stats.store.turns, turns as u64, "stats");
        assert!(stats.long_term.vectors <= stats.store.memories && stats.store.window_turns <= stats.store.turns);

        let sessions = memory.sessions().unwrap();
        let sessions: BTreeMap<SessionId, Option<String>> = sessions
            .into_iter()
            .inspect(|session| assert_eq!(session.scope, room.scope))
            .map(|s| (s.id, s.name))
            .collect();
        assert_eq!(sessions, room.sessions, "sessions");
        for (subject, slot) in SLOTS {
            memory.history(&Slot::new(subject, slot)).unwrap().iter().for_each(|memory| own(&memory.id, "history"));
        }
        self.checked += 9;
        if a.is_multiple_of(8) {
            self.export(number);
        }
    }

    /// What is exported is what is there.
    fn export(&mut self, number: usize) {
        let room = &self.rooms[number];
        let mut lines = Vec::new();
        for memory in room.memory.list(&everything()).unwrap() {
            jsonl::write_memory(&mut lines, &memory, None).unwrap();
        }
        let read =
            |line: &str| serde_json::from_str::<serde_json::Value>(line).unwrap()["text"].as_str().unwrap().to_owned();
        let mut written: Vec<String> = String::from_utf8(lines).unwrap().lines().map(read).collect();
        let mut expected: Vec<String> = room.known.values().map(|known| known.text.clone()).collect();
        written.sort_unstable();
        expected.sort_unstable();
        assert_eq!(written, expected, "export of {}", room.scope);
        let counted: BTreeMap<Scope, u64> = room.memory.scopes().unwrap().into_iter().collect();
        for room in &self.rooms {
            assert_eq!(
                counted.get(&room.scope).copied().unwrap_or(0),
                room.known.len() as u64,
                "memories of {}",
                room.scope
            );
        }
        self.checked += 1 + self.rooms.len() as u64;
    }
}

fn play(names: &[u8], with_model: bool, steps: &[Step], questions: &[Step]) -> World {
    let mut world = World::new(names, with_model);
    let mut questions = questions.iter();
    for step in steps {
        let is_exact = world.step(*step);
        let acted = usize::from(step[1]) % world.rooms.len();
        world.compare(acted, is_exact);
        questions.by_ref().take(QUESTIONS / OPERATIONS).for_each(|question| world.ask(*question));
    }
    questions.for_each(|question| world.ask(*question));
    world
}

#[test]
fn nothing_crosses_a_scope() {
    let cases: u64 = std::env::var("MNEMON_CASES").map_or(CASES, |cases| cases.parse().unwrap());
    let (checked, found, worlds) = (Cell::new(0_u64), Cell::new(0_u64), Cell::new(0_u64));
    let strategy = (
        prop::collection::vec(any::<u8>(), 9..15),
        any::<bool>(),
        prop::collection::vec(any::<Step>(), OPERATIONS),
        prop::collection::vec(any::<Step>(), QUESTIONS),
    );
    let config =
        ProptestConfig { cases: 1, failure_persistence: None, max_shrink_iters: 2_000, ..ProptestConfig::default() };
    let mut seeds = TestRunner::new(config.clone());
    while checked.get() < cases {
        // A runner that has had its cases runs no others.
        let mut runner = TestRunner::new_with_rng(config.clone(), seeds.new_rng());
        let result = runner.run(&strategy, |(names, with_model, steps, questions)| {
            let world = play(&names, with_model, &steps, &questions);
            checked.set(checked.get() + world.checked);
            found.set(found.get() + world.found);
            worlds.set(worlds.get() + 1);
            Ok(())
        });
        match result {
            Ok(()) => {}
            Err(TestError::Fail(reason, case)) => panic!("{reason}\n{case:?}"),
            Err(error) => panic!("{error}"),
        }
    }
    println!("{} answers checked in {} worlds; {} questions found something", checked.get(), worlds.get(), found.get());
    assert!(found.get() * 10 > checked.get() / 10, "too little was found: {} of {}", found.get(), checked.get());
}
