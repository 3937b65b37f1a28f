//! Choices that are the same for the same seed.

/// xorshift64*, seeded through splitmix64 so that neighbouring seeds have nothing in common.
#[derive(Debug, Clone)]
pub(crate) struct Random(u64);

impl Random {
    /// The choices of this seed.
    #[must_use]
    pub(crate) fn new(seed: u64) -> Self {
        let mut z = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        Self((z ^ (z >> 31)) | 1)
    }

    /// The choices of a part of a run: of a round, a process, a case.
    #[must_use]
    pub(crate) fn of(seed: u64, part: u64) -> Self {
        Self::new(Self::new(seed).next() ^ part.wrapping_mul(0xd6e8_feb8_6659_fd93))
    }

    /// Any number.
    pub(crate) fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    /// A number from 0 up to and without `end`; 0 when `end` is.
    pub(crate) fn below(&mut self, end: u64) -> u64 {
        // The high bits are the good ones.
        (self.next() >> 16) % end.max(1)
    }

    /// The same for places in a slice.
    pub(crate) fn index(&mut self, len: usize) -> usize {
        usize::try_from(self.below(len as u64)).unwrap_or(0)
    }

    /// True `percent` times of a hundred.
    pub(crate) fn percent(&mut self, percent: u64) -> bool {
        self.below(100) < percent
    }

    /// One of them; `None` of nothing.
    pub(crate) fn choose<'a, T>(&mut self, all: &'a [T]) -> Option<&'a T> {
        let index = self.index(all.len());
        all.get(index)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_gives_the_same_numbers_and_another_one_others() {
        let numbers = |seed| {
            let mut random = Random::new(seed);
            (0..100).map(|_| random.below(1000)).collect::<Vec<_>>()
        };
        assert_eq!(numbers(7), numbers(7));
        let equal = numbers(7).into_iter().zip(numbers(8)).filter(|(a, b)| a == b).count();
        assert!(equal < 5, "{equal} of 100 numbers of two seeds are equal");
        assert!(numbers(7).into_iter().all(|n| n < 1000));
        assert_eq!(Random::new(1).below(0), 0);
    }
}
