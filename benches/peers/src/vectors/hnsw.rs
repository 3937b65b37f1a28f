//! hnsw_rs used directly, as a program would that has no index of ours. Of unit vectors the distance L2 gives the order
//! of the cosine; its own dot product ends the process when rounding takes a product above 1.

use std::path::Path;

use hnsw_rs::api::AnnT;
use hnsw_rs::hnswio::HnswIo;
use hnsw_rs::prelude::{DistL2, Hnsw};

use super::{EF_CONSTRUCTION, Index, M, Rows};
use crate::error::Error;

const LAYERS: usize = 16;
const NAME: &str = "hnsw";

#[derive(Default)]
pub(super) struct HnswRs(Option<Hnsw<'static, f32, DistL2>>);

impl HnswRs {
    fn graph(&self) -> Result<&Hnsw<'static, f32, DistL2>, Error> {
        self.0.as_ref().ok_or(Error::NotReady("build or open"))
    }
}

impl Index for HnswRs {
    fn build(&mut self, rows: &Rows, count: usize) -> Result<(), Error> {
        let graph = Hnsw::new(M, count, LAYERS, EF_CONSTRUCTION, DistL2 {});
        let base = rows.base(count)?;
        if rayon::current_num_threads() > 1 {
            let rows: Vec<(&[f32], usize)> = base.into_iter().zip(0..).collect();
            graph.parallel_insert_slice(&rows);
        } else {
            base.into_iter().zip(0..).for_each(|row| graph.insert_slice(row));
        }
        self.0 = Some(graph);
        Ok(())
    }

    fn save(&self, folder: &Path) -> Result<(), Error> {
        self.graph()?.file_dump(folder, NAME).map_err(Error::of("hnsw_rs"))?;
        Ok(())
    }

    fn open(&mut self, folder: &Path, _rows: &Rows, _count: usize) -> Result<(), Error> {
        // What is read borrows from its reader: both stay until the process ends.
        let reader = Box::leak(Box::new(HnswIo::new(folder, NAME)));
        self.0 = Some(reader.load_hnsw::<f32, DistL2>().map_err(Error::of("hnsw_rs"))?);
        Ok(())
    }

    fn search(&self, _rows: &Rows, query: &[f32], k: usize, ef: usize) -> Result<Vec<u64>, Error> {
        Ok(self.graph()?.search(query, k, ef).iter().map(|near| near.d_id as u64).collect())
    }

    fn insert(&mut self, id: u64, vector: &[f32]) -> Result<(), Error> {
        self.graph()?.insert_slice((vector, id as usize));
        Ok(())
    }
}
