//! What everybody has without an index: all products in f32, with the instructions that the processor has (simsimd).

use std::fs;
use std::path::Path;

use simsimd::SpatialSimilarity;

use super::{DIMENSION, Index, Rows, failed};
use crate::error::Error;

#[derive(Default)]
pub(super) struct Scan {
    values: Vec<f32>,
    ids: Vec<u64>,
}

impl Index for Scan {
    fn build(&mut self, rows: &Rows, count: usize) -> Result<(), Error> {
        self.values = rows.base(count)?.concat();
        self.ids = (0..count as u64).collect();
        Ok(())
    }

    fn save(&self, folder: &Path) -> Result<(), Error> {
        let bytes: Vec<u8> = self.values.iter().flat_map(|value| value.to_le_bytes()).collect();
        let file = folder.join("f32");
        fs::write(&file, bytes).map_err(failed(&file))
    }

    fn open(&mut self, folder: &Path, _rows: &Rows, _count: usize) -> Result<(), Error> {
        let file = folder.join("f32");
        let bytes = fs::read(&file).map_err(failed(&file))?;
        let values = bytes.as_chunks::<4>().0.iter().map(|bytes| f32::from_le_bytes(*bytes));
        self.values = values.collect();
        self.ids = (0..(self.values.len() / DIMENSION) as u64).collect();
        Ok(())
    }

    fn search(&self, _rows: &Rows, query: &[f32], k: usize, _ef: usize) -> Result<Vec<u64>, Error> {
        // A short sorted list: nearly every score is refused by its end.
        let mut best: Vec<(f64, u64)> = Vec::with_capacity(k + 1);
        for (&id, row) in self.ids.iter().zip(self.values.chunks_exact(DIMENSION)) {
            let score = f32::dot(row, query).unwrap_or(f64::MIN);
            if best.len() < k || best.last().is_some_and(|worst| score > worst.0) {
                let place = best.partition_point(|other| other.0 >= score);
                best.insert(place, (score, id));
                best.truncate(k);
            }
        }
        Ok(best.into_iter().map(|(_, id)| id).collect())
    }

    fn insert(&mut self, id: u64, vector: &[f32]) -> Result<(), Error> {
        self.values.extend_from_slice(vector);
        self.ids.push(id);
        Ok(())
    }
}
