//! What the store costs alone: adding one memory durably and many at once, reading them back, searching their words, and
//! following the log of changes, over 10,000 notes in a file. No model runs here.

use std::error::Error;
use std::hint::black_box;
use std::time::Instant;

use criterion::{BatchSize, BenchmarkId, Criterion, Throughput};
use mnemon_bench::made::{SESSION, Talk};
use mnemon_core::{Kind, NewMemory, Placement, Scope, Timestamp};
use mnemon_recall::terms;
use mnemon_store::{Durability, NewPassage, NewSession, RowId, Snapshot, Store, StoreError, StoreOptions, TextQuery};

const NOTES: usize = 10_000;
/// Rows that are read, hits that are looked for.
const ROWS: usize = 100;
/// Changes that a cache has to catch up with.
const CHANGES: usize = 100;

fn notes(count: usize) -> Vec<NewMemory> {
    let talk = Talk::new(count);
    let turns = (0..).flat_map(|session| talk.session(session));
    turns.take(count).map(|turn| NewMemory::new(Kind::Note, turn.text)).collect()
}

fn add(store: &Store, scope: &Scope, notes: &[NewMemory]) -> Result<Vec<RowId>, StoreError> {
    store.write(|tx| {
        let add = |note: &NewMemory| {
            let added = tx.add_memory(scope, note, Timestamp::UNIX_EPOCH)?;
            let terms: Vec<u32> = terms(&note.text).collect();
            let (end, words) = (note.text.len(), terms.len() as u32);
            let passage = NewPassage { start: 0, end, words, cues: 0, terms: &terms, is_longer: false, content: 0 };
            tx.put_first_passages(&added, 1, &[passage])?;
            Ok(added.row)
        };
        notes.iter().map(add).collect()
    })
}

/// Threads that add one memory after the other, each durable before the next: they share commits.
fn crowds(criterion: &mut Criterion, scope: &Scope) -> Result<(), Box<dyn Error>> {
    let notes = notes(NOTES);
    let mut group = criterion.benchmark_group("store_add_at_once");
    group.sample_size(20);
    group.throughput(Throughput::Elements(1));
    for threads in [1, 2, 4, 8] {
        let folder = tempfile::tempdir()?;
        let store = Store::open(folder.path().join("store.db"), StoreOptions::default())?;
        group.bench_function(BenchmarkId::from_parameter(threads), |b| {
            // Of all threads together, so that the time of one is what it adds to them.
            b.iter_custom(|count| {
                let start = Instant::now();
                std::thread::scope(|scope_of_threads| {
                    for thread in 0..threads {
                        let mine = count / threads + u64::from(thread < count % threads);
                        let notes = notes.iter().cycle().skip(thread as usize).take(mine as usize);
                        let store = &store;
                        scope_of_threads.spawn(move || {
                            for note in notes {
                                let note = std::slice::from_ref(note);
                                black_box(add(store, scope, note).unwrap_or_else(|error| unreachable!("{error}")));
                            }
                        });
                    }
                });
                start.elapsed()
            });
        });
    }
    group.finish();
    Ok(())
}

fn writes(criterion: &mut Criterion, scope: &Scope) -> Result<(), Box<dyn Error>> {
    let notes = notes(NOTES);
    let mut group = criterion.benchmark_group("store_add");
    group.sample_size(20);
    for durability in [Durability::Full, Durability::Normal] {
        let folder = tempfile::tempdir()?;
        let mut options = StoreOptions::default();
        options.durability = durability;
        let store = Store::open(folder.path().join("store.db"), options)?;
        for count in [1, 500] {
            let mut chunks = notes.chunks_exact(count).cycle();
            group.throughput(Throughput::Elements(count as u64));
            group.bench_function(BenchmarkId::new(format!("{durability:?}"), count), |b| {
                b.iter_batched(
                    || chunks.next().unwrap_or_default(),
                    |chunk| add(&store, scope, chunk).unwrap_or_else(|error| unreachable!("{error}")).len(),
                    BatchSize::PerIteration,
                );
            });
        }
    }
    group.finish();
    Ok(())
}

fn reads(criterion: &mut Criterion, scope: &Scope) -> Result<(), Box<dyn Error>> {
    let folder = tempfile::tempdir()?;
    let mut options = StoreOptions::default();
    options.durability = Durability::Normal;
    let store = Store::open(folder.path().join("store.db"), options)?;
    let rows = add(&store, scope, &notes(NOTES))?;
    let talk = Talk::new(NOTES);
    let session = store.write(|tx| -> Result<_, StoreError> {
        let scope = tx.ensure_scope(scope)?;
        let session = tx.start_session(scope, &NewSession::unnamed(talk.begins(0)), talk.begins(0))?;
        for turn in (0..300 / SESSION).flat_map(|number| talk.session(number)) {
            tx.add_turn(scope, session, &turn, Placement::Window, talk.begins(0))?;
        }
        Ok(session)
    })?;
    let before = store.read(|snapshot| snapshot.head())?;
    add(&store, scope, &notes(CHANGES))?;
    let scope = store.read(|snapshot| snapshot.scope_id(scope))?.ok_or("expected a scope")?;
    // As hits are: from everywhere.
    let scattered: Vec<RowId> = rows.iter().copied().step_by(NOTES / ROWS).collect();
    let questions: Vec<String> = (0..100).map(|number| talk.question(number)).collect();

    let mut group = criterion.benchmark_group("store_read");
    let mut run = |name: &str, read: &dyn Fn(&Snapshot<'_>, &str) -> Result<usize, StoreError>| {
        let mut questions = questions.iter().cycle();
        group.bench_function(name, |b| {
            b.iter(|| {
                let question = questions.next().map_or("", String::as_str);
                let read = store.read(|snapshot| read(snapshot, question));
                black_box(read.unwrap_or_else(|error| unreachable!("{error}")))
            });
        });
    };
    run("snapshot", &|snapshot, _| Ok(usize::from(snapshot.head()? == before)));
    run("100_memories", &|snapshot, _| Ok(snapshot.memories(&scattered)?.len()));
    run("window_of_300", &|snapshot, _| Ok(snapshot.window(scope, session)?.len()));
    run("last_10_of_window", &|snapshot, _| Ok(snapshot.newest_in_window(scope, session, 10)?.len()));
    run("words_of_question", &|snapshot, text| {
        Ok(snapshot.text_search(&TextQuery { text, scope, limit: ROWS })?.len())
    });
    run("log_of_100_changes", &|snapshot, _| {
        Ok(snapshot.changes_since(scope, before)?.map_or(0, |changes| changes.len()))
    });
    group.finish();
    Ok(())
}

fn main() -> Result<(), Box<dyn Error>> {
    let mut criterion = Criterion::default().configure_from_args();
    let scope = Scope::user_scope("nora")?;
    writes(&mut criterion, &scope)?;
    crowds(&mut criterion, &scope)?;
    reads(&mut criterion, &scope)?;
    criterion.final_summary();
    Ok(())
}
