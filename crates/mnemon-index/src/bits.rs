//! A set of small numbers.

/// One bit for each number below a length that grows.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Bits {
    words: Vec<u64>,
    len: usize,
}

impl Bits {
    /// `len` numbers, none of them in the set.
    pub(crate) fn none(len: usize) -> Self {
        Self { words: vec![0; len.div_ceil(64)], len }
    }

    /// From 64 numbers a word; those from `len` on do not count.
    pub(crate) fn from_words(mut words: Vec<u64>, len: usize) -> Self {
        words.resize(len.div_ceil(64), 0);
        let mut bits = Self { words, len };
        bits.mask();
        bits
    }

    pub(crate) fn into_words(self) -> Vec<u64> {
        self.words
    }

    /// How many numbers are in the set.
    pub(crate) fn count(&self) -> usize {
        self.words.iter().map(|word| word.count_ones() as usize).sum()
    }

    pub(crate) fn words(&self) -> &[u64] {
        &self.words
    }

    pub(crate) fn push(&mut self, member: bool) {
        if self.len.is_multiple_of(64) {
            self.words.push(0);
        }
        self.len += 1;
        if member {
            self.set(self.len as u32 - 1, true);
        }
    }

    pub(crate) fn truncate(&mut self, len: usize) {
        if len < self.len {
            self.words.truncate(len.div_ceil(64));
            self.len = len;
            self.mask();
        }
    }

    /// Takes out what lies behind the end in the last word.
    fn mask(&mut self) {
        if let Some(last) = self.words.last_mut()
            && !self.len.is_multiple_of(64)
        {
            *last &= (1 << (self.len % 64)) - 1;
        }
    }

    #[inline]
    pub(crate) fn has(&self, number: u32) -> bool {
        let word = self.words.get(number as usize / 64).copied().unwrap_or(0);
        word >> (number % 64) & 1 == 1
    }

    pub(crate) fn set(&mut self, number: u32, member: bool) {
        if let Some(word) = self.words.get_mut(number as usize / 64) {
            *word = *word & !(1 << (number % 64)) | u64::from(member) << (number % 64);
        }
    }

    /// Puts a number into the set; whether it was not there before.
    #[inline]
    pub(crate) fn enter(&mut self, number: u32) -> bool {
        let Some(word) = self.words.get_mut(number as usize / 64) else { return false };
        let bit = 1 << (number % 64);
        let new = *word & bit == 0;
        *word |= bit;
        new
    }

    /// Empties the set and gives it another length; its memory is used again.
    pub(crate) fn reset(&mut self, len: usize) {
        self.words.clear();
        self.words.resize(len.div_ceil(64), 0);
        self.len = len;
    }

    pub(crate) fn memory_bytes(&self) -> usize {
        self.words.capacity() * size_of::<u64>()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn bits_are_a_list_of_booleans(members in proptest::collection::vec(any::<bool>(), 0..300), cut in 0usize..300) {
            let mut bits = Bits::default();
            members.iter().for_each(|member| bits.push(*member));
            let has = |bits: &Bits| (0..310).map(|i| bits.has(i)).collect::<Vec<_>>();
            let mut expected = members.clone();
            expected.resize(310, false);
            prop_assert_eq!(has(&bits), expected.clone());
            prop_assert_eq!(Bits::from_words(bits.words().to_vec(), members.len()), bits.clone());
            prop_assert_eq!(bits.count(), members.iter().filter(|m| **m).count());
            prop_assert_eq!(Bits::from_words(vec![u64::MAX; 5], cut).count(), cut);
            expected[cut..].fill(false);
            bits.truncate(cut);
            prop_assert_eq!(has(&bits), expected);
            bits.push(true);
            prop_assert!(bits.has(cut.min(members.len()) as u32));
            bits.reset(cut);
            prop_assert_eq!(&bits, &Bits::none(cut));
            for i in 0..cut as u32 {
                prop_assert!(bits.enter(i) && !bits.enter(i) && bits.has(i));
                bits.set(i, false);
                prop_assert!(!bits.has(i));
                bits.set(i, true);
            }
        }
    }
}
