//! usearch through its Rust crate, in f32 or in 8 bits.

use std::path::Path;

use rayon::prelude::*;
use usearch::{Index as Native, IndexOptions, MetricKind, ScalarKind, new_index};

use super::{DIMENSION, EF_CONSTRUCTION, Index, M, Rows};
use crate::error::Error;

/// Room for what is inserted later, so that no insert moves the index.
const ROOM: usize = 10_000;

pub(super) struct Usearch(Native);

impl Usearch {
    pub(super) fn new(in_8_bits: bool) -> Result<Self, Error> {
        let options = IndexOptions {
            dimensions: DIMENSION,
            metric: MetricKind::IP,
            quantization: if in_8_bits { ScalarKind::I8 } else { ScalarKind::F32 },
            connectivity: M,
            expansion_add: EF_CONSTRUCTION,
            expansion_search: 64,
            multi: false,
        };
        Ok(Self(new_index(&options).map_err(Error::of("usearch"))?))
    }
}

fn path(folder: &Path) -> String {
    folder.join("usearch").display().to_string()
}

impl Index for Usearch {
    fn build(&mut self, rows: &Rows, count: usize) -> Result<(), Error> {
        let threads = rayon::current_num_threads();
        self.0.reserve_capacity_and_threads(count, threads).map_err(Error::of("usearch"))?;
        let add = |(id, row): (usize, &&[f32])| self.0.add(id as u64, row);
        rows.base(count)?.par_iter().enumerate().try_for_each(add).map_err(Error::of("usearch"))
    }

    fn save(&self, folder: &Path) -> Result<(), Error> {
        self.0.save(&path(folder)).map_err(Error::of("usearch"))
    }

    fn open(&mut self, folder: &Path, _rows: &Rows, _count: usize) -> Result<(), Error> {
        self.0.load(&path(folder)).map_err(Error::of("usearch"))
    }

    fn search(&self, _rows: &Rows, query: &[f32], k: usize, ef: usize) -> Result<Vec<u64>, Error> {
        self.0.change_expansion_search(ef);
        Ok(self.0.search(query, k).map_err(Error::of("usearch"))?.keys)
    }

    fn insert(&mut self, id: u64, vector: &[f32]) -> Result<(), Error> {
        if self.0.size() == self.0.capacity() {
            self.0.reserve(self.0.size() + ROOM).map_err(Error::of("usearch"))?;
        }
        self.0.add(id, vector).map_err(Error::of("usearch"))
    }
}
