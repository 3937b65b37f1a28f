//! The passages of a scope in memory: what recall reads of thousands of them for one question.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};
use std::ops::Range;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};

use mnemon_core::{Role, Timestamp, Trust};
use mnemon_recall::{Cues, Said, Term, is_name};
use mnemon_store::{PassageId, PassageRow, RowId};

/// No passage.
const NONE: u32 = u32::MAX;
/// No speaker.
const NOBODY: u32 = u32::MAX;

/// A passage goes by its number: passages that were there when the scope was loaded in the order of their runs, later ones
/// as they come. A passage that is gone leaves its number behind.
#[derive(Debug, Default)]
pub(super) struct Passages {
    passages: Vec<Passage>,
    terms: Vec<Term>,
    speakers: Vec<String>,
    numbers: HashMap<PassageId, u32, BuildHasherDefault<IdHasher>>,
    /// The last passage of each run.
    last: HashMap<i64, u32, BuildHasherDefault<IdHasher>>,
    gone: usize,
    /// Bytes of the token vectors that are kept.
    token_bytes: AtomicUsize,
}

/// A passage.
#[derive(Debug)]
pub(crate) struct Passage {
    pub(crate) id: PassageId,
    pub(crate) memory: RowId,
    pub(crate) run: i64,
    pub(crate) place: i64,
    pub(crate) time: Timestamp,
    pub(crate) ordinal: u32,
    pub(crate) start: u32,
    pub(crate) end: u32,
    pub(crate) words: u32,
    pub(crate) cues: Cues,
    /// How far its memory may be believed.
    pub(crate) trust: Trust,
    /// From then on its memory does not hold any more.
    pub(crate) until: Option<Timestamp>,
    /// Whether its memory is a summary that the engine made of others.
    pub(crate) is_made: bool,
    pub(super) role: Option<Role>,
    speaker: u32,
    terms: Range<u32>,
    /// Those before it and after it in its run.
    before: u32,
    after: u32,
    /// The vectors of its pieces, once somebody has read them.
    tokens: OnceLock<Box<[u8]>>,
    pub(super) live: bool,
}

impl Passages {
    /// The passages of a scope, in any order.
    pub(super) fn new(mut rows: Vec<PassageRow>) -> Self {
        rows.sort_by_key(|row| (row.run, row.place));
        let mut passages = Self::default();
        passages.passages.reserve_exact(rows.len());
        passages.terms.reserve_exact(rows.iter().map(|row| row.terms.len()).sum());
        passages.numbers.reserve(rows.len());
        rows.into_iter().for_each(|row| {
            passages.insert(row);
        });
        passages
    }

    /// Adds a passage that is not there; returns its number.
    pub(super) fn insert(&mut self, row: PassageRow) -> u32 {
        let number = self.passages.len() as u32;
        let start = self.terms.len() as u32;
        self.terms.extend_from_slice(&row.terms);
        let speaker = row.speaker.filter(|name| row.role.is_some() && is_name(name)).map(|name| self.speaker(name));
        // The turns of a session come in their order, so the one before is nearly always the last.
        let mut before = self.last.get(&row.run).copied().unwrap_or(NONE);
        let mut after = NONE;
        while let Some(earlier) = self.passages.get(before as usize).filter(|earlier| earlier.place > row.place) {
            (after, before) = (before, earlier.before);
        }
        if let Some(earlier) = self.passages.get_mut(before as usize) {
            earlier.after = number;
        }
        match self.passages.get_mut(after as usize) {
            Some(later) => later.before = number,
            None => {
                self.last.insert(row.run, number);
            }
        }
        self.numbers.insert(row.id, number);
        self.passages.push(Passage {
            id: row.id,
            memory: row.memory,
            run: row.run,
            place: row.place,
            time: row.time,
            ordinal: row.ordinal,
            start: row.start,
            end: row.end,
            words: row.words,
            cues: Cues::from_bits(row.cues),
            trust: row.trust,
            until: row.until,
            is_made: row.is_made,
            role: row.role,
            speaker: speaker.unwrap_or(NOBODY),
            terms: start..self.terms.len() as u32,
            before,
            after,
            tokens: OnceLock::new(),
            live: true,
        });
        number
    }

    /// Takes over what is known of the memory of a passage now.
    pub(super) fn change(&mut self, row: &PassageRow) {
        let passage = self.number(row.id).and_then(|number| self.passages.get_mut(number as usize));
        if let Some(passage) = passage {
            (passage.trust, passage.until) = (row.trust, row.until);
        }
    }

    /// Takes a passage out; returns its number, where it was there.
    pub(super) fn remove(&mut self, id: PassageId) -> Option<u32> {
        let number = self.numbers.remove(&id)?;
        let passage = self.passages.get_mut(number as usize)?;
        passage.live = false;
        let tokens = passage.tokens.take().map_or(0, |tokens| tokens.len());
        let (run, before, after) = (passage.run, passage.before, passage.after);
        self.token_bytes.fetch_sub(tokens, Ordering::Relaxed);
        self.gone += 1;
        if let Some(earlier) = self.passages.get_mut(before as usize) {
            earlier.after = after;
        }
        match self.passages.get_mut(after as usize) {
            Some(later) => later.before = before,
            None if before == NONE => {
                self.last.remove(&run);
            }
            None => {
                self.last.insert(run, before);
            }
        }
        Some(number)
    }

    /// How many numbers are given, and how many of them to passages that are gone.
    pub(super) fn counts(&self) -> (usize, usize) {
        (self.passages.len(), self.gone)
    }

    pub(super) fn get(&self, number: u32) -> Option<&Passage> {
        self.passages.get(number as usize).filter(|passage| passage.live)
    }

    pub(super) fn number(&self, id: PassageId) -> Option<u32> {
        self.numbers.get(&id).copied()
    }

    pub(super) fn each(&self) -> impl Iterator<Item = &Passage> + Clone {
        self.passages.iter()
    }

    /// The passages that stand up to `reach` places before another in its run, the nearest first.
    pub(super) fn before(&self, number: u32, reach: i64) -> impl Iterator<Item = u32> {
        self.walk(number, reach, |passage| passage.before)
    }

    /// The passages that stand up to `reach` places after another in its run, the nearest first.
    pub(super) fn after(&self, number: u32, reach: i64) -> impl Iterator<Item = u32> {
        self.walk(number, reach, |passage| passage.after)
    }

    fn walk(&self, number: u32, reach: i64, next: fn(&Passage) -> u32) -> impl Iterator<Item = u32> {
        let from = self.get(number);
        let place = from.map_or(0, |passage| passage.place);
        let step = move |number: u32| {
            let passage = self.get(number)?;
            (passage.place.abs_diff(place) <= reach.unsigned_abs()).then_some(number)
        };
        std::iter::successors(from.and_then(|passage| step(next(passage))), move |number| {
            self.get(*number).and_then(|passage| step(next(passage)))
        })
    }

    /// The names of those who speak.
    pub(super) fn speakers(&self) -> &[String] {
        &self.speakers
    }

    pub(super) fn terms(&self, passage: &Passage) -> &[Term] {
        self.terms.get(passage.terms.start as usize..passage.terms.end as usize).unwrap_or_default()
    }

    pub(super) fn said(&self, passage: &Passage) -> Option<Said<'_>> {
        let speaker = self.speakers.get(passage.speaker as usize).map(String::as_str);
        passage.role.map(|role| Said { role, speaker })
    }

    /// Keeps the vectors of the pieces of a passage, if all that is kept stays below `most` bytes; else gives them back.
    pub(super) fn keep_tokens(&self, passage: &Passage, tokens: Vec<u8>, most: usize) -> Result<(), Vec<u8>> {
        if self.token_bytes.load(Ordering::Relaxed) + tokens.len() > most {
            return Err(tokens);
        }
        let len = tokens.len();
        if passage.tokens.set(tokens.into_boxed_slice()).is_ok() {
            self.token_bytes.fetch_add(len, Ordering::Relaxed);
        }
        Ok(())
    }

    /// Forgets the vectors of the pieces of a passage.
    pub(super) fn forget_tokens(&mut self, id: PassageId) {
        let Some(number) = self.number(id) else { return };
        if let Some(tokens) = self.passages.get_mut(number as usize).and_then(|passage| passage.tokens.take()) {
            self.token_bytes.fetch_sub(tokens.len(), Ordering::Relaxed);
        }
    }

    pub(super) fn memory_bytes(&self) -> usize {
        self.passages.capacity() * size_of::<Passage>()
            + self.terms.capacity() * size_of::<Term>()
            + self.numbers.capacity() * 17
            + self.last.capacity() * 17
            + self.token_bytes.load(Ordering::Relaxed)
    }

    fn speaker(&mut self, name: String) -> u32 {
        // People who speak in a scope are few; those who spoke last are asked for first.
        let known = self.speakers.iter().rposition(|speaker| *speaker == name);
        let number = known.unwrap_or_else(|| {
            self.speakers.push(name);
            self.speakers.len() - 1
        });
        number as u32
    }
}

impl Passage {
    /// The place of who speaks among [`Passages::speakers`].
    pub(super) fn speaker_number(&self) -> Option<u32> {
        (self.speaker != NOBODY).then_some(self.speaker)
    }

    pub(crate) fn tokens(&self) -> Option<&[u8]> {
        self.tokens.get().map(AsRef::as_ref)
    }
}

/// Rows are numbers that grow; a product spreads their bits.
#[derive(Debug, Default)]
pub(super) struct IdHasher(u64);

impl Hasher for IdHasher {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        bytes.iter().for_each(|byte| self.write_i64(i64::from(*byte)));
    }

    fn write_i64(&mut self, id: i64) {
        self.0 = (self.0 ^ id.cast_unsigned()).wrapping_mul(0x9E37_79B9_7F4A_7C15).rotate_left(26);
    }
}

#[cfg(test)]
pub(super) mod tests {
    use std::collections::BTreeMap;
    use std::sync::LazyLock;

    use mnemon_core::{Kind, Scope};
    use mnemon_store::{ScopeRow, Store};
    use proptest::prelude::*;

    use super::*;

    /// The row of some scope.
    pub(in super::super) fn scope() -> ScopeRow {
        static SCOPE: LazyLock<ScopeRow> =
            LazyLock::new(|| Store::open_in_memory().unwrap().write(|tx| tx.ensure_scope(&Scope::default())).unwrap());
        *SCOPE
    }

    fn row(id: i64, run: i64, place: i64) -> PassageRow {
        PassageRow {
            id,
            memory: id,
            scope: scope(),
            run,
            place,
            ordinal: 0,
            start: 0,
            end: 1,
            words: 1,
            cues: 0,
            terms: vec![id as u32; (id % 3) as usize],
            kind: Kind::Turn,
            is_made: false,
            role: Some(Role::User),
            speaker: Some(format!("speaker {}", id % 2)),
            time: Timestamp::UNIX_EPOCH,
            trust: Trust::User,
            until: None,
        }
    }

    fn check(passages: &Passages, model: &BTreeMap<(i64, i64), i64>) {
        for ((run, place), id) in model {
            let number = passages.number(*id).unwrap();
            let passage = passages.get(number).unwrap();
            assert_eq!((passage.id, passage.run, passage.place), (*id, *run, *place));
            assert_eq!(passages.terms(passage), row(*id, 0, 0).terms);
            assert_eq!(passages.said(passage).unwrap().speaker, row(*id, 0, 0).speaker.as_deref());
            for reach in 1..4 {
                let ids = |numbers: Vec<u32>| -> Vec<i64> {
                    numbers.into_iter().map(|number| passages.get(number).unwrap().id).collect()
                };
                let before = model.range((*run, place - reach)..(*run, *place)).rev().map(|(_, id)| *id);
                assert_eq!(ids(passages.before(number, reach).collect()), before.collect::<Vec<_>>());
                let after = model.range((*run, place + 1)..=(*run, place + reach)).map(|(_, id)| *id);
                assert_eq!(ids(passages.after(number, reach).collect()), after.collect::<Vec<_>>());
            }
        }
    }

    proptest! {
        #[test]
        fn neighbours_are_those_of_the_run(
            places in prop::collection::btree_set((0i64..3, 0i64..12), 0..20),
            loaded in 0usize..20,
            gone in prop::collection::vec(any::<prop::sample::Index>(), 0..8),
            seed in any::<u64>(),
        ) {
            // In an order that has nothing to do with the places.
            let mut rows: Vec<PassageRow> =
                places.iter().zip(1..).map(|((run, place), id)| row(id, *run, *place)).collect();
            rows.sort_by_key(|row| row.id.cast_unsigned().wrapping_mul(seed | 1));
            let mut model: BTreeMap<(i64, i64), i64> =
                rows.iter().map(|row| ((row.run, row.place), row.id)).collect();
            let later = rows.split_off(loaded.min(rows.len()));
            let mut passages = Passages::new(rows);
            for row in later {
                passages.insert(row);
            }
            check(&passages, &model);
            for gone in gone.iter().filter(|_| !places.is_empty()) {
                let place = places.iter().nth(gone.index(places.len())).unwrap();
                if let Some(id) = model.remove(place) {
                    let number = passages.remove(id);
                    prop_assert!(number.is_some_and(|number| passages.get(number).is_none()));
                    prop_assert_eq!(passages.remove(id), None);
                }
                check(&passages, &model);
            }
        }
    }

    #[test]
    fn tokens_are_kept_as_far_as_there_is_room() {
        let mut passages = Passages::new(vec![row(1, 1, 0), row(2, 1, 1)]);
        let keep = |passages: &Passages, id| {
            let passage = passages.get(passages.number(id).unwrap()).unwrap();
            passages.keep_tokens(passage, vec![7; 10], 15).is_ok()
        };
        let kept = |passages: &Passages, id| passages.get(passages.number(id).unwrap()).unwrap().tokens().is_some();
        assert!(keep(&passages, 1) && !keep(&passages, 2));
        assert!(kept(&passages, 1) && !kept(&passages, 2));
        passages.forget_tokens(1);
        assert!(keep(&passages, 2) && !keep(&passages, 1));
        passages.remove(2);
        assert!(keep(&passages, 1));
    }
}
