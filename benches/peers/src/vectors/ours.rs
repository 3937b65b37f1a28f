//! mnemon-index, with its survivors ranked anew by the vectors in f32.

use std::fs;
use std::path::Path;

use mnemon_index::{GraphParams, PartsReader, Search, VectorIndex, oversample, rerank};
use rusqlite::{Connection, params};

use super::{DIMENSION, Index, Rows, failed};
use crate::error::Error;

pub(super) struct Ours {
    index: VectorIndex,
    journal: Option<Connection>,
}

impl Ours {
    pub(super) fn new() -> Result<Self, Error> {
        Ok(Self { index: VectorIndex::new(DIMENSION).map_err(Error::of("mnemon-index"))?, journal: None })
    }
}

impl Index for Ours {
    fn build(&mut self, rows: &Rows, count: usize) -> Result<(), Error> {
        for (id, row) in (0..).zip(rows.base(count)?) {
            self.index.insert(id, 0, row).map_err(Error::of("mnemon-index"))?;
        }
        if self.index.graph_due() {
            let job = self.index.graph_job(GraphParams::default()).map_err(Error::of("mnemon-index"))?;
            self.index.install(job.build()).map_err(Error::of("mnemon-index"))?;
        }
        Ok(())
    }

    fn save(&self, folder: &Path) -> Result<(), Error> {
        for (number, part) in self.index.to_parts().enumerate() {
            let file = folder.join(format!("{number:05}"));
            fs::write(&file, part).map_err(failed(&file))?;
        }
        Ok(())
    }

    fn open(&mut self, folder: &Path, _rows: &Rows, _count: usize) -> Result<(), Error> {
        let mut reader = PartsReader::new();
        for number in 0.. {
            let file = folder.join(format!("{number:05}"));
            if !file.exists() {
                break;
            }
            let part = fs::read(&file).map_err(failed(&file))?;
            reader.push(&part).map_err(Error::of("mnemon-index"))?;
        }
        self.index = reader.finish().map_err(Error::of("mnemon-index"))?;
        Ok(())
    }

    fn search(&self, rows: &Rows, query: &[f32], k: usize, ef: usize) -> Result<Vec<u64>, Error> {
        let search = Search { ef: Some(ef), ..Search::new(query, oversample(k)) };
        let found = self.index.search(&search).map_err(Error::of("mnemon-index"))?;
        let exact = found.iter().filter_map(|near| Some((near.id, rows.get(usize::try_from(near.id).ok()?).ok()?)));
        let best = rerank(query, k, exact).map_err(Error::of("mnemon-index"))?;
        Ok(best.iter().filter_map(|near| u64::try_from(near.id).ok()).collect())
    }

    fn insert(&mut self, id: u64, vector: &[f32]) -> Result<(), Error> {
        self.index.insert(id as i64, 0, vector).map_err(Error::of("mnemon-index"))
    }

    /// As the engine does it: a row of SQLite in a transaction of its own, then the index in memory.
    fn insert_durably(&mut self, id: u64, vector: &[f32], folder: &Path) -> Result<bool, Error> {
        if self.journal.is_none() {
            let journal = Connection::open(folder.join("rows.db")).map_err(Error::of("rusqlite"))?;
            let schema = "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; CREATE TABLE vector (id INTEGER PRIMARY KEY, v BLOB)";
            journal.execute_batch(schema).map_err(Error::of("rusqlite"))?;
            self.journal = Some(journal);
        }
        if let Some(journal) = &self.journal {
            let bytes: Vec<u8> = vector.iter().flat_map(|value| value.to_le_bytes()).collect();
            let mut insert =
                journal.prepare_cached("INSERT INTO vector VALUES (?, ?)").map_err(Error::of("rusqlite"))?;
            insert.execute(params![id as i64, bytes]).map_err(Error::of("rusqlite"))?;
        }
        self.insert(id, vector)?;
        Ok(true)
    }
}
