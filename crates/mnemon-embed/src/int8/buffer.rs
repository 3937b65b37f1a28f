//! Memory for values that are read sixteen at a time.

use super::simd::LANES;

/// Where a line of the cache begins, in bytes.
const LINE: usize = 64;

/// Values that begin at the start of a line of the cache: vectors that straddle two lines are read at half the speed.
#[derive(Debug, Default)]
pub(super) struct Buffer<T> {
    values: Vec<T>,
}

impl<T: Copy + Default> Buffer<T> {
    /// The first `length` values, made where there were fewer. What is in them is left from before.
    pub(super) fn take(&mut self, length: usize) -> &mut [T] {
        let padded = length + LINE / size_of::<T>().max(1);
        if self.values.len() < padded {
            self.values.clear();
            self.values.resize(padded, T::default());
        }
        let start = self.start();
        self.values.get_mut(start..start + length).unwrap_or_default()
    }

    /// The first `length` values of those that were taken before.
    pub(super) fn get(&self, length: usize) -> &[T] {
        let start = self.start();
        self.values.get(start..start + length).unwrap_or_default()
    }

    fn start(&self) -> usize {
        // An offset that cannot be had is `usize::MAX`; then alignment is given up, which costs time only.
        let start = self.values.as_ptr().align_offset(LINE);
        if start < LINE / size_of::<T>().max(1) { start } else { 0 }
    }
}

/// Values in sixteens. What is left over is not seen: all widths here are multiples.
pub(super) fn lanes<T>(values: &[T]) -> &[[T; LANES]] {
    values.as_chunks().0
}

pub(super) fn lanes_mut<T>(values: &mut [T]) -> &mut [[T; LANES]] {
    values.as_chunks_mut().0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buffers_begin_with_a_line_and_keep_their_values() {
        let mut buffer = Buffer::<i16>::default();
        for length in [1, 100, 7, 5000] {
            let taken = buffer.take(length);
            assert_eq!(taken.len(), length);
            assert_eq!(taken.as_ptr().align_offset(LINE), 0);
        }
        buffer.take(40).iter_mut().zip(1..).for_each(|(value, number)| *value = number);
        assert_eq!(buffer.get(3), [1, 2, 3]);
        assert_eq!(buffer.take(40)[39], 40);
    }
}
