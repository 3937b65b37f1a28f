//! usearch through its Rust crate: in f32, and in 8 bits with the best ranked anew by the vectors in f32, as ours are.

use std::path::Path;

use rayon::prelude::*;
use simsimd::SpatialSimilarity;
use usearch::{Index as Native, IndexOptions, MetricKind, ScalarKind, new_index};

use super::{DIMENSION, EF_CONSTRUCTION, Index, M, Rows};
use crate::error::Error;

/// Room for what is inserted later, so that no insert moves the index.
const ROOM: usize = 10_000;

/// Of 8 bits so many times as many are found as are asked for: what is lost by rounding is among them.
const OVERSAMPLE: usize = 4;

pub(super) struct Usearch {
    native: Native,
    in_8_bits: bool,
}

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
        Ok(Self { native: new_index(&options).map_err(Error::of("usearch"))?, in_8_bits })
    }
}

fn path(folder: &Path) -> String {
    folder.join("usearch").display().to_string()
}

impl Index for Usearch {
    fn build(&mut self, rows: &Rows, count: usize) -> Result<(), Error> {
        let threads = rayon::current_num_threads();
        self.native.reserve_capacity_and_threads(count, threads).map_err(Error::of("usearch"))?;
        let add = |(id, row): (usize, &&[f32])| self.native.add(id as u64, row);
        rows.base(count)?.par_iter().enumerate().try_for_each(add).map_err(Error::of("usearch"))
    }

    fn save(&self, folder: &Path) -> Result<(), Error> {
        self.native.save(&path(folder)).map_err(Error::of("usearch"))
    }

    fn open(&mut self, folder: &Path, _rows: &Rows, _count: usize) -> Result<(), Error> {
        self.native.load(&path(folder)).map_err(Error::of("usearch"))
    }

    fn search(&self, rows: &Rows, query: &[f32], k: usize, ef: usize) -> Result<Vec<u64>, Error> {
        let wanted = if self.in_8_bits { k * OVERSAMPLE } else { k };
        self.native.change_expansion_search(ef.max(wanted));
        let found = self.native.search(query, wanted).map_err(Error::of("usearch"))?.keys;
        if !self.in_8_bits {
            return Ok(found);
        }
        let score = |id: u64| f32::dot(rows.get(id as usize).ok()?, query).map(|score| (score, id));
        let mut exact: Vec<(f64, u64)> = found.into_iter().filter_map(score).collect();
        exact.sort_by(|a, b| b.0.total_cmp(&a.0));
        exact.truncate(k);
        Ok(exact.into_iter().map(|(_, id)| id).collect())
    }

    fn insert(&mut self, id: u64, vector: &[f32]) -> Result<(), Error> {
        if self.native.size() == self.native.capacity() {
            self.native.reserve(self.native.size() + ROOM).map_err(Error::of("usearch"))?;
        }
        self.native.add(id, vector).map_err(Error::of("usearch"))
    }
}
