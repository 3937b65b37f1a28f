//! The whole recall against its parts: one vector search, one query of FTS5, and each of its stages, over 1,000, 10,000 and
//! 100,000 turns of two people in one scope.
//!
//! The file is made once a machine, in the folder of the build. The model reads 3,000 of the turns; the vectors of all
//! others are composed of the vectors that it gave the same words there, because reading 100,000 turns would take an
//! hour. Questions are embedded by the model, once before the measurement and every time where the name says so.
//!
//! After the figures of criterion come two tables with medians over 200 questions, all ways taken in turns.

#[path = "recall/made.rs"]
mod made;
#[path = "recall/models.rs"]
mod models;

use std::error::Error;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::hint::black_box;
use std::sync::Arc;
use std::time::{Duration, Instant};

use criterion::{BenchmarkId, Criterion};
use mnemon_bench::made::Talk;
use mnemon_benches::sizes;
use mnemon_core::{Embedder, Purpose, Scope};
use mnemon_embed::{LocateOptions, SentenceTransformer, locate};
use mnemon_index::{GraphParams, Method, Search, TermIndex, VectorIndex};
use mnemon_long_term::{Level, LongTerm, LongTermError, RecallQuery};
use mnemon_recall::terms;
use mnemon_store::{ScopeRow, Store, StoreError, StoreOptions, TextQuery};
use models::Remembering;

const SIZES: [usize; 3] = [1_000, 10_000, 100_000];
const QUESTIONS: usize = 200;
/// How often all questions are asked in each way for the tables.
const ROUNDS: usize = 2;
/// The hits that a caller wants.
const K: usize = 10;
/// The candidates of each way of searching: what recall looks for.
const CANDIDATES: usize = 150;

/// Everything that is measured at one size.
struct Place {
    count: usize,
    model: Arc<Remembering>,
    memory: LongTerm,
    scope: Scope,
    scope_row: ScopeRow,
    /// The same file through other connections: what these cache is no part of recall.
    store: Store,
    index: VectorIndex,
    postings: TermIndex,
    questions: Vec<Asked>,
}

struct Asked {
    text: String,
    vector: Vec<f32>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    /// The vectors, as recall searches them: the graph where there is one.
    Vectors,
    Scan,
    /// Any of the words in the full-text index, by its own `bm25()`.
    FullText,
    /// The same question to the index of terms.
    Terms,
    Fast,
    Thorough,
    FastEmbedded,
    ThoroughEmbedded,
}

impl Way {
    const ALL: [(Self, &str); 8] = [
        (Self::Vectors, "vector_search"),
        (Self::Scan, "vector_scan"),
        (Self::FullText, "fts5_query"),
        (Self::Terms, "term_search"),
        (Self::Fast, "recall_fast"),
        (Self::Thorough, "recall_thorough"),
        (Self::FastEmbedded, "recall_fast_with_embedding"),
        (Self::ThoroughEmbedded, "recall_thorough_with_embedding"),
    ];
}

impl Place {
    fn new(count: usize, real: &Arc<SentenceTransformer>) -> Result<Self, Box<dyn Error>> {
        let (talk, scope) = (Talk::new(count), Scope::user_scope("nora")?);
        let store = made::store(&talk, &scope, real)?;
        let model = Arc::new(Remembering::new(Arc::clone(real)));
        let memory = LongTerm::new(Arc::clone(&store), Some(Arc::clone(&model) as Arc<dyn Embedder>), Level::Thorough);
        memory.maintain(&mut |_| true)?;
        let mut index = VectorIndex::new(real.dimension())?;
        let mut postings = TermIndex::default();
        let scope_row = store.read(|snapshot| -> Result<_, LongTermError> {
            let row = snapshot.model(real.model(), real.dimension())?.ok_or_else(|| missing("model"))?;
            let scope = snapshot.scope_id(&scope)?.ok_or_else(|| missing("scope"))?;
            snapshot.each_vector_of(scope, row, |passage, vector| -> Result<(), LongTermError> {
                Ok(index.insert(passage, 0, vector)?)
            })?;
            let mut passages = Vec::new();
            snapshot.each_passage(scope, |passage| passages.push(passage.terms))?;
            postings = TermIndex::new(passages.iter().map(Vec::as_slice));
            Ok(scope)
        })?;
        if index.graph_due() {
            let graph = index.graph_job(GraphParams::default())?.build();
            index.install(graph)?;
        }
        let path = store.path().ok_or("expected a store in a file")?.to_owned();
        let mut place = Self {
            count,
            model,
            memory,
            scope,
            scope_row,
            store: Store::open(path, StoreOptions::default())?,
            index,
            postings,
            questions: Vec::new(),
        };
        for number in 0..QUESTIONS {
            let text = talk.question(number);
            let explained = place.memory.explain(&place.query(&text, Level::Fast))?.ok_or("expected a question")?;
            let vector = real.embed(&[&explained.embedded], Purpose::Query)?.as_slice().to_vec();
            place.questions.push(Asked { text, vector });
        }
        Ok(place)
    }

    fn query<'a>(&'a self, text: &'a str, level: Level) -> RecallQuery<'a> {
        RecallQuery { level, ..RecallQuery::new(text, &self.scope, K) }
    }

    /// Answers a question in one way. Returns how much was found.
    fn ask(&self, way: Way, asked: &Asked) -> Result<usize, LongTermError> {
        let near = |method| -> Result<usize, LongTermError> {
            let search = Search { method, ..Search::new(&asked.vector, CANDIDATES) };
            Ok(self.index.search(&search)?.len())
        };
        let recall = |level, remember| -> Result<usize, LongTermError> {
            self.model.remember(remember);
            Ok(self.memory.recall(&self.query(&asked.text, level))?.hits.len())
        };
        match way {
            Way::Vectors => near(Method::Auto),
            Way::Scan => near(Method::Exact),
            Way::FullText => self.store.read(|snapshot| {
                let query = TextQuery { text: &asked.text, scope: self.scope_row, limit: CANDIDATES };
                Ok(snapshot.text_search(&query)?.len())
            }),
            Way::Terms => {
                let terms: Vec<u32> = terms(&asked.text).collect();
                Ok(self.postings.search(&terms, CANDIDATES, |_| true).len())
            }
            Way::Fast => recall(Level::Fast, true),
            Way::Thorough => recall(Level::Thorough, true),
            Way::FastEmbedded => recall(Level::Fast, false),
            Way::ThoroughEmbedded => recall(Level::Thorough, false),
        }
    }

    /// The median of each way in milliseconds, each way over all questions before the next one begins.
    fn medians(&self) -> Result<Vec<f64>, LongTermError> {
        let mut times: Vec<Vec<Duration>> = vec![Vec::new(); Way::ALL.len()];
        // The first round fills caches.
        for round in 0..=ROUNDS {
            for ((way, _), times) in Way::ALL.iter().zip(&mut times) {
                for asked in &self.questions {
                    let start = Instant::now();
                    black_box(self.ask(*way, asked)?);
                    if round > 0 {
                        times.push(start.elapsed());
                    }
                }
            }
        }
        Ok(times.into_iter().map(|times| median(times.into_iter().map(milliseconds).collect())).collect())
    }

    /// The median of each stage in milliseconds. What comes before the first stage that is named counts with it.
    fn stages(&self, level: Level) -> Result<Vec<(&'static str, f64)>, LongTermError> {
        self.model.remember(true);
        let mut stages: Vec<(&'static str, Vec<f64>)> = Vec::new();
        for round in 0..=ROUNDS {
            for asked in &self.questions {
                let Some(explained) = self.memory.explain(&self.query(&asked.text, level))? else { continue };
                for stage in explained.stages.iter().filter(|_| round > 0) {
                    let time = stage.micros as f64 / 1e3;
                    match stages.iter_mut().find(|(name, _)| *name == stage.stage) {
                        Some((_, times)) => times.push(time),
                        None => stages.push((stage.stage, vec![time])),
                    }
                }
            }
        }
        Ok(stages.into_iter().map(|(name, times)| (name, median(times))).collect())
    }

    /// Two numbers that are the same as long as recall answers the same: for what is found, and for its scores.
    fn fingerprint(&self, level: Level) -> Result<(u64, u64), LongTermError> {
        let (mut rows, mut scores) = (DefaultHasher::new(), DefaultHasher::new());
        for asked in &self.questions {
            let recall = self.memory.recall(&RecallQuery { relevance_floor: 0.0, ..self.query(&asked.text, level) })?;
            recall.relevance.map(f32::to_bits).hash(&mut scores);
            for hit in recall.hits {
                (hit.row, &hit.repeated_by).hash(&mut rows);
                hit.score.to_bits().hash(&mut scores);
            }
        }
        Ok((rows.finish(), scores.finish()))
    }
}

fn missing(what: &'static str) -> StoreError {
    StoreError::Invalid { field: "file of the bench", expected: "one that was made whole", got: format!("no {what}") }
}

fn milliseconds(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(0.0)
}

fn measure(criterion: &mut Criterion, place: &Place) {
    let mut group = criterion.benchmark_group(format!("recall_{}", place.count));
    group.sample_size(30).warm_up_time(Duration::from_secs(1)).measurement_time(Duration::from_secs(3));
    for (way, name) in Way::ALL {
        let mut questions = place.questions.iter().cycle();
        group.bench_function(BenchmarkId::from_parameter(name), |b| {
            b.iter(|| questions.next().map(|asked| black_box(place.ask(way, asked)).is_ok()));
        });
    }
    group.finish();
}

#[expect(clippy::print_stdout, reason = "a bench tells what it measured")]
fn tell(places: &[Place]) -> Result<(), LongTermError> {
    let header = |what: &str| {
        let sizes: String = places.iter().map(|place| format!(" {:>9} |", place.count)).collect();
        println!("\n| {what:<36} |{sizes}\n|{:-<38}|{}", "", "----------:|".repeat(places.len()));
    };
    let line = |name: &str, values: &[f64]| {
        println!("| {name:<36} |{}", values.iter().map(|value| format!(" {value:>9.3} |")).collect::<String>());
    };
    let medians: Vec<Vec<f64>> = places.iter().map(Place::medians).collect::<Result<_, _>>()?;
    header("median, ms");
    let of = |way: Way| -> Vec<f64> {
        let at = Way::ALL.iter().position(|(other, _)| *other == way).unwrap_or_default();
        medians.iter().map(|medians| medians.get(at).copied().unwrap_or_default()).collect()
    };
    for (way, name) in Way::ALL {
        line(name, &of(way));
    }
    let most: Vec<f64> = of(Way::Vectors).iter().zip(of(Way::FullText)).map(|(a, b)| 2.0 * (a + b)).collect();
    line("2 x (vector_search + fts5_query)", &most);
    let own: Vec<f64> = of(Way::Vectors).iter().zip(of(Way::Terms)).map(|(a, b)| 2.0 * (a + b)).collect();
    line("2 x (vector_search + term_search)", &own);
    for (level, way) in [(Level::Fast, Way::Fast), (Level::Thorough, Way::Thorough)] {
        let share: Vec<f64> = of(way).iter().zip(&most).map(|(recall, most)| recall / most).collect();
        line(&format!("recall_{level} / 2 x (.. + fts5_query)"), &share);
    }
    for (level, way) in [(Level::Fast, Way::Fast), (Level::Thorough, Way::Thorough)] {
        header(&format!("stage, ms, {level}"));
        let stages: Vec<_> = places.iter().map(|place| place.stages(level)).collect::<Result<_, _>>()?;
        let mut rest = of(way);
        for (name, _) in stages.first().into_iter().flatten() {
            let time = |stages: &Vec<(&str, f64)>| {
                stages.iter().find(|(other, _)| other == name).map_or(0.0, |(_, time)| *time)
            };
            let times: Vec<f64> = stages.iter().map(time).collect();
            rest.iter_mut().zip(&times).for_each(|(rest, time)| *rest -= time);
            // The vectors of the questions are remembered: what is left is reading who speaks.
            line(if *name == "embedding" { "read" } else { name }, &times);
        }
        line("choice, hydrate", &rest);
    }
    println!();
    for place in places {
        for level in [Level::Fast, Level::Thorough] {
            let (rows, scores) = place.fingerprint(level)?;
            println!("answers of recall_{level} over {}: {rows:016x}, scores {scores:016x}", place.count);
        }
    }
    Ok(())
}

fn main() -> Result<(), Box<dyn Error>> {
    let mut criterion = Criterion::default().configure_from_args();
    let sizes = sizes("recall", &SIZES, &[]);
    let model = Arc::new(SentenceTransformer::load(&locate(&LocateOptions::from_env())?)?);
    let places: Vec<Place> = sizes.iter().map(|count| Place::new(*count, &model)).collect::<Result<_, _>>()?;
    for place in &places {
        measure(&mut criterion, place);
    }
    criterion.final_summary();
    tell(&places)?;
    Ok(())
}
