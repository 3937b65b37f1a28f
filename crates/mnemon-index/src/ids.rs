//! Which slot an id has.

use std::collections::HashMap;

/// The slot of an id that is gone. No row has it.
const GONE: u32 = u32::MAX;

/// Ids that do not ascend are merged into the list when they are more than this many and than a fourth of the list.
const MERGE_FROM: usize = 1024;

/// A map from ids to slots that takes 12 bytes an id where ids mostly ascend, as those of a store do, and is read from a
/// file by copying it: a sorted list, and a hash map of the ids that came out of order.
#[derive(Debug, Clone, Default)]
pub(crate) struct Ids {
    /// Ascending; `slots` has the slot of each, or [`GONE`].
    ids: Vec<i64>,
    slots: Vec<u32>,
    /// What is not in the list.
    late: HashMap<i64, u32>,
    len: usize,
}

impl Ids {
    /// From ids in ascending order and their slots, as many as there are ids.
    pub(crate) fn from_sorted(ids: Vec<i64>, slots: Vec<u32>) -> Self {
        debug_assert!(ids.is_sorted_by(|a, b| a < b) && ids.len() == slots.len());
        Self { len: ids.len(), ids, slots, late: HashMap::new() }
    }

    /// From ids in any order.
    pub(crate) fn from_pairs(mut pairs: Vec<(i64, u32)>) -> Self {
        pairs.sort_unstable();
        Self::from_sorted(pairs.iter().map(|p| p.0).collect(), pairs.iter().map(|p| p.1).collect())
    }

    pub(crate) fn len(&self) -> usize {
        self.len
    }

    pub(crate) fn get(&self, id: i64) -> Option<u32> {
        match self.position(id) {
            Ok(at) => self.slots.get(at).copied().filter(|slot| *slot != GONE),
            Err(_) => self.late.get(&id).copied(),
        }
    }

    pub(crate) fn set(&mut self, id: i64, slot: u32) {
        let before = match self.position(id) {
            Ok(at) => self.slots.get_mut(at).map(|known| std::mem::replace(known, slot)).filter(|slot| *slot != GONE),
            Err(at) if at == self.ids.len() && !self.late.contains_key(&id) => {
                self.ids.push(id);
                self.slots.push(slot);
                None
            }
            Err(_) => self.late.insert(id, slot),
        };
        self.len += usize::from(before.is_none());
        if self.late.len() > MERGE_FROM.max(self.ids.len() / 4) {
            *self = Self::from_pairs(self.iter().collect());
        }
    }

    pub(crate) fn remove(&mut self, id: i64) -> Option<u32> {
        let before = match self.position(id) {
            Ok(at) => self.slots.get_mut(at).map(|slot| std::mem::replace(slot, GONE)).filter(|slot| *slot != GONE),
            Err(_) => self.late.remove(&id),
        };
        self.len -= usize::from(before.is_some());
        before
    }

    /// All ids with their slots, in no order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (i64, u32)> {
        let listed = self.ids.iter().copied().zip(self.slots.iter().copied()).filter(|(_, slot)| *slot != GONE);
        listed.chain(self.late.iter().map(|(id, slot)| (*id, *slot)))
    }

    /// Bytes held, the overhead of the map estimated.
    pub(crate) fn memory_bytes(&self) -> usize {
        self.ids.capacity() * size_of::<i64>()
            + self.slots.capacity() * size_of::<u32>()
            + self.late.capacity() * (size_of::<(i64, u32)>() + 1)
    }

    /// Where `id` is in the list, or would be. Ids of a store are nearly evenly spaced, so a guess is nearly right, and the
    /// search goes out from there in steps that double.
    fn position(&self, id: i64) -> Result<usize, usize> {
        let (Some(first), Some(last)) = (self.ids.first(), self.ids.last()) else { return Err(0) };
        if id < *first {
            return Err(0);
        }
        if id >= *last {
            return if id == *last { Ok(self.ids.len() - 1) } else { Err(self.ids.len()) };
        }
        // Not empty and not all equal: first <= id < last.
        let share = id.abs_diff(*first) as f64 / last.abs_diff(*first) as f64;
        let guess = ((share * (self.ids.len() - 1) as f64) as usize).min(self.ids.len() - 1);
        let (mut low, mut high, mut step) = (guess, guess, 1);
        while self.ids.get(low).is_some_and(|known| *known > id) {
            low = low.saturating_sub(step);
            step *= 2;
        }
        step = 1;
        while self.ids.get(high).is_some_and(|known| *known < id) {
            high = high.saturating_add(step);
            step *= 2;
        }
        let end = self.ids.len().min(high + 1);
        let near = self.ids.get(low..end).unwrap_or_default();
        near.binary_search(&id).map(|at| low + at).map_err(|at| low + at)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    /// Ids that ascend with the number of the step, that repeat, and that lie at the edges of what there is.
    fn id(step: usize, kind: u8) -> i64 {
        match kind {
            0..=5 => step as i64 * 3,
            6 => i64::MIN + i64::from(kind) * (step as i64 % 3),
            7 => i64::MAX - step as i64 % 3,
            _ => i64::from(kind) * 7,
        }
    }

    proptest! {
        #[test]
        fn it_maps_as_a_map_does(steps in proptest::collection::vec((any::<bool>(), 0u8..40), 0..300)) {
            let mut ids = Ids::default();
            let mut model = BTreeMap::new();
            for (step, (set, kind)) in steps.into_iter().enumerate() {
                let id = id(step, kind);
                if set || kind < 4 {
                    ids.set(id, step as u32);
                    model.insert(id, step as u32);
                } else {
                    prop_assert_eq!(ids.remove(id), model.remove(&id));
                }
                prop_assert_eq!(ids.len(), model.len());
                prop_assert_eq!(ids.get(id), model.get(&id).copied());
            }
            for probe in model.keys().flat_map(|id| [id.saturating_sub(1), *id, id.saturating_add(1)]) {
                prop_assert_eq!(ids.get(probe), model.get(&probe).copied());
            }
            let again = Ids::from_pairs(ids.iter().collect());
            prop_assert_eq!(again.iter().collect::<BTreeMap<_, _>>(), model);
        }
    }

    #[test]
    fn late_ids_are_merged() {
        let mut ids = Ids::default();
        for id in (0..10_000).rev() {
            ids.set(id * 2, id as u32);
        }
        assert!(ids.late.len() <= ids.ids.len() / 4 + MERGE_FROM, "{} {}", ids.late.len(), ids.ids.len());
        assert!((0..10_000).all(|id| ids.get(id * 2) == Some(id as u32) && ids.get(id * 2 + 1).is_none()));
        assert_eq!(ids.len(), 10_000);
    }
}
