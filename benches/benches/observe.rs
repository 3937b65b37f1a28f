//! Writing: what one durable exchange, one memory and a batch of memories cost beside a bare insert of the same bytes.
//!
//! The bare insert is a row with the text, the vector and the coded pieces in a table of its own file, prepared once, one
//! transaction for as many rows, under the same settings of SQLite. The same is done with vectors that are given (what the
//! engine itself costs) and with the shipped model (what a user waits for).
//!
//! After the figures of criterion comes a table with medians over rounds in which all ways take turns, and one with the
//! bytes that each table of the file takes for a memory.

use std::error::Error;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::hint::black_box;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use criterion::{BenchmarkId, Criterion};
use mnemon::{Config, ContextManager, Durability, Kind, Level, NewMemory, NewTurn, Role};
use mnemon_core::{EmbedError, Embedder, Embeddings, ModelId, Purpose, TextRun, TokenEmbedder, TokenVectors};
use mnemon_embed::{LocateOptions, SentenceTransformer, locate};
use mnemon_recall::{Rotation, Source, analyse, encode, is_content};
use rand_xoshiro::SplitMix64;
use rand_xoshiro::rand_core::{RngCore, SeedableRng};
use rusqlite::{Connection, params};
use tempfile::TempDir;

/// Memories that are in each file before anything is measured.
const BEFORE: usize = 2_000;
/// The words of a text: about 120 characters, 30 to 40 word pieces.
const WORDS: usize = 20;
/// The memories of a batch.
const BATCH: usize = 256;
/// How often each way is measured for the tables: with vectors that are given, and with the model.
const ROUNDS: [usize; 2] = [400, 40];
/// Texts that the model reads for the vectors that are given.
const GIVEN: usize = 64;

/// Texts that were never seen before: words of this project's own documents, in another order each time.
struct Texts {
    words: Vec<&'static str>,
    random: SplitMix64,
}

impl Texts {
    fn new(seed: u64) -> Self {
        let document = concat!(include_str!("../../docs/DESIGN.md"), include_str!("../../docs/ARCHITECTURE.md"));
        let is_plain = |word: &&str| word.chars().all(|c| c.is_ascii_alphanumeric());
        let words = document.split_ascii_whitespace().filter(is_plain).collect();
        Self { words, random: SplitMix64::seed_from_u64(seed) }
    }

    fn text(&mut self) -> String {
        let count = self.words.len() as u64;
        let drawn = (0..WORDS).filter_map(|_| self.words.get((self.random.next_u64() % count) as usize).copied());
        drawn.collect::<Vec<_>>().join(" ") + "."
    }

    fn memory(&mut self) -> NewMemory {
        NewMemory::new(Kind::Note, self.text())
    }
}

/// Gives vectors that the model made of other texts.
struct Given {
    real: Arc<SentenceTransformer>,
    vectors: Embeddings,
    tokens: Vec<TokenVectors>,
}

impl Given {
    fn new(real: Arc<SentenceTransformer>) -> Result<Self, EmbedError> {
        let mut texts = Texts::new(7);
        let texts: Vec<String> = (0..GIVEN).map(|_| texts.text()).collect();
        let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
        let vectors = real.embed(&texts, Purpose::Passage)?;
        let tokens = real.embed_runs(&[TextRun { own: 0..texts.len(), texts }])?;
        Ok(Self { real, vectors, tokens })
    }

    fn number(&self, text: &str) -> usize {
        let mut hasher = DefaultHasher::new();
        text.hash(&mut hasher);
        (hasher.finish() % GIVEN as u64) as usize
    }

    fn vector(&self, text: &str) -> &[f32] {
        self.vectors.get(self.number(text)).unwrap_or_default()
    }

    fn tokens(&self, text: &str) -> TokenVectors {
        self.tokens.get(self.number(text)).cloned().unwrap_or_default()
    }
}

impl Embedder for Given {
    fn model(&self) -> &ModelId {
        self.real.model()
    }

    fn dimension(&self) -> usize {
        Embedder::dimension(&*self.real)
    }

    fn embed(&self, texts: &[&str], _: Purpose) -> Result<Embeddings, EmbedError> {
        let values = texts.iter().flat_map(|text| self.vector(text)).copied().collect();
        Ok(Embeddings::new(Embedder::dimension(self), values))
    }

    fn token_embedder(&self) -> Option<&dyn TokenEmbedder> {
        Some(self)
    }
}

impl TokenEmbedder for Given {
    fn dimension(&self) -> usize {
        Embedder::dimension(self)
    }

    fn embed_runs(&self, runs: &[TextRun<'_>]) -> Result<Vec<TokenVectors>, EmbedError> {
        let texts = runs.iter().flat_map(|run| run.texts.get(run.own()).unwrap_or_default());
        Ok(texts.map(|text| self.tokens(text)).collect())
    }

    fn embed_question(&self, text: &str) -> Result<(Vec<f32>, TokenVectors), EmbedError> {
        self.real.embed_question(text)
    }

    fn piece(&self, id: u32) -> Option<&str> {
        self.real.piece(id)
    }
}

/// A text with what is stored beside it.
struct BareRow {
    text: String,
    vector: Vec<u8>,
    pieces: Option<Vec<u8>>,
}

/// A table without anything.
struct Bare {
    conn: Connection,
    model: Arc<Given>,
    rotation: Option<Rotation>,
}

impl Bare {
    fn new(path: &Path, model: &Arc<Given>, kind: Setting) -> Result<Self, rusqlite::Error> {
        let conn = Connection::open(path)?;
        conn.pragma_update(None, "journal_mode", "WAL")?;
        conn.pragma_update(None, "synchronous", if kind.durability == Durability::Full { "FULL" } else { "NORMAL" })?;
        conn.pragma_update(None, "secure_delete", true)?;
        conn.execute_batch("CREATE TABLE bare (id INTEGER PRIMARY KEY, text TEXT, vector BLOB, pieces BLOB) STRICT")?;
        let rotation = (kind.level == Level::Thorough).then(|| Rotation::new(Embedder::dimension(&**model)));
        Ok(Self { conn, model: Arc::clone(model), rotation })
    }

    fn row(&self, text: String) -> BareRow {
        let vector = self.model.vector(&text).iter().flat_map(|value| value.to_le_bytes()).collect();
        let code = |rotation: &Rotation| {
            let tokens = self.model.tokens(&text);
            encode(rotation, tokens.iter().filter(|(piece, _)| self.model.piece(*piece).is_some_and(is_content)))
        };
        let pieces = self.rotation.as_ref().map(code);
        BareRow { text, vector, pieces }
    }

    fn insert(&self, rows: &[BareRow]) -> Result<(), rusqlite::Error> {
        let tx = rusqlite::Transaction::new_unchecked(&self.conn, rusqlite::TransactionBehavior::Immediate)?;
        {
            let mut insert = tx.prepare_cached("INSERT INTO bare (text, vector, pieces) VALUES (?1, ?2, ?3)")?;
            for row in rows {
                insert.execute(params![row.text, row.vector, row.pieces])?;
            }
        }
        tx.commit()
    }
}

/// Under which settings everything is measured.
#[derive(Debug, Clone, Copy)]
struct Setting {
    durability: Durability,
    level: Level,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    BareExchange,
    Observe,
    BareRow,
    Add,
    BareBatch,
    AddBatch,
    /// What the analysis of a text takes, which is part of each way of the engine.
    Analyse,
    /// What the model takes for the texts of an exchange, for one text, and for a batch of texts.
    EmbedExchange,
    ObserveEmbedded,
    EmbedOne,
    AddEmbedded,
    EmbedBatch,
    AddBatchEmbedded,
}

impl Way {
    /// Each way, how many texts it takes, and what it is measured against.
    const GIVEN: &[(Self, &str, usize, Self)] = &[
        (Self::BareExchange, "bare_exchange", 2, Self::BareExchange),
        (Self::Observe, "observe", 2, Self::BareExchange),
        (Self::BareRow, "bare_row", 1, Self::BareRow),
        (Self::Add, "add", 1, Self::BareRow),
        (Self::BareBatch, "bare_batch", BATCH, Self::BareBatch),
        (Self::AddBatch, "add_batch", BATCH, Self::BareBatch),
        (Self::Analyse, "analyse", 1, Self::Analyse),
    ];
    const EMBEDDED: &[(Self, &str, usize, Self)] = &[
        (Self::EmbedExchange, "embed_exchange", 2, Self::EmbedExchange),
        (Self::ObserveEmbedded, "observe_embedded", 2, Self::EmbedExchange),
        (Self::EmbedOne, "embed_one", 1, Self::EmbedOne),
        (Self::AddEmbedded, "add_embedded", 1, Self::EmbedOne),
        (Self::EmbedBatch, "embed_batch", BATCH, Self::EmbedBatch),
        (Self::AddBatchEmbedded, "add_batch_embedded", BATCH, Self::EmbedBatch),
    ];
}

/// The files that are written to.
struct Place {
    setting: Setting,
    texts: Texts,
    real: Arc<SentenceTransformer>,
    bare: Bare,
    given: ContextManager,
    embedded: ContextManager,
    folder: TempDir,
}

impl Place {
    fn new(setting: Setting, given: &Arc<Given>) -> Result<Self, Box<dyn Error>> {
        let folder = tempfile::tempdir()?;
        let path = |name: &str| folder.path().join(name);
        let mut config = Config::default();
        config.durability = setting.durability;
        config.recall = setting.level;
        let open = |name: &str, embedder: Arc<dyn Embedder>| {
            ContextManager::builder().config(config.clone()).embedder(embedder).open(path(name))
        };
        let real = Arc::clone(&given.real);
        let mut place = Self {
            setting,
            texts: Texts::new(11),
            bare: Bare::new(&path("bare.db"), given, setting)?,
            given: open("given.db", Arc::clone(given) as Arc<dyn Embedder>)?,
            embedded: open("embedded.db", Arc::clone(&real) as Arc<dyn Embedder>)?,
            real,
            folder,
        };
        let before: Vec<NewMemory> = (0..BEFORE).map(|_| place.texts.memory()).collect();
        place.given.add(&before)?;
        let rows: Vec<BareRow> = before.into_iter().map(|memory| place.bare.row(memory.text)).collect();
        place.bare.insert(&rows)?;
        Ok(place)
    }

    /// Does it once with texts that are new. Returns how long it took.
    fn once(&mut self, way: Way, count: usize) -> Result<Duration, Box<dyn Error>> {
        let texts: Vec<String> = (0..count).map(|_| self.texts.text()).collect();
        let memory = |text: &String| NewMemory::new(Kind::Note, text.clone());
        Ok(match way {
            Way::BareExchange | Way::BareRow | Way::BareBatch => {
                let rows: Vec<BareRow> = texts.into_iter().map(|text| self.bare.row(text)).collect();
                let start = Instant::now();
                self.bare.insert(&rows)?;
                start.elapsed()
            }
            Way::Observe | Way::ObserveEmbedded => {
                let memory = if way == Way::Observe { &self.given } else { &self.embedded };
                let roles = [Role::User, Role::Assistant];
                let turns: Vec<NewTurn> = texts.into_iter().zip(roles).map(|(t, role)| NewTurn::new(role, t)).collect();
                let start = Instant::now();
                black_box(memory.observe_turns(&turns)?);
                start.elapsed()
            }
            Way::Add | Way::AddBatch | Way::AddEmbedded | Way::AddBatchEmbedded => {
                let is_given = matches!(way, Way::Add | Way::AddBatch);
                let memories: Vec<NewMemory> = texts.iter().map(memory).collect();
                let file = if is_given { &self.given } else { &self.embedded };
                let start = Instant::now();
                black_box(file.add(&memories)?);
                start.elapsed()
            }
            Way::Analyse => {
                let start = Instant::now();
                for text in &texts {
                    black_box(analyse(&Source { kind: Kind::Note, speaker: None, text, caption: None }));
                }
                start.elapsed()
            }
            Way::EmbedExchange | Way::EmbedOne | Way::EmbedBatch => {
                let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
                let start = Instant::now();
                black_box(self.real.embed(&texts, Purpose::Passage)?);
                if self.setting.level == Level::Thorough {
                    let runs: Vec<TextRun<'_>> = match way {
                        Way::EmbedExchange => vec![TextRun { own: 0..texts.len(), texts }],
                        _ => texts.into_iter().map(|text| TextRun { texts: vec![text], own: 0..1 }).collect(),
                    };
                    black_box(self.real.embed_runs(&runs)?);
                }
                start.elapsed()
            }
        })
    }

    fn name(&self) -> String {
        let durability = if self.setting.durability == Durability::Full { "full" } else { "normal" };
        format!("{durability}_{}", self.setting.level)
    }

    /// Bytes a memory of each table and index, the largest first, as SQLite counts pages.
    fn sizes(&self) -> Result<Vec<(String, f64)>, Box<dyn Error>> {
        let conn = Connection::open(self.folder.path().join("given.db"))?;
        let memories: f64 = conn.query_row("SELECT count(*) FROM memory", [], |row| row.get(0))?;
        let mut tables =
            conn.prepare("SELECT name, sum(pgsize) AS size FROM dbstat GROUP BY name ORDER BY size DESC")?;
        let sizes = tables.query_map([], |row| Ok((row.get(0)?, row.get::<_, f64>(1)? / memories)))?;
        Ok(sizes.collect::<Result<_, _>>()?)
    }
}

fn median(mut times: Vec<Duration>) -> f64 {
    times.sort();
    times.get(times.len() / 2).copied().unwrap_or_default().as_secs_f64() * 1e6
}

fn measure(criterion: &mut Criterion, place: &mut Place) {
    let mut group = criterion.benchmark_group(format!("write_{}", place.name()));
    group.sample_size(20).warm_up_time(Duration::from_millis(500)).measurement_time(Duration::from_secs(2));
    for &(way, name, count, _) in Way::GIVEN.iter().chain(Way::EMBEDDED) {
        group.bench_function(BenchmarkId::from_parameter(name), |b| {
            b.iter_custom(|times| {
                // A failed way takes no time, which is seen.
                (0..times).map(|_| place.once(way, count).unwrap_or_default()).sum()
            });
        });
    }
    group.finish();
}

/// The median of each way in microseconds, all ways taken in turns.
#[expect(clippy::print_stdout, reason = "a bench tells what it measured")]
fn tell(place: &mut Place, rounds: [usize; 2]) -> Result<(), Box<dyn Error>> {
    println!("\n| {:<18} {:<15} | median µs | ratio | above, µs |\n|---|--:|--:|--:|", "way", place.name());
    for (ways, rounds) in [Way::GIVEN, Way::EMBEDDED].into_iter().zip(rounds) {
        let mut times: Vec<Vec<Duration>> = vec![Vec::new(); ways.len()];
        for round in 0..rounds {
            for (&(way, _, count, _), times) in ways.iter().zip(&mut times) {
                // A batch takes long enough to be measured a few times only.
                if count < BATCH || round % 16 == 0 {
                    times.push(place.once(way, count)?);
                }
            }
        }
        let medians: Vec<f64> = times.into_iter().map(median).collect();
        let of = |way: Way| ways.iter().position(|(other, ..)| *other == way).and_then(|at| medians.get(at)).copied();
        for (&(way, name, count, beside), median) in ways.iter().zip(&medians) {
            let beside = of(beside).unwrap_or(*median);
            let (ratio, above) = (median / beside, median - beside);
            let each = if count == BATCH { format!("  ({:.1} each)", median / count as f64) } else { String::new() };
            match of(way) {
                Some(own) if own != beside => {
                    println!("| {name:<34} | {median:>9.0} | {ratio:>5.2} | {above:>9.0} |{each}");
                }
                _ => println!("| {name:<34} | {median:>9.0} |       |           |{each}"),
            }
        }
    }
    println!("\nbytes a memory of about 120 characters, {}", place.setting.level);
    let sizes = place.sizes()?;
    for (name, bytes) in sizes.iter().filter(|(_, bytes)| *bytes >= 0.5) {
        println!("{bytes:>8.0}  {name}");
    }
    println!("{:>8.0}  in all", sizes.iter().map(|(_, bytes)| bytes).sum::<f64>());
    Ok(())
}

fn main() -> Result<(), Box<dyn Error>> {
    let mut criterion = Criterion::default().configure_from_args();
    let args: Vec<String> = std::env::args().skip(1).collect();
    let has = |name: &str| args.iter().any(|arg| arg == name);
    let (is_test, table_only, profile) = (has("--test"), has("table"), has("--profile-time"));
    let real = Arc::new(SentenceTransformer::load(&locate(&LocateOptions::from_env())?)?);
    let given = Arc::new(Given::new(real)?);
    let full = |level| Setting { durability: Durability::Full, level };
    let normal = Setting { durability: Durability::Normal, level: Level::Fast };
    for setting in [full(Level::Fast), full(Level::Thorough), normal] {
        let mut place = Place::new(setting, &given)?;
        if !table_only {
            measure(&mut criterion, &mut place);
        }
        if !profile {
            tell(&mut place, if is_test { [1, 1] } else { ROUNDS })?;
        }
        if is_test {
            break;
        }
    }
    criterion.final_summary();
    Ok(())
}
