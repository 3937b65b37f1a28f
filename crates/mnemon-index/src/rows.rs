//! Which vectors there are: slot by slot, by id and by partition.

use std::collections::HashMap;

use crate::IndexError;
use crate::bits::Bits;
use crate::codes::Codes;
use crate::ids::Ids;
use crate::kernel::Block;
use crate::query::Coarse;
use crate::top::{Near, Top};

/// Dead slots are taken out when they are at least this many and at least half of all that can be: each insertion then
/// pays for a constant number of moved rows.
const COMPACT_FROM: usize = 1024;

/// Where at least one slot in this many qualifies, scanning all in the order of memory is faster than picking them.
const PICK_SHARE: usize = 2;

/// Slots are `u32` of which the highest bit is kept free.
pub(crate) const MAX_SLOTS: usize = 1 << 31;

/// The vectors, slot by slot. A slot never changes its vector: what is replaced or removed leaves a dead slot behind,
/// until [`Rows::compact`] or another base gives slots new numbers.
#[derive(Debug)]
pub(crate) struct Rows {
    codes: Codes,
    ids: Vec<i64>,
    partitions: Vec<u32>,
    live: Bits,
    by_id: Ids,
    members: HashMap<u32, Members>,
}

/// The slots of one partition in ascending order, dead ones among them.
#[derive(Debug, Default)]
struct Members {
    slots: Vec<u32>,
    live: usize,
}

/// What is known about slots beside their vectors: the columns of [`Rows`].
#[derive(Debug)]
pub(crate) struct Columns {
    pub(crate) ids: Vec<i64>,
    pub(crate) partitions: Vec<u32>,
    pub(crate) live: Bits,
    /// The live slots in the order of their ids.
    pub(crate) order: Vec<u32>,
}

impl Columns {
    pub(crate) fn with_capacity(slots: usize) -> Self {
        Self {
            ids: Vec::with_capacity(slots),
            partitions: Vec::with_capacity(slots),
            live: Bits::default(),
            order: Vec::with_capacity(slots),
        }
    }

    /// Appends a slot. The order is not kept meanwhile.
    pub(crate) fn push(&mut self, id: i64, partition: u32, live: bool) {
        if live {
            self.order.push(self.ids.len() as u32);
        }
        self.ids.push(id);
        self.partitions.push(partition);
        self.live.push(live);
    }

    pub(crate) fn sort(&mut self) {
        let id = |slot: &u32| self.ids.get(*slot as usize).copied();
        self.order.sort_unstable_by_key(id);
    }
}

/// The rows that a search may return, as far as partitions decide it.
pub(crate) enum Chosen<'a> {
    All,
    /// Sorted, without repetitions, and present in the index.
    Partitions(Vec<(u32, &'a [u32])>),
}

impl Chosen<'_> {
    #[inline]
    fn contains(&self, partition: u32) -> bool {
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
        Self {
            codes: Codes::new(dimension),
            ids: Vec::new(),
            partitions: Vec::new(),
            live: Bits::default(),
            by_id: Ids::default(),
            members: HashMap::new(),
        }
    }

    /// From as many rows of codes as the columns have. Live ids are unique, and `order` is as it says.
    pub(crate) fn from_columns(codes: Codes, columns: Columns) -> Self {
        let Columns { ids, partitions, live, order } = columns;
        let sorted = order.iter().filter_map(|slot| ids.get(*slot as usize).copied()).collect();
        let by_id = Ids::from_sorted(sorted, order);
        let mut rows = Self { codes, ids, partitions, live, by_id, members: HashMap::new() };
        rows.list_members();
        rows
    }

    /// How many live rows there are.
    pub(crate) fn len(&self) -> usize {
        self.by_id.len()
    }

    /// How many slots there are, dead ones included.
    pub(crate) fn slots(&self) -> usize {
        self.ids.len()
    }

    pub(crate) fn codes(&self) -> &Codes {
        &self.codes
    }

    /// The ids of all slots, dead ones included.
    pub(crate) fn ids(&self) -> &[i64] {
        &self.ids
    }

    /// The partitions of all slots, dead ones included.
    pub(crate) fn partitions(&self) -> &[u32] {
        &self.partitions
    }

    pub(crate) fn live(&self) -> &Bits {
        &self.live
    }

    /// The live slots in the order of their ids.
    pub(crate) fn order(&self) -> Vec<u32> {
        let mut pairs: Vec<(i64, u32)> = self.by_id.iter().collect();
        pairs.sort_unstable();
        pairs.into_iter().map(|(_, slot)| slot).collect()
    }

    /// The live slots in ascending order, with their ids.
    pub(crate) fn live_slots(&self) -> impl Iterator<Item = (u32, i64)> {
        (0..).zip(&self.ids).filter(|(slot, _)| self.live.has(*slot)).map(|(slot, id)| (slot, *id))
    }

    /// Where the vector of `id` is.
    pub(crate) fn find(&self, id: i64) -> Option<u32> {
        self.by_id.get(id)
    }

    /// The id and the partition of a slot that is live.
    pub(crate) fn known(&self, slot: u32) -> Option<(i64, u32)> {
        if !self.live.has(slot) {
            return None;
        }
        Some((*self.ids.get(slot as usize)?, *self.partitions.get(slot as usize)?))
    }

    /// Whether another row fits in.
    pub(crate) fn check_room(&self) -> Result<(), IndexError> {
        if self.slots() < MAX_SLOTS { Ok(()) } else { Err(IndexError::Full { max: MAX_SLOTS }) }
    }

    /// Appends a row for an id that is not there.
    pub(crate) fn push(&mut self, id: i64, partition: u32, blocks: &[Block], scale: f32) -> Result<(), IndexError> {
        self.check_room()?;
        let slot = self.slots() as u32;
        self.codes.push(blocks, scale);
        self.ids.push(id);
        self.partitions.push(partition);
        self.live.push(true);
        self.by_id.set(id, slot);
        let members = self.members.entry(partition).or_default();
        members.slots.push(slot);
        members.live += 1;
        Ok(())
    }

    /// Marks the row of `id` as dead and returns where it was.
    pub(crate) fn remove(&mut self, id: i64) -> Option<u32> {
        let slot = self.by_id.remove(id)?;
        self.live.set(slot, false);
        let partition = self.partitions.get(slot as usize).copied().unwrap_or_default();
        if let Some(members) = self.members.get_mut(&partition) {
            members.live -= 1;
            if members.live == 0 {
                self.members.remove(&partition);
            }
        }
        Some(slot)
    }

    /// How many slots are dead.
    pub(crate) fn dead(&self) -> usize {
        self.slots() - self.len()
    }

    /// Whether `dead` of `slots` are so many that they should be taken out.
    pub(crate) fn compaction_due(dead: usize, slots: usize) -> bool {
        dead >= COMPACT_FROM && dead * 2 >= slots
    }

    /// Takes the dead slots from `keep` on out. `keep` is 0 or the number of rows in the base. The others keep their order
    /// and get new numbers.
    pub(crate) fn compact(&mut self, keep: usize) {
        let (ids, partitions) = (self.ids.split_off(keep), self.partitions.split_off(keep));
        let fewer = if keep == 0 { self.codes.empty() } else { self.codes.base_only() };
        let codes = std::mem::replace(&mut self.codes, fewer);
        let live = self.live.clone();
        self.live.truncate(keep);
        for (old, (id, partition)) in (keep as u32..).zip(ids.into_iter().zip(partitions)) {
            if live.has(old)
                && let Some((blocks, scale)) = codes.row(old)
            {
                let new = self.ids.len() as u32;
                self.codes.push(blocks, scale);
                self.ids.push(id);
                self.partitions.push(partition);
                self.live.push(true);
                self.by_id.set(id, new);
            }
        }
        self.list_members();
    }

    /// Lists the live slots of each partition anew.
    fn list_members(&mut self) {
        let mut counts: HashMap<u32, usize> = HashMap::new();
        let live = || (0..).zip(&self.partitions).filter(|(slot, _)| self.live.has(*slot));
        // Rows of one partition come one after the other more often than not.
        let mut run: Option<(u32, usize)> = None;
        for (_, partition) in live() {
            match &mut run {
                Some((name, count)) if name == partition => *count += 1,
                _ => {
                    if let Some((name, count)) = run.replace((*partition, 1)) {
                        *counts.entry(name).or_default() += count;
                    }
                }
            }
        }
        if let Some((name, count)) = run {
            *counts.entry(name).or_default() += count;
        }
        let with_room = |(name, live)| (name, Members { slots: Vec::with_capacity(live), live });
        let mut members: HashMap<u32, Members> = counts.into_iter().map(with_room).collect();
        let mut live = live().peekable();
        while let Some((first, partition)) = live.next() {
            let Some(list) = members.get_mut(partition) else { continue };
            list.slots.push(first);
            while let Some((slot, _)) = live.next_if(|(_, next)| *next == partition) {
                list.slots.push(slot);
            }
        }
        self.members = members;
    }

    /// Resolves the partitions that a search names, and counts their live rows. Those of no row are left out.
    pub(crate) fn choose(&self, partitions: Option<&[u32]>) -> (Chosen<'_>, usize) {
        let Some(partitions) = partitions else { return (Chosen::All, self.len()) };
        let mut live = 0;
        let mut names = partitions.to_vec();
        names.sort_unstable();
        names.dedup();
        let members = names.into_iter().filter_map(|name| {
            let members = self.members.get(&name)?;
            live += members.live;
            Some((name, &members.slots[..]))
        });
        (Chosen::Partitions(members.collect()), live)
    }

    /// Pushes the live rows chosen, `eligible` of them, of which `allowed` holds.
    pub(crate) fn scan(
        &self,
        query: Coarse<'_>,
        chosen: &Chosen<'_>,
        eligible: usize,
        allowed: impl Fn(i64) -> bool,
        top: &mut Top,
    ) {
        let mut visit = |slot, similarity| self.offer(slot, similarity, chosen, &allowed, top);
        match chosen {
            Chosen::Partitions(chosen) if eligible * PICK_SHARE < self.slots() => {
                chosen.iter().for_each(|(_, slots)| self.scan_runs(query, slots, &mut visit));
            }
            _ => self.codes.scan(query, 0, self.codes.len() as u32, visit),
        }
    }

    /// Pushes those of the slots from `first` on that are live and chosen and of which `allowed` holds.
    pub(crate) fn scan_from(
        &self,
        first: u32,
        query: Coarse<'_>,
        chosen: &Chosen<'_>,
        allowed: impl Fn(i64) -> bool,
        top: &mut Top,
    ) {
        let visit = |slot, similarity| self.offer(slot, similarity, chosen, &allowed, top);
        self.codes.scan(query, first, self.codes.len() as u32, visit);
    }

    /// Whether the row of a slot may be returned; its id.
    #[inline]
    pub(crate) fn qualifies(&self, slot: u32, chosen: &Chosen<'_>, allowed: impl Fn(i64) -> bool) -> Option<i64> {
        let (id, partition) = self.known(slot)?;
        (chosen.contains(partition) && allowed(id)).then_some(id)
    }

    /// Few rows are near enough to enter the result, so everything else about a row is asked after that.
    #[inline]
    fn offer(&self, slot: u32, similarity: f32, chosen: &Chosen<'_>, allowed: &impl Fn(i64) -> bool, top: &mut Top) {
        if top.admits(similarity)
            && let Some(id) = self.qualifies(slot, chosen, allowed)
        {
            top.push(Near { similarity, id, slot });
        }
    }

    /// Calls `each` for ascending slots. Neighbouring slots are one run of memory.
    fn scan_runs(&self, query: Coarse<'_>, slots: &[u32], mut each: impl FnMut(u32, f32)) {
        for run in slots.chunk_by(|a, b| a + 1 == *b) {
            if let [first, ..] = run {
                self.codes.scan(query, *first, first + run.len() as u32, &mut each);
            }
        }
    }

    /// Bytes held, allocation overhead of the maps estimated.
    pub(crate) fn memory_bytes(&self) -> usize {
        let members = |m: &Members| m.slots.capacity() * size_of::<u32>() + size_of::<(u32, Members)>() + 1;
        self.codes.memory_bytes()
            + self.ids.capacity() * size_of::<i64>()
            + self.partitions.capacity() * size_of::<u32>()
            + self.live.memory_bytes()
            + self.by_id.memory_bytes()
            + self.members.values().map(members).sum::<usize>()
    }
}
