//! Long-term memory with an embedding model that a user might bring.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod words;

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use mnemon_core::{Embedder, Field, Filter, Kind, NewMemory, NewTurn, Placement, Role, Scope, Timestamp};
use mnemon_long_term::{Append, Degradation, Embed, Embedded, Level, LongTerm, LongTermError, RecallQuery};
use mnemon_store::{Counted, ListFilter, MemoryUpdate, NewSession, Store, StoreError, StoreOptions};
use proptest::prelude::*;
use words::Words;

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(1_750_000_000 + second).unwrap()
}

fn scope(user: &str) -> Scope {
    Scope::user_scope(user).unwrap()
}

fn open(path: &Path, embedder: Option<Arc<Words>>) -> LongTerm {
    let store = Arc::new(Store::open(path, StoreOptions::default()).unwrap());
    LongTerm::new(store, embedder.map(|embedder| embedder as Arc<dyn Embedder>), Level::Thorough)
}

fn in_memory(embedder: Option<Arc<Words>>) -> LongTerm {
    let store = Arc::new(Store::open_in_memory().unwrap());
    LongTerm::new(store, embedder.map(|embedder| embedder as Arc<dyn Embedder>), Level::Thorough)
}

fn add(memory: &LongTerm, user: &str, text: &str) -> mnemon_core::MemoryId {
    memory.add(&scope(user), &[NewMemory::new(Kind::Note, text)], Embed::Now, at(0)).unwrap().added[0].id
}

fn recall(memory: &LongTerm, user: &str, text: &str) -> Vec<String> {
    let found = memory.recall(&RecallQuery::new(text, &scope(user), 5)).unwrap();
    found.hits.into_iter().map(|hit| hit.memory.text).collect()
}

#[test]
fn meanings_and_words_both_find() {
    let memory = in_memory(Some(Words::new("w")));
    for text in ["my cat sleeps", "the boat is late", "Zürich in spring"] {
        add(&memory, "ann", text);
    }
    assert_eq!(recall(&memory, "ann", "feline")[0], "my cat sleeps");
    assert_eq!(recall(&memory, "ann", "boats")[0], "the boat is late");
    assert_eq!(recall(&memory, "ann", "zurich")[0], "Zürich in spring");
    assert_eq!(recall(&memory, "bob", "cat"), Vec::<String>::new());
    assert_eq!(recall(&memory, "ann", " \n"), Vec::<String>::new());
}

#[test]
fn a_second_handle_on_the_file_sees_every_change_at_its_next_question() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("m.db");
    let (one, two) = (open(&path, Some(Words::new("w"))), open(&path, Some(Words::new("w"))));
    assert_eq!(recall(&two, "ann", "cat"), Vec::<String>::new());
    let id = add(&one, "ann", "the cat");
    assert_eq!(recall(&two, "ann", "feline"), ["the cat"]);
    let other = MemoryUpdate { text: Some("the dog".into()), ..Default::default() };
    two.update(&scope("ann"), id, &other, at(1)).unwrap();
    assert_eq!(recall(&one, "ann", "dog"), ["the dog"]);
    one.delete(&scope("ann"), id).unwrap();
    assert_eq!(recall(&two, "ann", "dog"), Vec::<String>::new());
    add(&two, "ann", "a bird");
    assert_eq!(one.clear(&scope("ann")).unwrap(), 1);
    assert_eq!(recall(&two, "ann", "bird"), Vec::<String>::new());
}

#[test]
fn a_model_that_fails_loses_nothing_and_is_made_up_for() {
    let words = Words::new("w");
    let memory = in_memory(Some(Arc::clone(&words)));
    words.broken.store(true, Ordering::Relaxed);
    let written = memory.add(&scope("ann"), &[NewMemory::new(Kind::Note, "the cat")], Embed::Now, at(0)).unwrap();
    let problem = "the embedding model w failed: the model is away".to_owned();
    assert_eq!(written.degraded, Some(Degradation::ModelFailed { problem: problem.clone() }));
    let found = memory.recall(&RecallQuery::new("cat", &scope("ann"), 5)).unwrap();
    assert_eq!(found.hits.len(), 1);
    assert_eq!(found.degraded, Some(Degradation::ModelFailed { problem }));
    let (embedded, degraded) = memory.embed_pending(&mut |_| true).unwrap();
    assert_eq!((embedded.done, embedded.total), (0, 1));
    assert!(degraded.is_some());

    words.broken.store(false, Ordering::Relaxed);
    assert_eq!(recall(&memory, "ann", "feline"), Vec::<String>::new());
    let maintenance = memory.maintain(&mut |_| true).unwrap();
    assert_eq!((maintenance.embedded, maintenance.degraded), (1, None));
    assert_eq!(recall(&memory, "ann", "feline"), ["the cat"]);
    assert_eq!(memory.embed_pending(&mut |_| true).unwrap().0.total, 0);
}

#[test]
fn without_a_model_words_are_compared_and_the_answer_says_so() {
    let memory = in_memory(None);
    add(&memory, "ann", "the cat");
    let found = memory.recall(&RecallQuery::new("cats", &scope("ann"), 5)).unwrap();
    assert_eq!(found.hits.len(), 1);
    assert_eq!(found.degraded, Some(Degradation::NoModel));
}

#[test]
fn vectors_of_two_models_never_meet() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("m.db");
    add(&open(&path, Some(Words::new("old"))), "ann", "the cat");
    let memory = open(&path, Some(Words::new("new")));
    assert_eq!(recall(&memory, "ann", "feline"), Vec::<String>::new());
    assert_eq!(memory.maintain(&mut |_| true).unwrap().embedded, 0, "the old one serves");
    assert_eq!(recall(&memory, "ann", "feline"), Vec::<String>::new());
    assert_eq!(recall(&open(&path, Some(Words::new("old"))), "ann", "feline"), ["the cat"]);
}

#[test]
fn a_stored_vector_that_is_none_is_left_out_and_no_question_fails() {
    for values in [f32::NAN, f32::INFINITY, 0.0] {
        let memory = in_memory(Some(Words::new("a")));
        add(&memory, "ann", "a boiler in the cellar");
        let known = add(&memory, "ann", "a violin in the attic");
        let model = memory.embedder().unwrap();
        let put = |memory: &LongTerm| {
            memory.store().write(|tx| -> Result<bool, StoreError> {
                let row = tx.scope_id(&scope("ann"))?.unwrap();
                let passages = tx.passages_of(&[tx.memory_row(row, known)?.unwrap()])?;
                tx.put_vector(
                    tx.ensure_model(model.model(), model.dimension())?,
                    passages[0],
                    &vec![values; model.dimension()],
                )
            })
        };
        // Read with the log, and read with the rows.
        assert_eq!(recall(&memory, "ann", "a violin in the attic").len(), 2);
        assert!(put(&memory).unwrap());
        let other = LongTerm::new(Arc::clone(memory.store()), memory.embedder(), Level::default());
        for memory in [&memory, &other] {
            assert_eq!(recall(memory, "ann", "a violin in the attic")[0], "a violin in the attic");
        }
    }
}

#[test]
fn an_import_is_stored_first_and_embedded_after() {
    let memory = in_memory(Some(Words::new("w")));
    let scope = scope("ann");
    let session = memory.store().write(|tx| {
        let row = tx.ensure_scope(&scope)?;
        tx.start_session(row, &NewSession::unnamed(at(0)), at(0))
    });
    let turns: Vec<NewTurn> = (0..600).map(|n| NewTurn::new(Role::User, format!("turn {n} cat"))).collect();
    let append = Append {
        scope: &scope,
        session: &session.unwrap(),
        turns: &turns,
        placement: Placement::LongTerm,
        embed: Embed::Later,
        now: at(0),
    };
    assert_eq!(memory.append(&append).unwrap().added.len(), 600);
    assert_eq!(memory.count(&scope, &ListFilter::default()).unwrap(), 600);
    let mut steps = Vec::new();
    let mut until_300 = |embedded: Embedded| {
        steps.push(embedded.done);
        embedded.done < 300
    };
    memory.embed_pending(&mut until_300).unwrap();
    assert_eq!(steps, [256, 512], "stopped after the second batch");
    // While the second one was stored the third was embedded; it is not thrown away.
    let (rest, _) = memory.embed_pending(&mut |_| true).unwrap();
    assert_eq!((rest.done, rest.total), (0, 0));
}

#[test]
fn a_text_is_embedded_once_in_its_scope() {
    let words = Words::new("w");
    let memory = in_memory(Some(Arc::clone(&words)));
    let notes = |texts: &[&str]| texts.iter().map(|text| NewMemory::new(Kind::Note, *text)).collect::<Vec<_>>();
    let add = |user: &str, texts: &[&str]| {
        memory.add(&scope(user), &notes(texts), Embed::Now, at(0)).unwrap();
        words.taken()
    };
    assert_eq!(add("ann", &["a cat", "a dog", "a cat"]), ["a cat", "a dog"]);
    assert_eq!(add("ann", &["a dog", "a cow", "A dog"]), ["A dog", "a cow"]);
    assert_eq!(add("bob", &["a cat"]), ["a cat"], "what others wrote is not looked at");

    // A turn that is the same text as a note, and one that is not because of who speaks.
    let turns = [NewTurn::new(Role::User, "a cow"), NewTurn::new(Role::User, "a cow").by("Ann")];
    let session = memory.store().write(|tx| tx.start_session(tx.ensure_scope(&scope("ann"))?, &NEW, at(0))).unwrap();
    let now = Append {
        scope: &scope("ann"),
        session: &session,
        turns: &turns,
        placement: Placement::Window,
        embed: Embed::Now,
        now: at(0),
    };
    memory.append(&now).unwrap();
    assert_eq!(words.taken(), ["Ann: a cow"]);

    let listed = memory.list(&scope("ann"), &ListFilter::default()).unwrap();
    let update = |text: &str| {
        let update = MemoryUpdate { text: Some(text.into()), ..MemoryUpdate::default() };
        memory.update(&scope("ann"), listed[0].id, &update, at(1)).unwrap();
        words.taken()
    };
    assert_eq!((update("a cow"), update("a hen"), update("a hen")), (vec![], vec!["a hen".to_owned()], vec![]));

    // Stored first and embedded after: in two batches, of which the second is read while the first is embedded.
    let many: Vec<String> = (0..400).map(|n| format!("item {}", n % 150)).chain(["a cow".into()]).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    memory.add(&scope("ann"), &notes(&many), Embed::Later, at(2)).unwrap();
    assert_eq!(memory.embed_pending(&mut |_| true).unwrap().0.done, 401);
    let embedded = words.taken();
    assert_eq!(embedded.len(), 150, "each item once, and no cow");
    assert!(embedded.windows(2).all(|pair| pair[0] != pair[1]));
    // All of them have the vector of their text.
    memory
        .store()
        .read(|snapshot| -> Result<(), StoreError> {
            let model = snapshot.model(words.model(), 32)?;
            assert_eq!(snapshot.count_without_vector(model)?, 0);
            let mut of_text: HashMap<String, Vec<f32>> = HashMap::new();
            let mut rows = Vec::new();
            for user in ["ann", "bob"] {
                let scope = snapshot.scope_id(&scope(user))?.unwrap();
                snapshot.each_vector_of(scope, model.unwrap(), |passage, vector| -> Result<(), StoreError> {
                    rows.push((passage, vector.to_vec()));
                    Ok(())
                })?;
            }
            assert_eq!(rows.len(), 3 + 3 + 1 + 2 + 401);
            for (passage, vector) in rows {
                let (_, memory) = snapshot.memories(&[snapshot.passages(&[passage])?[0].memory])?.remove(0);
                let speaker = memory.turn.and_then(|turn| turn.speaker).unwrap_or_default();
                let known = of_text.entry(speaker + &memory.text).or_insert_with(|| vector.clone());
                assert_eq!(*known, vector);
            }
            Ok(())
        })
        .unwrap();
    assert_eq!(memory.store().check().unwrap(), []);
}

#[test]
fn only_what_is_forgotten_is_embedded_again() {
    let words = Words::new("w");
    let memory = in_memory(Some(Arc::clone(&words)));
    let first = add(&memory, "ann", "a cat");
    let second = add(&memory, "ann", "a cat");
    memory.delete(&scope("ann"), first).unwrap();
    add(&memory, "ann", "a cat");
    assert_eq!(words.taken(), ["a cat"], "the second one is still there");
    memory.delete(&scope("ann"), second).unwrap();
    memory.clear(&scope("ann")).unwrap();
    add(&memory, "ann", "a cat");
    assert_eq!(words.taken(), ["a cat"], "nothing outlives what it was made of");
    // Nor is the vector of another model taken for it.
    let other = Words::new("other");
    memory.re_embed(&(Arc::clone(&other) as Arc<dyn Embedder>), &mut |_| true).unwrap();
    add(&memory, "ann", "a cat");
    assert_eq!((words.taken(), other.taken()), (vec![], vec!["a cat".to_owned()]), "and now it is one");
}

const NEW: NewSession<'static> = NewSession { name: None, started_at: Timestamp::UNIX_EPOCH, imported: false };

#[test]
fn equal_texts_are_one_hit_and_excluded_rows_none() {
    let memory = in_memory(Some(Words::new("w")));
    for text in ["The cat  sat", "the CAT sat", "a cat stood"] {
        add(&memory, "ann", text);
    }
    assert_eq!(recall(&memory, "ann", "the cat sat").len(), 2);
    let scope = scope("ann");
    let all = memory.recall(&RecallQuery::new("cat", &scope, 5)).unwrap();
    let rows: Vec<i64> = all.hits.iter().map(|hit| hit.row).collect();
    let rest = memory.recall(&RecallQuery { exclude: &rows, ..RecallQuery::new("cat", &scope, 5) }).unwrap();
    assert_eq!(rest.hits.len(), 1, "the other copy of the text that was found");
}

#[test]
fn a_filter_narrows_the_search_itself() {
    let about = |text: String, topic: &str| {
        NewMemory::new(Kind::Note, text).with_metadata([("topic".to_owned(), topic.into())].into_iter().collect())
    };
    for embedder in [None, Some(Words::new("w"))] {
        let memory = in_memory(embedder);
        let ann = scope("ann");
        // More of them than candidates, and each of them nearer.
        let mut notes: Vec<NewMemory> = (0..400).map(|n| about(format!("the cat sat {n}"), "noise")).collect();
        notes.push(about("someone said that a cat sat once, in another year and on another day".into(), "garden"));
        // Its last word is looked for in the whole text.
        let long = "words and ".repeat(80) + "zeppelin";
        notes.extend((0..60).map(|n| about(format!("{long} {n}"), "noise")));
        notes.push(about(format!("{long} sixty"), "garden"));
        let added = memory.add(&ann, &notes, Embed::Now, at(0)).unwrap().added;
        memory.add(&scope("bob"), &[about("the cat sat".into(), "garden")], Embed::Now, at(0)).unwrap();
        let ask = |text, filter: &Filter| -> Vec<String> {
            let query = RecallQuery { filter: Some(filter), relevance_floor: 0.0, ..RecallQuery::new(text, &ann, 500) };
            memory.recall(&query).unwrap().hits.into_iter().map(|hit| hit.memory.text).collect()
        };
        let garden = Field::metadata(["topic"]).eq("garden");
        assert_eq!(ask("the cat sat", &garden)[0], notes[400].text);
        assert!(ask("the cat sat", &garden).iter().all(|text| *text == notes[400].text || *text == notes[461].text));
        assert_eq!(ask("zeppelin", &garden)[0], notes[461].text);
        assert!(ask("the cat sat", &!garden.clone()).iter().all(|text| *text != notes[400].text));
        assert_eq!(ask("the cat sat", &Field::metadata(["topic"]).eq("none")), [""; 0]);
        // The state of the file at the time of the question counts.
        let metadata = Some([("topic".to_owned(), "flat".into())].into_iter().collect());
        let moved = MemoryUpdate { metadata, ..MemoryUpdate::default() };
        memory.update(&ann, added[400].id, &moved, at(1)).unwrap();
        assert!(!ask("the cat sat", &garden).contains(&notes[400].text));

        let wrong = Field::Kind.eq("poem");
        let query = RecallQuery { filter: Some(&wrong), ..RecallQuery::new("cat", &ann, 1) };
        let error = memory.recall(&query).unwrap_err();
        assert!(matches!(error, LongTermError::Store(StoreError::Filter(_))), "{error:?}");
    }
}

#[test]
fn below_the_floor_there_is_no_answer() {
    let (words, other) = (in_memory(None), in_memory(Some(Words::new("w"))));
    for memory in [&words, &other] {
        add(memory, "ann", "the cat sat on the mat");
        add(memory, "ann", "a dog barked at the moon");
    }
    let scope = scope("ann");
    let ask = |memory: &LongTerm, text| memory.recall(&RecallQuery::new(text, &scope, 5)).unwrap();
    let near = ask(&words, "Which cat sat there?");
    let far = ask(&words, "Which tanker, barge or ferry hit the dog rose pier?");
    assert!(near.hits.len() == 1 && near.relevance > far.relevance, "{near:?}");
    assert!(far.hits.is_empty() && far.relevance > Some(0.0), "{far:?}");
    // How near is near is not known of this model.
    let unknown = ask(&other, "Which tanker, barge or ferry hit the dog rose pier?");
    assert!(unknown.relevance.is_none() && unknown.hits.len() == 2, "{unknown:?}");
}

/// Fifty sentences about as many things: several passages.
fn long_text() -> String {
    (0..50).map(|n| format!("Sentence number {n} of this long document tells of thing{n} alone. ")).collect()
}

#[test]
fn a_long_document_is_found_by_each_of_its_passages() {
    let memory = in_memory(Some(Words::new("w")));
    for n in 0..30 {
        add(&memory, "ann", &format!("something else, number {n}"));
    }
    let document = NewMemory::new(Kind::Document, format!("{} The feline sleeps. {}", long_text(), long_text()));
    let id = memory.add(&scope("ann"), &[document], Embed::Now, at(0)).unwrap().added[0].id;
    let stats = |memory: &LongTerm| {
        let stats = memory.store().read(|snapshot| snapshot.stats(memory.store(), Counted::File)).unwrap();
        (stats.memories, stats.passages, stats.vectors[0].1)
    };
    let (memories, passages, vectors) = stats(&memory);
    assert!((memories, vectors) == (31, 31) && passages > 35, "{passages}");
    let scope = scope("ann");
    let question = RecallQuery::new("the cat sleeps", &scope, 5);
    let best = |question: &RecallQuery<'_>| memory.recall(question).unwrap().hits[0].clone();
    let hit = best(&question);
    assert_eq!(hit.memory.id, id);
    assert!(hit.text().contains("The feline sleeps.") && hit.text().len() <= 700, "{}", hit.text());
    assert_eq!(hit.memory.text.get(hit.passage.clone().unwrap()), Some(hit.text()));
    assert_ne!(best(&RecallQuery { exclude: &[hit.row], ..question }).memory.id, id, "no passage of it is wanted");

    let other = MemoryUpdate { text: Some("short now".into()), ..Default::default() };
    memory.update(&scope, id, &other, at(1)).unwrap();
    assert_eq!(stats(&memory), (31, 31, 31));
    let now = best(&RecallQuery::new("short now", &scope, 5));
    assert!(now.memory.id == id && now.signals.cosine.unwrap() > 0.999, "its new passage has its new vector");
    assert_eq!(memory.store().check().unwrap(), []);
}

#[test]
fn what_is_written_is_analysed_at_once() {
    let memory = in_memory(None);
    let scope = scope("ann");
    let session = memory.store().write(|tx| {
        let row = tx.ensure_scope(&scope)?;
        tx.start_session(row, &NewSession::unnamed(at(0)), at(0))
    });
    let turns = [
        NewTurn::new(Role::User, "Where is the ferry?").by("Ann"),
        NewTurn::new(Role::Assistant, "In the harbour.").from_origin("chat", "1"),
        NewTurn::new(Role::Assistant, "In the harbour.").from_origin("chat", "1"),
    ];
    let append = Append {
        scope: &scope,
        session: &session.unwrap(),
        turns: &turns,
        placement: Placement::Window,
        embed: Embed::Later,
        now: at(0),
    };
    let rows: Vec<_> = memory.append(&append).unwrap().added.into_iter().map(|added| added.row).collect();
    assert_eq!(rows[1], rows[2]);
    let found = memory.store().read(|snapshot| -> Result<_, StoreError> {
        let scope = snapshot.scope_id(&scope)?.unwrap();
        let terms: Vec<u32> = mnemon_recall::terms("ann's ferries").collect();
        let mut passages = Vec::new();
        snapshot.each_passage(scope, |passage| passages.push(passage))?;
        assert_eq!(passages.len(), 2);
        let passage = passages.remove(0);
        assert!(terms.iter().all(|term| passage.terms.contains(term)));
        assert_eq!(passage.terms, mnemon_recall::terms("Ann: Where is the ferry?").collect::<Vec<_>>());
        assert!(mnemon_recall::Cues::from_bits(passage.cues).has(mnemon_recall::Cues::ENDS_AS_QUESTION));
        assert_eq!((passage.memory, passage.words, passage.place), (rows[0], 4, 0));
        Ok(snapshot.passages_of_run(passage.run, 1, 1)?.remove(0).memory)
    });
    assert_eq!(found.unwrap(), rows[1], "its answer is its neighbour");
}

#[test]
fn memories_without_passages_are_analysed_when_it_is_asked_for() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("m.db");
    let store = Store::open(&path, StoreOptions::default()).unwrap();
    let texts: Vec<String> = (0..300).map(|n| format!("the cat number{n}")).collect();
    let ids = store.write(|tx| -> Result<Vec<_>, StoreError> {
        let news = texts.iter().map(|text| NewMemory::new(Kind::Note, text.as_str()));
        news.map(|new| Ok(tx.add_memory(&scope("ann"), &new, at(0))?.id)).collect()
    });
    let without = open(&path, None);
    let unanalysed = || store.read(|snapshot| snapshot.count_without_passages(mnemon_recall::ANALYSIS)).unwrap();
    assert_eq!(unanalysed(), 300);

    // Stopped in the middle, it keeps what it did; a memory that is changed meanwhile keeps its new passages.
    let mut other = Some(MemoryUpdate { text: Some("the dog".into()), ..Default::default() });
    let mut steps = Vec::new();
    let stopped = without.embed_pending(&mut |step| {
        if let Some(other) = other.take() {
            without.update(&scope("ann"), ids.as_ref().unwrap()[299], &other, at(1)).unwrap();
        }
        steps.push((step.done, step.total));
        false
    });
    assert_eq!((stopped.unwrap().1, steps, unanalysed()), (None, vec![(0, 300)], 43));
    assert_eq!(without.embed_pending(&mut |_| true).unwrap().1, Some(Degradation::NoModel));
    assert_eq!(unanalysed(), 0);

    let with = open(&path, Some(Words::new("w")));
    let (embedded, degraded) = with.embed_pending(&mut |_| true).unwrap();
    assert_eq!((embedded, degraded), (Embedded { done: 300, total: 300 }, None));
    assert_eq!(recall(&with, "ann", "dog")[0], "the dog");
    assert_eq!(recall(&with, "ann", "feline number7")[0], "the cat number7");
    assert_eq!(store.check().unwrap(), []);
}

#[test]
fn two_that_analyse_at_once_do_the_work_once() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("m.db");
    let (one, two) = (open(&path, Some(Words::new("w"))), open(&path, Some(Words::new("w"))));
    let added = one.store().write(|tx| -> Result<(), StoreError> {
        for n in 0..600 {
            tx.add_memory(&scope("ann"), &NewMemory::new(Kind::Note, format!("note {n}")), at(0))?;
        }
        Ok(())
    });
    added.unwrap();
    let work = |memory: &LongTerm| memory.embed_pending(&mut |_| true).unwrap().0.done;
    let done = std::thread::scope(|threads| {
        let other = threads.spawn(|| work(&two));
        (work(&one), other.join().unwrap())
    });
    assert!(done.0 + done.1 >= 600, "{done:?}");
    let stats = one.store().read(|snapshot| snapshot.stats(one.store(), Counted::File)).unwrap();
    assert_eq!((stats.passages, stats.vectors[0].1), (600, 600));
    assert_eq!(one.store().check().unwrap(), []);
}

#[test]
fn a_book_is_stored_at_once_and_embedded_in_the_end() {
    let memory = in_memory(Some(Words::new("w")));
    let books = [1, 2].map(|n| NewMemory::new(Kind::Document, format!("book{n} {}", long_text().repeat(20))));
    let last = NewMemory::new(Kind::Note, "the feline");
    let written = memory.add(&scope("ann"), &[&books[..], &[last]].concat(), Embed::Now, at(0)).unwrap();
    assert_eq!(written.degraded, None);
    let counts = |memory: &LongTerm| {
        let stats = memory.store().read(|snapshot| snapshot.stats(memory.store(), Counted::File)).unwrap();
        (stats.passages, stats.vectors[0].1)
    };
    let (passages, vectors) = counts(&memory);
    assert_eq!(vectors, 1, "the note; the books are not whole");
    assert_eq!(recall(&memory, "ann", "cat")[0], "the feline");
    assert!(recall(&memory, "ann", "book2")[0].starts_with("book2"));
    let (embedded, _) = memory.embed_pending(&mut |_| true).unwrap();
    assert_eq!((embedded.done, counts(&memory)), (passages - 2 * 64 - 1, (passages, 3)));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    /// Whatever is written, changed and deleted where, a question sees what its scope holds, and no more.
    #[test]
    fn recall_agrees_with_a_plain_list(ops in proptest::collection::vec((0..4usize, 0..3usize, 0..6usize), 1..40)) {
        const WORDS: [&str; 6] = ["cat", "dog", "bird", "fish", "horse", "snake"];
        const USERS: [&str; 3] = ["ann", "bob", "cy"];
        let memory = in_memory(Some(Words::new("w")));
        let mut model: Vec<(usize, mnemon_core::MemoryId, String)> = Vec::new();
        for (n, (op, user, word)) in ops.into_iter().enumerate() {
            match op {
                0 | 1 => {
                    let text = format!("{} {n}", WORDS[word]);
                    model.push((user, add(&memory, USERS[user], &text), text));
                }
                2 if !model.is_empty() => {
                    let chosen = word * 7 % model.len();
                    let (owner, id, text) = &mut model[chosen];
                    let new = format!("{} {n}", WORDS[word]);
                    let update = MemoryUpdate { text: Some(new.clone()), ..Default::default() };
                    let done = memory.update(&scope(USERS[user]), *id, &update, at(1));
                    prop_assert_eq!(done.is_ok(), *owner == user);
                    if done.is_ok() {
                        *text = new;
                    }
                }
                3 if !model.is_empty() => {
                    let chosen = word * 5 % model.len();
                    let done = memory.delete(&scope(USERS[user]), model[chosen].1);
                    prop_assert_eq!(done.is_ok(), model[chosen].0 == user);
                    if done.is_ok() {
                        model.remove(chosen);
                    }
                }
                _ => {}
            }
        }
        for (index, user) in USERS.iter().enumerate() {
            for word in WORDS {
                let scope = scope(user);
                let found = memory.recall(&RecallQuery::new(word, &scope, 100)).unwrap();
                let mut all: Vec<_> = found.hits.iter().map(|hit| hit.memory.text.clone()).collect();
                let matching = found.hits.iter().filter(|hit| hit.signals.text.is_some()).count();
                all.sort();
                let mut expected: Vec<_> = model.iter().filter(|m| m.0 == index).map(|m| m.2.clone()).collect();
                expected.sort();
                prop_assert_eq!(&all, &expected);
                prop_assert_eq!(matching, expected.iter().filter(|text| text.starts_with(word)).count());
            }
        }
    }
}

/// A cache that the log has left behind begins anew, and so does one over a file that was put back to an earlier state.
#[test]
fn what_stands_behind_a_trimmed_log_is_read_anew() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("m.db");
    let (one, two) = (open(&path, Some(Words::new("w"))), open(&path, Some(Words::new("w"))));
    let first = add(&one, "ann", "the cat of house 0");
    assert_eq!(recall(&two, "ann", "cat"), ["the cat of house 0"]);
    one.delete(&scope("ann"), first).unwrap();
    let texts: Vec<NewMemory> =
        (1..6_000).map(|n| NewMemory::new(Kind::Note, format!("the dog of house {n}"))).collect();
    one.add(&scope("ann"), &texts, Embed::Later, at(0)).unwrap();
    add(&one, "ann", "a bird on the roof");
    one.maintain(&mut |_| true).unwrap();
    let log = one.store().read(|snapshot| {
        let scope = snapshot.scope_id(&scope("ann"))?.unwrap();
        snapshot.changes_since(scope, mnemon_store::Head::default())
    });
    assert!(log.map_err(|error: StoreError| error).unwrap().is_none(), "the log was cut");
    assert_eq!(recall(&two, "ann", "bird on the roof")[0], "a bird on the roof");
    let found = recall(&two, "ann", "cat");
    assert!(found.iter().all(|text| !text.contains("cat")), "{found:?}");
    let (asked, cold) = ("Which dog has house 77?", open(&path, Some(Words::new("w"))));
    assert_eq!(recall(&two, "ann", asked), recall(&cold, "ann", asked));
}

#[test]
fn what_knows_a_later_state_than_a_restored_file_begins_anew() {
    use rusqlite::backup::Backup;
    let folder = tempfile::tempdir().unwrap();
    let (path, kept) = (folder.path().join("m.db"), folder.path().join("kept.db"));
    let memory = open(&path, Some(Words::new("w")));
    add(&memory, "ann", "the cat of the house");
    memory.store().backup(&kept, mnemon_store::Existing::Refuse, &mut |_| {}).unwrap();
    add(&memory, "ann", "a bird on the roof");
    assert_eq!(recall(&memory, "ann", "bird")[0], "a bird on the roof");
    // Under the feet of an open cache, which a file that is renamed to its place would not be: page by page.
    let (source, mut target) = (rusqlite::Connection::open(&kept).unwrap(), rusqlite::Connection::open(&path).unwrap());
    Backup::new(&source, &mut target).unwrap().step(-1).unwrap();
    drop(target);
    assert_eq!(recall(&memory, "ann", "bird"), ["the cat of the house"]);
    for text in ["a fish in the pond", "a mouse in the wall"] {
        add(&memory, "ann", text);
    }
    assert_eq!(recall(&memory, "ann", "mouse")[0], "a mouse in the wall");
    assert!(recall(&memory, "ann", "bird").iter().all(|text| !text.contains("bird")));
}

/// What is saved of a scope is read instead of its rows, with what came after it; what cannot be read is made anew.
#[test]
fn what_was_saved_answers_as_what_was_read() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("m.db");
    let open = || {
        let store = Store::open(&path, StoreOptions::default()).unwrap();
        LongTerm::new(Arc::new(store), Some(Words::new("words")), Level::Fast)
    };
    let ann = scope("ann");
    let note = |memory: &LongTerm, text: &str| {
        memory.add(&ann, &[NewMemory::new(Kind::Note, text)], Embed::Now, at(0)).unwrap().added[0].id
    };
    let answers = |memory: &LongTerm| -> Vec<Vec<(i64, f32)>> {
        let questions = ["Where is the cat of house 7?", "Who saw a dog in street 12?", "late news", "first feline"];
        let ask = |question: &&str| {
            let query = RecallQuery { relevance_floor: 0.0, ..RecallQuery::new(question, &ann, 9) };
            let hits = memory.recall(&query).unwrap().hits;
            hits.into_iter().map(|hit| (hit.row, hit.score)).collect()
        };
        questions.iter().map(ask).collect()
    };
    let memory = open();
    let texts = (0..2_100)
        .map(|n| format!("the {} number {n} of house {} and street {}", ["cat", "dog"][n % 2], n % 90, n % 41));
    let news: Vec<NewMemory> = texts.map(|text| NewMemory::new(Kind::Note, text)).collect();
    memory.add(&ann, &news, Embed::Now, at(0)).unwrap();
    let first = note(&memory, "the first feline is gone");
    assert!(memory.maintain(&mut |_| true).unwrap().index_saved);
    assert!(!memory.maintain(&mut |_| true).unwrap().index_saved, "nothing changed");
    note(&memory, "late news of the cat");
    memory.delete(&ann, first).unwrap();
    let expected = answers(&memory);
    assert!(expected.iter().all(|hits| !hits.is_empty()));
    assert_eq!(answers(&open()), expected, "with what came later");

    let db = rusqlite::Connection::open(&path).unwrap();
    let damages = [
        "UPDATE saved_part SET data = zeroblob(length(data)) WHERE number = 0",
        "UPDATE saved_part SET data = substr(data, 1, length(data) - 9) WHERE number = 1",
        "UPDATE saved_part SET number = number + 7 WHERE number = 1",
        "DELETE FROM saved_part",
        "UPDATE saved SET nonce = nonce + 1",
        "UPDATE saved SET seq = seq + 1000",
        "DELETE FROM saved",
    ];
    for damage in damages {
        assert!(db.execute(damage, []).unwrap() > 0, "{damage}");
        assert_eq!(answers(&open()), expected, "{damage}");
        let again = open();
        db.execute_batch("DELETE FROM saved").unwrap();
        assert!(again.maintain(&mut |_| true).unwrap().index_saved);
        assert_eq!(answers(&open()), expected, "saved anew after {damage}");
    }
    // Behind the back of the log: who reads what was saved does not see it.
    db.execute_batch("UPDATE passage SET terms = x''").unwrap();
    assert_eq!(answers(&open()), expected);
    db.execute_batch("DELETE FROM saved").unwrap();
    assert_ne!(answers(&open()), expected);
}
