//! Changing the embedding model of a file.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::path::Path;
use std::sync::Arc;

use mnemon::{
    ContextManager, Degradation, EmbedError, Embedder, Embeddings, Error, LongTermError, ModelId, OtherModel, Purpose,
};

/// Counts words by their hash; `salt` makes vectors that have nothing to do with those of another.
struct Hashes {
    model: ModelId,
    salt: u64,
}

impl Embedder for Hashes {
    fn model(&self) -> &ModelId {
        &self.model
    }

    fn dimension(&self) -> usize {
        64
    }

    fn embed(&self, texts: &[&str], _: Purpose) -> Result<Embeddings, EmbedError> {
        let mut values = vec![0.01; texts.len() * 64];
        for (row, text) in values.chunks_exact_mut(64).zip(texts) {
            for word in text.split_whitespace() {
                let word = if word == "feline" { "cat" } else { word };
                let hash = word.bytes().fold(5381 + self.salt, |hash, byte| hash.wrapping_mul(33) ^ u64::from(byte));
                row[(hash % 64) as usize] += 1.0;
            }
        }
        Ok(Embeddings::new(64, values))
    }
}

fn model(name: &str, salt: u64) -> Arc<dyn Embedder> {
    Arc::new(Hashes { model: ModelId { name: name.into(), revision: "1".into(), dtype: "f32".into() }, salt })
}

fn open(path: &Path, embedder: &Arc<dyn Embedder>) -> Result<ContextManager, Error> {
    ContextManager::builder().embedder(Arc::clone(embedder)).open(path)
}

/// Asks for what only the meaning finds, and builds a context of it.
#[track_caller]
fn check(memory: &ContextManager) {
    let found = memory.query_memory("feline", 3).unwrap();
    assert_eq!((found.degraded, found.hits[0].memory.text.as_str()), (None, "cat"));
    let context = memory.build_context("feline").unwrap();
    assert!(context.text().contains("cat") && context.manifest().degraded.is_none());
    assert_eq!(context.manifest().model.as_ref(), memory.embedder().as_ref().map(|embedder| embedder.model()));
}

#[test]
fn another_model_is_refused_until_the_file_is_changed_to_it() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("m.db");
    let (old, new) = (model("old", 0), model("new", 9));
    let memory = open(&path, &old).unwrap();
    for text in ["cat", "a ferry", "the moon"] {
        memory.add_memory(text, Default::default()).unwrap();
    }
    check(&memory);

    let refused = open(&path, &new).unwrap_err();
    assert!(matches!(refused, Error::LongTerm(LongTermError::OtherModel { .. })), "{refused:?}");
    assert!(refused.to_string().contains("old@1/f32") && refused.to_string().contains("`re_embed`"), "{refused}");
    let read_only = ContextManager::builder().embedder(Arc::clone(&new)).read_only(true).open(&path);
    assert!(matches!(read_only, Err(Error::LongTerm(LongTermError::OtherModel { .. }))), "{read_only:?}");
    ContextManager::builder().without_model().read_only(true).open(&path).unwrap();

    let words_only = ContextManager::builder().embedder(Arc::clone(&new)).on_other_model(OtherModel::WordsOnly);
    let other = words_only.open(&path).unwrap();
    let found = other.query_memory("cat", 3).unwrap();
    assert!(matches!(found.degraded, Some(Degradation::OtherModel { .. })) && found.hits.len() == 1, "{found:?}");
    let own = other.embedder().unwrap();
    assert!(other.re_embed(&own, &mut |_| true).unwrap().is_done);
    check(&other);
    // The first handle has the old model only, until it is given the new one.
    let told = memory.build_context("cat").unwrap().manifest().clone();
    assert!(matches!(told.degraded, Some(Degradation::OtherModel { .. })), "{told:?}");
    assert_eq!(told.model, None, "it compared nothing");
    memory.observe("good morning", "and to you").unwrap();
    memory.re_embed(&new, &mut |_| true).unwrap();
    check(&memory);
    let stats = memory.get_stats().unwrap();
    assert_eq!((stats.long_term.model.map(|model| model.name), stats.long_term.vectors), (Some("new".to_owned()), 5));
    assert_eq!(stats.store.next_model, None);
    check(&open(&path, &new).unwrap());
}

/// Copies of a file in the middle of a change have all of it; what is erased is gone from both models.
#[test]
fn a_backup_in_the_middle_of_a_change_is_whole() {
    let folder = tempfile::tempdir().unwrap();
    let (path, copy, saved) =
        (folder.path().join("m.db"), folder.path().join("copy.db"), folder.path().join("saved.db"));
    let (old, new) = (model("old", 0), model("new", 9));
    let memory = open(&path, &old).unwrap();
    let gone = memory.add_memory("the password is swordfish", Default::default()).unwrap();
    memory.add_memory("cat", Default::default()).unwrap();
    for n in 0..300 {
        memory.add_memory(format!("note {n}"), Default::default()).unwrap();
    }
    assert!(!memory.re_embed(&new, &mut |_| false).unwrap().is_done);
    memory.erase(&mnemon::Selection::Ids(vec![gone])).unwrap();
    memory.backup(&copy, mnemon::Existing::Refuse, &mut |_| {}).unwrap();
    ContextManager::salvage(&path, &saved, &mut |_| {}).unwrap();
    let other_vectors = |memory: &ContextManager| memory.model_status().unwrap().next.map(|next| next.passages);
    let done = other_vectors(&memory);
    assert!(done > Some(0), "{done:?}");
    for (path, expected) in [(&copy, done), (&saved, None)] {
        let memory = open(path, &old).unwrap();
        assert_eq!(other_vectors(&memory), expected, "a change is begun anew in a file that was repaired");
        assert_eq!(memory.check().unwrap(), []);
        memory.maintain(&mut |_| true).unwrap();
        check(&memory);
        let change = memory.re_embed(&new, &mut |_| true).unwrap();
        assert!(change.is_done && change.embedded == 301 - expected.unwrap_or(0), "{change:?}");
        check(&memory);
        assert_eq!(memory.check().unwrap(), []);
    }
}

#[cfg(feature = "async")]
#[tokio::test]
async fn an_async_handle_changes_the_model_too() {
    let memory = ContextManager::builder().embedder(model("old", 0)).open_in_memory().unwrap();
    let memory = mnemon::AsyncContextManager::from(memory);
    memory.add_memory("cat", Default::default()).await.unwrap();
    assert!(memory.re_embed(model("new", 9), |_| true).await.unwrap().is_done);
    check(memory.blocking());
}
