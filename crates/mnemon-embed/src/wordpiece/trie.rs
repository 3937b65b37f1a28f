//! A vocabulary as a trie in a double array: from a prefix to the next by one look at four bytes.
//!
//! J. Aoe, "An Efficient Digital Search Algorithm by Using a Double-Array Structure" (1989), in the form that XORs the
//! base with the byte, so that the children of a node lie in one block of 256 slots.

/// Slots lie in blocks of this many, one for each byte.
const BLOCK: usize = 256;
/// A label that no byte has: the slot is free.
const FREE: u32 = 0x1ff;
const LABEL: u32 = 0x1ff;
/// Set where a key ends.
const END: u32 = 0x200;
const BASE_SHIFT: u32 = 10;
/// The most slots that fit into the 22 bits of a base.
const MAX_SLOTS: usize = 1 << (32 - BASE_SHIFT);
/// A block in which so many nodes found no room is not tried again: what is free there is mostly of no use.
const MAX_MISSES: u32 = 8;

/// Keys, not empty, and a number for each.
pub(super) struct Trie {
    /// In each slot the label by which it is reached (9 bits), whether a key ends here (1), and its base (22): the child
    /// by a byte lies in the slot `base ^ byte`. A node without children has the base 0, and block 0 is never filled.
    slots: Vec<u32>,
    /// The number of the key that ends in a slot.
    numbers: Vec<u32>,
    root: Node,
}

/// A prefix of a key.
#[derive(Debug, Clone, Copy)]
pub(super) struct Node {
    base: usize,
}

impl Trie {
    /// `keys` are sorted by their bytes, distinct and not empty. `None` where they need more than four million slots.
    pub(super) fn new(keys: &[(&[u8], u32)]) -> Option<Self> {
        let mut builder = Builder::default();
        let root = builder.children(keys, 0)?;
        let mut open: Vec<Branch<'_, '_>> = branches(keys, 0, root).collect();
        while let Some(Branch { keys, length, slot }) = open.pop() {
            let (ends, longer) = match keys.split_first() {
                Some(((key, number), longer)) if key.len() == length => (Some(*number), longer),
                _ => (None, keys),
            };
            let base = builder.children(longer, length)?;
            builder.fill(slot, base, ends);
            open.extend(branches(longer, length, base));
        }
        Some(Self { slots: builder.slots, numbers: builder.numbers, root: Node { base: root } })
    }

    pub(super) fn root(&self) -> Node {
        self.root
    }

    /// The node of a prefix that some key has.
    pub(super) fn prefix(&self, prefix: &[u8]) -> Option<Node> {
        let step = |node: Node, byte: &u8| self.child(node, *byte).map(|(_, slot)| Node { base: base_of(slot) });
        prefix.iter().try_fold(self.root, step)
    }

    /// The longest key that is the prefix of `from` and then one byte or more of `text`, each byte taken as `map` says:
    /// how many bytes, and the number of the key.
    #[inline]
    pub(super) fn longest(&self, from: Node, text: &[u8], map: &[u8; 256]) -> Option<(usize, u32)> {
        let mut node = from;
        let mut found = None;
        for (byte, length) in text.iter().zip(1..) {
            let Some((at, slot)) = self.child(node, map[usize::from(*byte)]) else { break };
            if slot & END != 0 {
                found = Some((length, at));
            }
            node = Node { base: base_of(slot) };
        }
        let (length, at) = found?;
        Some((length, *self.numbers.get(at)?))
    }

    #[inline]
    fn child(&self, node: Node, byte: u8) -> Option<(usize, u32)> {
        let at = node.base ^ usize::from(byte);
        let slot = *self.slots.get(at)?;
        (slot & LABEL == u32::from(byte)).then_some((at, slot))
    }
}

fn base_of(slot: u32) -> usize {
    (slot >> BASE_SHIFT) as usize
}

/// Keys that share a prefix, its length, and the slot of its node.
struct Branch<'a, 'k> {
    keys: &'a [(&'k [u8], u32)],
    length: usize,
    slot: usize,
}

/// A branch for each byte that follows the first `length` bytes of the keys.
fn branches<'a, 'k>(keys: &'a [(&'k [u8], u32)], length: usize, base: usize) -> impl Iterator<Item = Branch<'a, 'k>> {
    let label = move |key: &(&[u8], u32)| key.0.get(length).copied();
    let branch = move |keys: &'a [(&'k [u8], u32)]| {
        let slot = base ^ usize::from(label(keys.first()?)?);
        Some(Branch { keys, length: length + 1, slot })
    };
    keys.chunk_by(move |a, b| label(a) == label(b)).filter_map(branch)
}

/// A block that may have room.
struct Open {
    /// Its first slot.
    start: usize,
    /// A bit for each slot that is free.
    free: [u64; BLOCK / 64],
    misses: u32,
}

struct Builder {
    slots: Vec<u32>,
    numbers: Vec<u32>,
    /// Whether a node has this base. No two have the same, or a child of one would pass for a child of the other.
    taken: Vec<bool>,
    open: Vec<Open>,
    /// The labels of the node at hand.
    labels: Vec<u8>,
}

impl Default for Builder {
    fn default() -> Self {
        // Block 0 stays free: what a node without children is asked for is not there.
        let (slots, numbers, taken) = (vec![FREE; BLOCK], vec![0; BLOCK], vec![true; BLOCK]);
        Self { slots, numbers, taken, open: Vec::new(), labels: Vec::new() }
    }
}

impl Builder {
    /// Takes a slot for each byte that follows the first `length` bytes of the keys, and gives the base they share.
    fn children(&mut self, keys: &[(&[u8], u32)], length: usize) -> Option<usize> {
        let mut labels = std::mem::take(&mut self.labels);
        labels.clear();
        labels.extend(keys.iter().filter_map(|(key, _)| key.get(length)));
        labels.dedup();
        let base = self.place(&labels);
        self.labels = labels;
        base
    }

    fn place(&mut self, labels: &[u8]) -> Option<usize> {
        if labels.is_empty() {
            return Some(0);
        }
        let (open, base) = match self.find(labels) {
            Some(found) => found,
            None => self.grow()?,
        };
        *self.taken.get_mut(base)? = true;
        for label in labels {
            let at = base ^ usize::from(*label);
            *self.slots.get_mut(at)? = u32::from(*label);
            self.open.get_mut(open)?.take(at % BLOCK);
        }
        Some(base)
    }

    /// An open block and a base in it that no node has, from which all labels lead to free slots.
    fn find(&mut self, labels: &[u8]) -> Option<(usize, usize)> {
        self.open.retain(|open| open.misses < MAX_MISSES && open.free.iter().any(|word| *word != 0));
        let taken = &self.taken;
        for (at, open) in self.open.iter_mut().enumerate() {
            let fits = |base: &usize| {
                taken.get(open.start + base) == Some(&false)
                    && labels.iter().all(|label| open.is_free(base ^ usize::from(*label)))
            };
            let first = usize::from(*labels.first()?);
            if let Some(base) = open.free_slots().map(|slot| slot ^ first).find(fits) {
                return Some((at, open.start + base));
            }
            open.misses += 1;
        }
        None
    }

    /// A new block; its first slot is the base.
    fn grow(&mut self) -> Option<(usize, usize)> {
        let start = self.slots.len();
        let length = start + BLOCK;
        if length > MAX_SLOTS {
            return None;
        }
        self.slots.resize(length, FREE);
        self.numbers.resize(length, 0);
        self.taken.resize(length, false);
        self.open.push(Open { start, free: [u64::MAX; BLOCK / 64], misses: 0 });
        Some((self.open.len() - 1, start))
    }

    /// Completes a slot that has its label.
    fn fill(&mut self, at: usize, base: usize, ends: Option<u32>) {
        if let Some(slot) = self.slots.get_mut(at) {
            // Below MAX_SLOTS, so it fits.
            *slot |= (base as u32) << BASE_SHIFT | if ends.is_some() { END } else { 0 };
        }
        if let (Some(place), Some(number)) = (self.numbers.get_mut(at), ends) {
            *place = number;
        }
    }
}

impl Open {
    fn is_free(&self, slot: usize) -> bool {
        self.free.get(slot / 64).is_some_and(|word| word >> (slot % 64) & 1 == 1)
    }

    fn take(&mut self, slot: usize) {
        if let Some(word) = self.free.get_mut(slot / 64) {
            *word &= !(1 << (slot % 64));
        }
    }

    fn free_slots(&self) -> impl Iterator<Item = usize> {
        self.free.iter().zip((0..).step_by(64)).flat_map(|(word, start)| {
            let mut rest = *word;
            std::iter::from_fn(move || {
                let bit = (rest != 0).then(|| rest.trailing_zeros() as usize)?;
                rest &= rest - 1;
                Some(start + bit)
            })
        })
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    fn trie(keys: &BTreeMap<Vec<u8>, u32>) -> Trie {
        let keys: Vec<(&[u8], u32)> = keys.iter().map(|(key, number)| (key.as_slice(), *number)).collect();
        Trie::new(&keys).unwrap()
    }

    fn identity() -> [u8; 256] {
        std::array::from_fn(|byte| byte as u8)
    }

    #[track_caller]
    fn check(keys: &BTreeMap<Vec<u8>, u32>, prefix: &[u8], text: &[u8]) {
        let trie = trie(keys);
        let node = trie.prefix(prefix);
        assert_eq!(node.is_some(), prefix.is_empty() || keys.keys().any(|key| key.starts_with(prefix)), "{prefix:?}");
        let expected = (1..=text.len())
            .rev()
            .find_map(|length| keys.get(&[prefix, &text[..length]].concat()).map(|number| (length, *number)));
        let found = node.and_then(|node| trie.longest(node, text, &identity()));
        assert_eq!(found, expected, "{prefix:?} {text:?} {keys:?}");
    }

    proptest! {
        #[test]
        fn the_longest_key_is_found(
            keys in prop::collection::btree_map(prop::collection::vec(0u8..4, 1..6), any::<u32>(), 0..60),
            prefix in prop::collection::vec(0u8..4, 0..3),
            text in prop::collection::vec(0u8..5, 0..9),
        ) {
            check(&keys, &prefix, &text);
        }

        #[test]
        fn any_bytes_may_be_keys(
            keys in prop::collection::btree_map(prop::collection::vec(any::<u8>(), 1..4), any::<u32>(), 1..400),
            text in prop::collection::vec(any::<u8>(), 0..4),
        ) {
            check(&keys, &[], &text);
            for key in keys.keys() {
                check(&keys, &[], key);
            }
        }
    }

    #[test]
    fn every_pair_of_bytes_is_a_key() {
        let keys: BTreeMap<Vec<u8>, u32> = (0..65536u32).map(|n| (vec![(n >> 8) as u8, n as u8], n)).collect();
        let trie = trie(&keys);
        for (key, number) in &keys {
            assert_eq!(trie.longest(trie.root(), key, &identity()), Some((2, *number)));
        }
        assert!(trie.longest(trie.root(), &[7], &identity()).is_none());
    }

    #[test]
    fn bytes_are_taken_as_the_map_says() {
        let keys = BTreeMap::from([(b"cat".to_vec(), 1)]);
        let lower: [u8; 256] = std::array::from_fn(|byte| (byte as u8).to_ascii_lowercase());
        assert_eq!(trie(&keys).longest(trie(&keys).root(), b"CATS", &lower), Some((3, 1)));
    }
}
