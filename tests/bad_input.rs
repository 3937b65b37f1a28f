//! What nobody should give to a memory: each a clear typed error or a defined result, nothing lost, no panic.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use mnemon::tokens::Tokenizer;
use mnemon::{
    Block, Config, ContextManager, ContextRequest, Degradation, EmbedError, Embedder, Embeddings, Error, Kind,
    ListFilter, LongTermError, Metadata, ModelId, NewMemory, NewTurn, OtherModel, Purpose, Role, StoreError, Timestamp,
};

const KNOWN: &str = "The spare key lies under the blue pot";
const QUESTION: &str = "Where is the spare key?";

fn words_only(path: &Path) -> Result<ContextManager, Error> {
    ContextManager::builder().without_model().open(path)
}

/// A question that shows nothing recent, so that what is there was recalled.
fn question() -> ContextRequest {
    ContextRequest::new(QUESTION).recent_k(0)
}

/// The message with its causes.
fn message(error: &dyn std::error::Error) -> String {
    error.source().map_or_else(|| error.to_string(), |source| format!("{error}: {}", message(source)))
}

// ---- models and tokenizers

/// A folder that holds the shipped model, with one file replaced.
fn model_with(file: &str, content: &[u8]) -> tempfile::TempDir {
    let shipped = Path::new(env!("CARGO_MANIFEST_DIR")).join("../models/all-MiniLM-L6-v2");
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("1_Pooling")).unwrap();
    let files = ["1_Pooling/config.json", "config.json", "modules.json", "sentence_bert_config.json", "tokenizer.json"];
    for name in files.into_iter().chain(["model.int8.safetensors"]).filter(|name| *name != file) {
        fs::copy(shipped.join(name), folder.path().join(name)).unwrap();
    }
    fs::write(folder.path().join(file), content).unwrap();
    folder
}

fn shipped(file: &str) -> Vec<u8> {
    fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join("../models/all-MiniLM-L6-v2").join(file)).unwrap()
}

#[test]
fn a_damaged_model_is_named_and_the_memory_stays_as_it_was() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("m.db");
    words_only(&path).unwrap().add_memory(KNOWN, Metadata::new()).unwrap();
    let check = |file: &str, content: &[u8], expected: &str| {
        let model = model_with(file, content);
        let mut config = Config::default();
        config.model = Some(model.path().to_owned());
        let error = ContextManager::builder().config(config).open(&path).unwrap_err();
        assert!(matches!(error, Error::Model(_)), "{file}: {error:?}");
        let message = message(&error);
        assert!(message.contains(file) && message.contains(expected), "{file}: {message}");
        assert!(words_only(&path).unwrap().build_context(question()).unwrap().text().contains(KNOWN));
    };
    let weights = shipped("model.int8.safetensors");
    check("model.int8.safetensors", &weights[..weights.len() / 2], "whole safetensors file");
    check("model.int8.safetensors", &[], "whole safetensors file");
    check("tokenizer.json", b"{}", "cannot use the tokenizer");
    check("tokenizer.json", &shipped("tokenizer.json")[..1000], "cannot use the tokenizer");
    check("config.json", b"hidden_size = 384", "JSON of the known form");
    let wider = String::from_utf8(shipped("config.json")).unwrap().replace("384", "768");
    let model = model_with("config.json", wider.as_bytes());
    fs::remove_dir_all(model.path().join("1_Pooling")).unwrap();
    fs::remove_file(model.path().join("modules.json")).unwrap();
    let mut config = Config::default();
    config.model = Some(model.path().to_owned());
    let message = message(&ContextManager::builder().config(config).open(&path).unwrap_err());
    assert!(message.contains("to have the shape") && message.contains("768"), "{message}");
}

#[test]
fn a_tokenizer_that_is_none_is_an_error_before_anything_is_counted() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("tokenizer.json");
    for content in [&b"{}"[..], b"", b"\xFF\xFE\x00", b"[1, 2"] {
        fs::write(&file, content).unwrap();
        let mut config = Config::default();
        config.tokenizer = Tokenizer::File(file.clone());
        let error = ContextManager::builder().without_model().config(config).open_in_memory().unwrap_err();
        assert!(matches!(error, Error::Tokenizer(_)), "{error:?}");
        assert!(message(&error).contains(&file.display().to_string()), "{}", message(&error));
    }
}

// ---- files

/// A file with enough in it that every table has pages in its middle.
fn filled(folder: &Path) -> PathBuf {
    let path = folder.join("m.db");
    let memory = words_only(&path).unwrap();
    let notes: Vec<_> =
        (0..400).map(|n| NewMemory::new(Kind::Note, format!("note {n}: {KNOWN}, {n} of them"))).collect();
    memory.add(&notes).unwrap();
    memory.observe(KNOWN, "Noted.").unwrap();
    path
}

/// Does everything with a damaged file. Returns what was told of the damage.
fn use_it(path: &Path) -> Vec<String> {
    let memory = match words_only(path) {
        Ok(memory) => memory,
        Err(error) => return vec![message(&error)],
    };
    let mut told = Vec::new();
    let mut tell = |result: Result<(), Error>| told.extend(result.err().map(|error| message(&error)));
    tell(memory.get_stats().map(drop));
    tell(memory.list(&ListFilter { limit: usize::MAX, ..Default::default() }).map(drop));
    tell(memory.query_memory(QUESTION, 50).map(drop));
    tell(memory.build_context(QUESTION).map(drop));
    tell(memory.observe("One more", "Noted.").map(drop));
    match memory.check() {
        Ok(damage) => told.extend(damage.into_iter().map(|damage| damage.detail)),
        Err(error) => told.push(message(&error)),
    }
    told.extend(memory.clear_memory().err().map(|error| message(&error)));
    told
}

#[test]
fn a_file_that_was_cut_off_is_told_and_never_taken_for_whole() {
    let folder = tempfile::tempdir().unwrap();
    let path = filled(folder.path());
    let whole = fs::read(&path).unwrap();
    assert!(whole.len() > 100_000, "{} bytes", whole.len());
    for length in [15, 50, 100, 1000, 4096, 5000, whole.len() / 4, whole.len() / 2, whole.len() - 4096] {
        fs::write(&path, &whole[..length]).unwrap();
        assert_ne!(use_it(&path), Vec::<String>::new(), "cut to {length} of {} bytes", whole.len());
        for beside in ["m.db-wal", "m.db-shm"] {
            let _ = fs::remove_file(folder.path().join(beside));
        }
    }
    fs::write(&path, &whole).unwrap();
    assert_eq!(use_it(&path), Vec::<String>::new());
}

#[test]
fn pages_of_garbage_are_no_reason_to_panic() {
    let folder = tempfile::tempdir().unwrap();
    let path = filled(folder.path());
    let whole = fs::read(&path).unwrap();
    let mut seed = 0x9E37_79B9_7F4A_7C15_u64;
    let mut random = || {
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        seed as usize
    };
    let mut told = 0;
    for _ in 0..30 {
        let mut damaged = whole.clone();
        let start = random() % (whole.len() - 2000);
        for byte in &mut damaged[start..start + 2000] {
            *byte = random() as u8;
        }
        fs::write(&path, &damaged).unwrap();
        told += usize::from(!use_it(&path).is_empty());
        for beside in ["m.db-wal", "m.db-shm"] {
            let _ = fs::remove_file(folder.path().join(beside));
        }
    }
    // Bytes of a text that became other bytes are a text like any other.
    assert!(told > 15, "only {told} of 30 damages were told");
}

#[test]
fn a_log_that_is_none_is_passed_over() {
    let folder = tempfile::tempdir().unwrap();
    let path = filled(folder.path());
    fs::write(folder.path().join("m.db-wal"), b"no log at all ".repeat(5000)).unwrap();
    let memory = words_only(&path).unwrap();
    assert_eq!(memory.count(&ListFilter::default()).unwrap(), 402);
    assert_eq!(memory.check().unwrap(), []);
}

#[test]
fn a_folder_in_the_place_of_the_file_is_an_error_that_names_it() {
    let folder = tempfile::tempdir().unwrap();
    let path = filled(folder.path());
    fs::remove_file(&path).unwrap();
    fs::create_dir(&path).unwrap();
    let error = words_only(&path).unwrap_err();
    assert!(matches!(error, Error::Store(StoreError::CannotOpen { .. })), "{error:?}");
    assert!(error.to_string().contains("m.db"), "{error}");
    assert!(path.is_dir());
    let under_a_file =
        words_only(&folder.path().join("file")).map(drop).and_then(|()| words_only(&folder.path().join("file/m.db")));
    assert!(matches!(under_a_file, Err(Error::Store(StoreError::CannotMakeFolder { .. }))), "{under_a_file:?}");
}

// ---- texts, numbers and times

#[test]
fn enormous_questions_are_refused_or_answered() {
    let memory = ContextManager::builder().open_in_memory().unwrap();
    memory.add_memory(KNOWN, Metadata::new()).unwrap();
    for (input, at_least) in [("where is the key? ".repeat(10 << 16), 2_000_000), ("k".repeat(1_000_000), 10_000)] {
        match memory.build_context(input.as_str()) {
            Err(Error::BudgetTooSmall { needed, budget: 4_000 }) => assert!(needed > at_least, "{needed}"),
            other => panic!("expected BudgetTooSmall, got {other:?}"),
        }
    }
    let found = memory.query_memory("where is the key? ".repeat(10 << 16), 3).unwrap();
    assert_eq!(found.hits.first().map(|hit| hit.memory.text.as_str()), Some(KNOWN));
    memory.query_memory("k".repeat(1_000_000), 3).unwrap();
}

#[test]
fn questions_of_any_characters_are_answered() {
    let memory = ContextManager::builder().open_in_memory().unwrap();
    memory.add_memory(KNOWN, Metadata::new()).unwrap();
    let odd = [
        "",
        " \n\t ",
        "\0",
        "key\0pot",
        "\"",
        "key\" OR \"pot",
        "key* NEAR(pot",
        "-key",
        "^key",
        "{text}: key",
        "AND OR NOT",
        "'; DROP TABLE memory; --",
        "%_",
        "\u{202e}yek",
        "מפתח",
        "\u{feff}key",
        "🔑",
        "e\u{301}\u{301}\u{301}",
        "\u{10ffff}",
    ];
    for question in odd {
        let context = memory.build_context(question).unwrap();
        assert!(context.text().ends_with(question), "{question:?}");
        assert_eq!(context.manifest().degraded, None, "{question:?}");
        assert!(memory.query_memory(question, 5).unwrap().hits.len() <= 1);
    }
    assert_eq!(memory.query_memory("key\0pot", 5).unwrap().hits.len(), 1);
    assert_eq!(memory.count(&ListFilter::default()).unwrap(), 1);
}

#[test]
fn the_largest_numbers_are_limits_like_any_other() {
    let memory = words_only_in_memory();
    memory.observe(KNOWN, "Noted.").unwrap();
    let request = question().budget(usize::MAX).ltm_hits_k(usize::MAX).recent_k(usize::MAX);
    assert!(memory.build_context(request).unwrap().text().contains(KNOWN));
    assert_eq!(memory.query_memory("spare key", usize::MAX).unwrap().hits[0].memory.text, KNOWN);
    assert_eq!(memory.query_memory("spare key", 0).unwrap().hits, []);
    let filter = ListFilter { limit: usize::MAX, offset: usize::MAX, ..Default::default() };
    assert_eq!(memory.list(&filter).unwrap(), []);
}

fn words_only_in_memory() -> ContextManager {
    ContextManager::builder().without_model().open_in_memory().unwrap()
}

#[test]
fn priorities_are_numbers_and_an_infinite_one_stays() {
    let mut config = Config::default();
    config.stm_capacity = 30;
    config.chunk_size = 1;
    let memory = ContextManager::builder().without_model().config(config).open_in_memory().unwrap();
    let turn = |text: &str, priority| NewTurn::new(Role::User, text).with_priority(priority);

    let refused = memory.observe_turns(&[turn("fine by itself", 1.0), turn("not a number", f32::NAN)]);
    assert!(matches!(refused, Err(Error::Store(StoreError::Invalid { field: "priority", .. }))), "{refused:?}");
    assert_eq!(memory.count(&ListFilter::default()).unwrap(), 0, "all or none");

    memory.observe_turns(&[turn("this must stay for ever", f32::INFINITY)]).unwrap();
    memory.observe_turns(&[turn("this need not stay", f32::NEG_INFINITY)]).unwrap();
    for n in 0..10 {
        memory.observe_turns(&[turn(&format!("and on it goes, part {n}"), 1.0)]).unwrap();
    }
    let context = memory.build_context(ContextRequest::new("so?").ltm_hits_k(0).recent_k(100)).unwrap();
    let recent: Vec<_> = context.manifest().included().filter(|item| item.block == Block::Recent).collect();
    assert!(recent.iter().any(|item| item.text == "this must stay for ever"), "{recent:?}");
    assert!(!recent.iter().any(|item| item.text == "this need not stay"), "{recent:?}");
    assert_eq!(memory.count(&ListFilter::default()).unwrap(), 12);
}

#[test]
fn metadata_of_any_depth_is_kept_or_refused_and_never_lost_later() {
    let memory = words_only_in_memory();
    for depth in [1, 60, 99, 100, 126, 127, 128, 129, 200, 1000] {
        let mut value = serde_json::Value::Null;
        for _ in 0..depth {
            value = serde_json::Value::Array(vec![value]);
        }
        let metadata: Metadata = [("nested".to_owned(), value)].into_iter().collect();
        match memory.add_memory(format!("depth {depth}"), metadata.clone()) {
            Ok(id) => {
                let stored = memory.get(id).map(|memory| memory.map(|memory| memory.metadata));
                assert_eq!(stored.unwrap_or_else(|error| panic!("depth {depth}: {}", message(&error))), Some(metadata));
            }
            Err(error) => {
                assert!(depth >= 100, "depth {depth}: {}", message(&error));
                assert!(matches!(error, Error::Store(StoreError::Invalid { field: "metadata", .. })), "{error:?}");
            }
        }
        memory.build_context("which depth?").unwrap();
    }
}

#[test]
fn times_at_the_ends_of_the_calendar_are_times() {
    let memory = words_only_in_memory();
    for (text, at) in
        [("heron first", Timestamp::MIN), ("heron zero", Timestamp::UNIX_EPOCH), ("heron last", Timestamp::MAX)]
    {
        memory.observe_turns(&[NewTurn::new(Role::User, text).at(at)]).unwrap();
        let clock = ContextManager::builder().without_model().clock(move || at).open_in_memory().unwrap();
        clock.observe(text, "Noted.").unwrap();
        assert!(clock.build_context("heron").unwrap().text().contains(text));
    }
    let context = memory.build_context(ContextRequest::new("heron").recent_k(0)).unwrap();
    assert_eq!(context.manifest().included().filter(|item| item.block == Block::Recalled).count(), 3);
    let stored = memory.list(&ListFilter::default()).unwrap();
    assert_eq!(
        stored.iter().map(|memory| memory.occurred_at.unwrap().as_second()).collect::<Vec<_>>(),
        [Timestamp::MIN.as_second(), 0, Timestamp::MAX.as_second()]
    );
}

#[test]
fn names_of_sessions_are_any_text() {
    let memory = words_only_in_memory();
    let long = "n".repeat(100_000);
    for name in ["", " ", "a\0b", "../../etc", "שם", &long] {
        memory.in_session(name).observe(format!("in {} bytes", name.len()), "Noted.").unwrap();
        memory.in_session(name).observe("again", "Noted.").unwrap();
    }
    let sessions = memory.sessions().unwrap();
    assert!(sessions.iter().all(|session| session.turns == 4), "{sessions:?}");
    assert_eq!(sessions.len(), 6);
}

// ---- models of one's own

/// Answers as it is told.
struct Odd {
    model: ModelId,
    dimension: Box<dyn Fn() -> usize + Send + Sync>,
    embed: fn(usize, usize) -> Embeddings,
}

impl Odd {
    fn new(dimension: impl Fn() -> usize + Send + Sync + 'static, embed: fn(usize, usize) -> Embeddings) -> Arc<Self> {
        let model = ModelId { name: "odd".into(), revision: "1".into(), dtype: "f32".into() };
        Arc::new(Self { model, dimension: Box::new(dimension), embed })
    }
}

impl Embedder for Odd {
    fn model(&self) -> &ModelId {
        &self.model
    }

    fn dimension(&self) -> usize {
        (self.dimension)()
    }

    fn embed(&self, texts: &[&str], _: Purpose) -> Result<Embeddings, EmbedError> {
        Ok((self.embed)(texts.len(), (self.dimension)()))
    }
}

/// All texts mean the same.
fn ones(texts: usize, dimension: usize) -> Embeddings {
    Embeddings::new(dimension, vec![1.0; texts * dimension])
}

/// Whatever the model does, turns are stored and found by their words.
#[track_caller]
fn check(odd: Arc<Odd>, expected: &str) {
    let memory = ContextManager::builder().embedder(odd).open_in_memory().unwrap();
    memory.observe(KNOWN, "Noted.").unwrap();
    memory.add_memory(format!("{KNOWN}, the second"), Metadata::new()).unwrap();
    let context = memory.build_context(question()).unwrap();
    assert!(context.text().contains(&format!("> user: {KNOWN}")), "{}", context.text());
    let told = context.manifest().degraded.as_ref().map(Degradation::to_string).unwrap_or_default();
    assert!(told.contains(expected), "expected {expected:?}, got {told:?}");
    let maintained = memory.maintain(&mut |_| true).unwrap();
    assert_eq!(maintained.degraded.is_some(), !expected.is_empty(), "{maintained:?}");
    assert_eq!(memory.count(&ListFilter::default()).unwrap(), 3);
}

#[test]
fn an_embedder_that_does_not_keep_its_word_costs_no_turn() {
    check(Odd::new(|| 4, ones), "");
    check(Odd::new(|| 4, |texts, _| ones(texts, 5)), "vectors of 4 values");
    check(Odd::new(|| 4, |texts, dimension| ones(texts - 1, dimension)), "of 4 values");
    check(Odd::new(|| 4, |texts, dimension| ones(texts + 1, dimension)), "of 4 values");
    check(Odd::new(|| 4, |_, _| Embeddings::default()), "of 4 values");
    check(Odd::new(|| 4, |texts, dimension| Embeddings::new(dimension, vec![0.0; texts * dimension])), "direction");
    check(
        Odd::new(|| 4, |texts, dimension| Embeddings::new(dimension, vec![f32::INFINITY; texts * dimension])),
        "finite",
    );
    check(Odd::new(|| 0, ones), "no embedding model");
    check(Odd::new(|| usize::MAX, |texts, _| ones(texts, 4)), "no embedding model");
}

#[test]
fn an_embedder_that_changes_its_dimension_is_told_and_costs_no_turn() {
    let calls = AtomicUsize::new(3);
    check(Odd::new(move || calls.fetch_add(1, Ordering::Relaxed), ones), "values");

    // The model is changed behind the engine while it runs.
    static DIMENSION: AtomicUsize = AtomicUsize::new(4);
    let memory = ContextManager::builder()
        .embedder(Odd::new(|| DIMENSION.load(Ordering::Relaxed), ones))
        .open_in_memory()
        .unwrap();
    memory.observe(KNOWN, "Noted.").unwrap();
    assert_eq!(memory.build_context(question()).unwrap().manifest().degraded, None);
    DIMENSION.store(8, Ordering::Relaxed);
    let observed = memory.observe("The pot is by the door", "So it is.").unwrap();
    assert!(matches!(observed.degraded, Some(Degradation::ModelFailed { .. })), "{observed:?}");
    let context = memory.build_context(question()).unwrap();
    assert!(context.text().contains(KNOWN));
    assert!(matches!(context.manifest().degraded, Some(Degradation::ModelFailed { .. })));
    DIMENSION.store(4, Ordering::Relaxed);
    assert_eq!(memory.maintain(&mut |_| true).unwrap().embedded, 2);
    assert_eq!(memory.build_context(question()).unwrap().manifest().degraded, None);
}

#[test]
fn a_name_that_is_used_for_two_dimensions_is_refused_and_compared_with_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("m.db");
    let builder = |dimension| ContextManager::builder().embedder(Odd::new(move || dimension, ones));
    builder(4).open(&path).unwrap().observe(KNOWN, "Noted.").unwrap();
    let refused = builder(8).open(&path);
    let is_told = |error: &Error| matches!(error, Error::LongTerm(LongTermError::WrongDimension { .. }));
    assert!(refused.as_ref().is_err_and(is_told), "{refused:?}");
    let memory = builder(8).on_other_model(OtherModel::WordsOnly).open(&path).unwrap();
    let found = memory.query_memory(QUESTION, 1).unwrap();
    assert!(matches!(found.degraded, Some(Degradation::OtherModel { file_dimension: 4, own_dimension: 8, .. })));
    assert_eq!(
        found.hits[0].signals.cosine, None,
        "found by its words, and compared with no vector of the other model"
    );
    assert_eq!(memory.maintain(&mut |_| true).unwrap().embedded, 0);
    let own = memory.embedder().unwrap();
    assert!(memory.re_embed(&own, &mut |_| true).as_ref().is_err_and(is_told), "a name is one model");
    assert_eq!(builder(4).open(&path).unwrap().query_memory(QUESTION, 1).unwrap().degraded, None);
}
