//! A memory without an embedding model: poorer, told in the manifest, and made up for when a model comes.

use mnemon::{ContextManager, ContextRequest, Degradation, MemoryQuery};

#[test]
fn a_context_is_built_without_a_model_and_is_better_with_one() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("m.db");
    let question = || ContextRequest::new("Which animal lives with me? Is it my cat?").recent_k(0);
    let cosines = |memory: &ContextManager| -> Vec<bool> {
        let context = memory.build_context(question()).unwrap();
        let recalled = context.manifest().included().filter_map(|item| item.signals);
        recalled.map(|signals| signals.cosine.is_some()).collect()
    };
    {
        let memory = ContextManager::builder().without_model().open(&path).unwrap();
        let observed = memory.observe("My cat is called Miso", "A fine name.").unwrap();
        assert_eq!(observed.degraded, Some(Degradation::NoModel));
        memory.observe("Feline leukaemia needs a vaccine every year", "I'll remind you.").unwrap();

        let context = memory.build_context(question()).unwrap();
        assert!(context.text().contains("> user: My cat is called Miso"), "{}", context.text());
        let manifest = context.manifest();
        assert_eq!((manifest.degraded.clone(), manifest.model.clone()), (Some(Degradation::NoModel), None));
        let told = manifest.degraded.as_ref().unwrap().to_string();
        assert_eq!(told, "no embedding model: only words are compared");
        assert!(cosines(&memory).iter().all(|has| !has));
        // No word of it stands in the memory, and words are all there is.
        assert_eq!(memory.query_memory("kitten jabs", 5).unwrap().hits, []);
        assert_eq!(memory.maintain(&mut |_| true).unwrap().degraded, Some(Degradation::NoModel));
    }

    // Opened with the model, nothing has a vector yet: the question is understood, the memories are found by words.
    let memory = ContextManager::open(&path).unwrap();
    let context = memory.build_context(question()).unwrap();
    assert_eq!(context.manifest().degraded, None);
    assert!(context.text().contains("Miso"));
    assert_eq!(memory.maintain(&mut |_| true).unwrap().embedded, 4);
    assert!(cosines(&memory).iter().all(|has| *has));
    let found = memory.query_memory(MemoryQuery::new("kitten jabs").relevance_floor(0.1), 5).unwrap();
    assert!(found.hits.iter().any(|hit| hit.memory.text.starts_with("Feline")), "{found:?}");

    // And without it again: the vectors are no trouble.
    let memory = ContextManager::builder().without_model().open(&path).unwrap();
    let context = memory.build_context(question()).unwrap();
    assert!(context.text().contains("Miso"));
    assert_eq!(context.manifest().degraded, Some(Degradation::NoModel));
}

#[test]
fn a_model_that_was_asked_for_is_not_replaced_by_another() {
    let folder = tempfile::tempdir().unwrap();
    let mut config = mnemon::Config::default();
    config.model = Some(folder.path().to_owned());
    let error = ContextManager::builder().config(config).open(folder.path().join("m.db")).unwrap_err();
    assert!(matches!(error, mnemon::Error::Model(_)), "{error:?}");
    assert!(error.to_string().contains("lacks config.json"), "{error}");
}
