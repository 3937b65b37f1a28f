//! Which vectors there are: slot by slot, by id and by partition.

use std::collections::HashMap;

use crate::codes::{Codes, Quantised};
use crate::top::Top;
use crate::{Candidate, IndexError};

/// Dead slots are taken out when they are at least this many and at least half of all: each insertion then pays for a
/// constant number of moved rows.
const COMPACT_FROM: usize = 1024;

/// Where at least one slot in this many qualifies, scanning all in the order of memory is faster than picking them.
const PICK_SHARE: usize = 2;

/// Slots are `u32`, and so is the end of a range of them.
const MAX_SLOTS: usize = u32::MAX as usize;

/// The vectors in the order in which they came. A slot never changes its vector: what is replaced or removed leaves a
/// dead slot behind, until [`Rows::compact`] gives all slots new numbers.
#[derive(Debug)]
pub(crate) struct Rows {
    codes: Codes,
    slots: Vec<Slot>,
    by_id: HashMap<i64, u32>,
    partitions: HashMap<u32, Partition>,
}

/// What is known about a slot beside its vector.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Slot {
    pub(crate) id: i64,
    pub(crate) partition: u32,
    pub(crate) live: bool,
    /// Whether a node of the graph stands for it.
    pub(crate) in_graph: bool,
}

/// The slots of one partition in ascending order, dead ones among them.
#[derive(Debug, Default)]
struct Partition {
    slots: Vec<u32>,
    live: usize,
}

/// The rows that a search may return, as far as partitions decide it.
pub(crate) enum Chosen<'a> {
    All,
    /// Sorted, without repetitions, and present in the index.
    Partitions(Vec<(u32, &'a [u32])>),
}

impl Chosen<'_> {
    #[inline]
    pub(crate) fn contains(&self, partition: u32) -> bool {
        match self {
            Self::All => true,
            Self::Partitions(chosen) => match chosen[..] {
                [(one, _)] => one == partition,
                _ => chosen.binary_search_by_key(&partition, |(p, _)| *p).is_ok(),
            },
        }
    }
}

impl Rows {
    pub(crate) fn new(dimension: usize) -> Self {
        Self { codes: Codes::new(dimension), slots: Vec::new(), by_id: HashMap::new(), partitions: HashMap::new() }
    }

    /// How many live rows there are.
    pub(crate) fn len(&self) -> usize {
        self.by_id.len()
    }

    pub(crate) fn codes(&self) -> &Codes {
        &self.codes
    }

    /// All slots, dead ones included.
    pub(crate) fn slots(&self) -> &[Slot] {
        &self.slots
    }

    pub(crate) fn slot_mut(&mut self, slot: u32) -> Option<&mut Slot> {
        self.slots.get_mut(slot as usize)
    }

    /// Where the vector of `id` is.
    pub(crate) fn find(&self, id: i64) -> Option<u32> {
        self.by_id.get(&id).copied()
    }

    /// Whether another row fits in.
    pub(crate) fn check_room(&self) -> Result<(), IndexError> {
        if self.slots.len() < MAX_SLOTS { Ok(()) } else { Err(IndexError::Full { max: MAX_SLOTS }) }
    }

    /// Appends a row for an id that is not there.
    pub(crate) fn push(&mut self, id: i64, partition: u32, vector: &Quantised) -> Result<u32, IndexError> {
        self.check_room()?;
        let slot = self.slots.len() as u32;
        self.codes.push(&vector.blocks, vector.scale);
        self.slots.push(Slot { id, partition, live: true, in_graph: false });
        self.by_id.insert(id, slot);
        let members = self.partitions.entry(partition).or_default();
        members.slots.push(slot);
        members.live += 1;
        Ok(slot)
    }

    /// Marks the row of `id` as dead and returns what it was.
    pub(crate) fn remove(&mut self, id: i64) -> Option<Slot> {
        let slot = self.by_id.remove(&id)?;
        let slot = self.slots.get_mut(slot as usize)?;
        slot.live = false;
        let slot = *slot;
        if let Some(members) = self.partitions.get_mut(&slot.partition) {
            members.live -= 1;
            if members.live == 0 {
                self.partitions.remove(&slot.partition);
            }
        }
        Some(slot)
    }

    /// How many slots are dead.
    pub(crate) fn dead(&self) -> usize {
        self.slots.len() - self.by_id.len()
    }

    /// Whether so many slots are dead that they should be taken out.
    pub(crate) fn compaction_due(&self) -> bool {
        self.dead() >= COMPACT_FROM && self.dead() * 2 >= self.slots.len()
    }

    /// Takes the dead slots out. The others keep their order and get new numbers.
    pub(crate) fn compact(&mut self) {
        let slots = std::mem::take(&mut self.slots);
        let empty = Codes::empty_like(&self.codes);
        let codes = std::mem::replace(&mut self.codes, empty);
        self.partitions.values_mut().for_each(|members| members.slots.clear());
        for (slot, old) in slots.into_iter().zip(0..) {
            if slot.live
                && let Some((blocks, scale)) = codes.row(old)
            {
                let new = self.slots.len() as u32;
                self.codes.push(blocks, scale);
                self.slots.push(slot);
                self.by_id.insert(slot.id, new);
                self.partitions.entry(slot.partition).or_default().slots.push(new);
            }
        }
    }

    /// Marks every row as outside of the graph.
    pub(crate) fn leave_graph(&mut self) {
        self.slots.iter_mut().for_each(|slot| slot.in_graph = false);
    }

    /// Resolves the partitions that a search names, and counts their live rows. Those of no row are left out.
    pub(crate) fn choose(&self, partitions: Option<&[u32]>) -> (Chosen<'_>, usize) {
        let Some(partitions) = partitions else { return (Chosen::All, self.len()) };
        let mut live = 0;
        let mut names = partitions.to_vec();
        names.sort_unstable();
        names.dedup();
        let members = names.into_iter().filter_map(|name| {
            let members = self.partitions.get(&name)?;
            live += members.live;
            Some((name, &members.slots[..]))
        });
        (Chosen::Partitions(members.collect()), live)
    }

    /// Pushes the live rows chosen, `eligible` of them, of which `allowed` holds.
    pub(crate) fn scan(
        &self,
        query: &Quantised,
        chosen: &Chosen<'_>,
        eligible: usize,
        allowed: impl Fn(i64) -> bool,
        top: &mut Top,
    ) {
        let mut visit = |slot, similarity| self.offer(slot, similarity, chosen, &allowed, top);
        match chosen {
            Chosen::Partitions(chosen) if eligible * PICK_SHARE < self.slots.len() => {
                chosen.iter().for_each(|(_, slots)| self.scan_runs(query, slots, &mut visit));
            }
            _ => self.codes.scan(query, 0, self.codes.len() as u32, visit),
        }
    }

    /// Pushes those of the ascending `slots` that are live and chosen and of which `allowed` holds.
    pub(crate) fn scan_slots(
        &self,
        query: &Quantised,
        slots: &[u32],
        chosen: &Chosen<'_>,
        allowed: impl Fn(i64) -> bool,
        top: &mut Top,
    ) {
        self.scan_runs(query, slots, |slot, similarity| self.offer(slot, similarity, chosen, &allowed, top));
    }

    /// Few rows are near enough to enter the result, so everything else about a row is asked after that.
    #[inline]
    fn offer(&self, slot: u32, similarity: f32, chosen: &Chosen<'_>, allowed: &impl Fn(i64) -> bool, top: &mut Top) {
        if top.admits(similarity)
            && let Some(slot) = self.slots.get(slot as usize)
            && slot.live
            && chosen.contains(slot.partition)
            && allowed(slot.id)
        {
            top.push(Candidate { id: slot.id, similarity });
        }
    }

    /// Calls `each` for ascending slots. Neighbouring slots are one run of memory.
    fn scan_runs(&self, query: &Quantised, slots: &[u32], mut each: impl FnMut(u32, f32)) {
        for run in slots.chunk_by(|a, b| a + 1 == *b) {
            if let [first, ..] = run {
                self.codes.scan(query, *first, first + run.len() as u32, &mut each);
            }
        }
    }

    /// Bytes held, allocation overhead of the maps estimated.
    pub(crate) fn memory_bytes(&self) -> usize {
        let members = |p: &Partition| p.slots.capacity() * size_of::<u32>() + size_of::<(u32, Partition)>() + 1;
        self.codes.memory_bytes()
            + self.slots.capacity() * size_of::<Slot>()
            + self.by_id.capacity() * (size_of::<(i64, u32)>() + 1)
            + self.partitions.values().map(members).sum::<usize>()
    }
}
