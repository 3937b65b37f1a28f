//! Nearest neighbours: ours, usearch, hnsw_rs used directly, and a plain scan in f32.
//!
//! The rows of vectors.f32 are unit vectors of 384 values. The first `count` are the base, named by their number; rows
//! from 100,000 on are what is asked and inserted.
//!
//! | request | answer |
//! |---|---|
//! | `{"op": "build", "count": N, "threads": T, "folder": DIR}` | what it took, what saving it took, bytes saved |
//! | `{"op": "open", "count": N, "folder": DIR}` | what opening and the first answer took, memory that came with it |
//! | `{"op": "search", "from": I, "count": N, "k": K, "ef": E}` | what each took, the ids that were found |
//! | `{"op": "insert", "from": I, "count": N}` | what each took, how many the next search found |
//! | `{"op": "save", "folder": DIR}` | what it took |

mod hnsw;
mod ours;
mod scan;
mod usearch;

use std::fs::File;
use std::path::{Path, PathBuf};

use memmap2::Mmap;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::clock::{Latencies, Memory, timed};
use crate::error::Error;

pub(crate) const DIMENSION: usize = 384;

/// Neighbours of a node in the upper layers, twice as many in the lowest: the same for every graph.
pub(crate) const M: usize = 16;
/// How wide each graph is searched to place a new node.
pub(crate) const EF_CONSTRUCTION: usize = 200;

/// An index over rows of unit vectors.
pub(crate) trait Index: Send {
    /// Adds rows 0 to `count` on the current pool of rayon.
    fn build(&mut self, rows: &Rows, count: usize) -> Result<(), Error>;
    /// Writes it to an empty folder.
    fn save(&self, folder: &Path) -> Result<(), Error>;
    /// Reads it from a folder; `rows` are the vectors that it was built from.
    fn open(&mut self, folder: &Path, rows: &Rows, count: usize) -> Result<(), Error>;
    /// The nearest `k` rows, the nearest first. `ef` of a graph; others ignore it.
    fn search(&self, rows: &Rows, query: &[f32], k: usize, ef: usize) -> Result<Vec<u64>, Error>;
    /// Adds a row.
    fn insert(&mut self, id: u64, vector: &[f32]) -> Result<(), Error>;
    /// Adds a row and its place in a durable file, where that is more than `insert` and `save`.
    fn insert_durably(&mut self, _id: u64, _vector: &[f32], _folder: &Path) -> Result<bool, Error> {
        Ok(false)
    }
}

/// The vectors in their file, which the kernel keeps in its cache.
pub(crate) struct Rows(Mmap);

impl Rows {
    /// The vectors of a file.
    pub(crate) fn open(file: &Path) -> Result<Self, Error> {
        let failed = |source| Error::File { file: file.to_owned(), source };
        let opened = File::open(file).map_err(failed)?;
        // SAFETY: the script writes the file once, before any side is started, and nobody changes it.
        let map = unsafe { Mmap::map(&opened) }.map_err(failed)?;
        Ok(Self(map))
    }

    /// The row of this number.
    pub(crate) fn get(&self, row: usize) -> Result<&[f32], Error> {
        let bytes =
            self.0.get(row * DIMENSION * 4..(row + 1) * DIMENSION * 4).ok_or(Error::NotReady("more vectors"))?;
        // SAFETY: the map begins at a page and rows are multiples of 4 bytes, so this is aligned; any bits are an f32.
        let (_, values, _) = unsafe { bytes.align_to::<f32>() };
        Ok(values)
    }

    /// The rows from the first on.
    pub(crate) fn base(&self, count: usize) -> Result<Vec<&[f32]>, Error> {
        (0..count).map(|row| self.get(row)).collect()
    }
}

#[derive(Deserialize)]
#[serde(tag = "op", rename_all = "snake_case")]
enum Request {
    Build { count: usize, threads: usize, folder: PathBuf },
    Open { count: usize, folder: PathBuf },
    Search { from: usize, count: usize, k: usize, ef: usize },
    Insert { from: usize, count: usize },
    Durable { from: usize, count: usize, folder: PathBuf },
}

struct Vectors {
    rows: Rows,
    index: Box<dyn Index>,
}

pub(crate) fn side(name: &str, data: &Path) -> Result<Box<dyn crate::Side>, Error> {
    let index: Box<dyn Index> = match name {
        "ours" => Box::new(ours::Ours::new()?),
        "usearch" => Box::new(usearch::Usearch::new(false)?),
        "usearch-i8+f32" => Box::new(usearch::Usearch::new(true)?),
        "hnsw_rs" => Box::new(hnsw::HnswRs::default()),
        "f32-scan" => Box::new(scan::Scan::default()),
        _ => {
            let known = "ours, usearch, usearch-i8+f32, hnsw_rs, f32-scan";
            return Err(Error::Side { group: "vectors", known, got: name.to_owned() });
        }
    };
    Ok(Box::new(Vectors { rows: Rows::open(&data.join("vectors.f32"))?, index }))
}

impl crate::Side for Vectors {
    fn answer(&mut self, request: &Value) -> Result<Value, Error> {
        let request = Request::deserialize(request)
            .map_err(|error| Error::Request { group: "vectors", got: format!("{request} ({error})") })?;
        let Self { rows, index } = self;
        match request {
            Request::Build { count, threads, folder } => {
                let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().map_err(Error::of("rayon"))?;
                let (took, built) = timed(|| pool.install(|| index.build(rows, count)));
                built?;
                let (saving, saved) = timed(|| index.save(&folder));
                saved?;
                Ok(json!({ "took": took, "saving": saving, "bytes": bytes_in(&folder)? }))
            }
            Request::Open { count, folder } => {
                // The pages of the vectors are in memory before, so that they count for nobody.
                let query = rows.get(crate::vectors::FIRST_QUERY)?;
                let sum: f32 = rows.base(count)?.into_iter().flatten().sum();
                let before = Memory::now();
                let (opening, opened) = timed(|| index.open(&folder, rows, count));
                opened?;
                let (first, found) = timed(|| index.search(rows, query, 10, 64));
                let after = Memory::now();
                let anonymous = after.anonymous.saturating_sub(before.anonymous);
                Ok(
                    json!({ "took": opening, "first": first, "anonymous": anonymous, "found": found?.len(), "sum": sum }),
                )
            }
            Request::Search { from, count, k, ef } => {
                let (mut latencies, mut ids) = (Latencies::default(), Vec::with_capacity(count));
                for row in from..from + count {
                    let query = rows.get(row)?;
                    let (took, found) = timed(|| index.search(rows, query, k, ef));
                    latencies.push(took);
                    ids.push(found?);
                }
                Ok(json!({ "took": latencies, "ids": ids, "each": 1 }))
            }
            Request::Insert { from, count } => {
                let (mut latencies, mut visible) = (Latencies::default(), 0);
                for row in from..from + count {
                    let vector = rows.get(row)?;
                    let (took, inserted) = timed(|| index.insert(row as u64, vector));
                    inserted?;
                    latencies.push(took);
                    visible += usize::from(index.search(rows, vector, 10, 128)?.contains(&(row as u64)));
                }
                Ok(json!({ "took": latencies, "visible": visible }))
            }
            Request::Durable { from, count, folder } => {
                let mut latencies = Latencies::default();
                for row in from..from + count {
                    let vector = rows.get(row)?;
                    let (took, done) = timed(|| -> Result<(), Error> {
                        if !index.insert_durably(row as u64, vector, &folder)? {
                            index.insert(row as u64, vector)?;
                            index.save(&folder)?;
                            sync(&folder)?;
                        }
                        Ok(())
                    });
                    done?;
                    latencies.push(took);
                }
                Ok(json!({ "took": latencies }))
            }
        }
    }
}

/// The rows from here on are asked and inserted; those before are the base.
pub(crate) const FIRST_QUERY: usize = 100_000;

/// A file that cannot be used, with its name.
pub(crate) fn failed(file: &Path) -> impl FnOnce(std::io::Error) -> Error {
    move |source| Error::File { file: file.to_owned(), source }
}

fn bytes_in(folder: &Path) -> Result<u64, Error> {
    let mut bytes = 0;
    for entry in std::fs::read_dir(folder).map_err(failed(folder))? {
        bytes += entry.and_then(|entry| entry.metadata()).map_err(failed(folder))?.len();
    }
    Ok(bytes)
}

/// Waits until every file of a folder is on the disk.
fn sync(folder: &Path) -> Result<(), Error> {
    for entry in std::fs::read_dir(folder).map_err(failed(folder))? {
        let entry = entry.map_err(failed(folder))?;
        File::open(entry.path()).and_then(|file| file.sync_all()).map_err(failed(folder))?;
    }
    Ok(())
}
