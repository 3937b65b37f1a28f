//! Erasing through the door of the library: nothing of it in a prompt, in an answer or on the disk.

use std::path::Path;

use mnemon::{ContextManager, Kind, NewMemory, Scrubbed, Selection};

/// How many of the words stand in the files of the database.
fn on_disk(folder: &Path, words: &[&str]) -> usize {
    let files = std::fs::read_dir(folder).unwrap().map(|file| std::fs::read(file.unwrap().path()).unwrap());
    let all: Vec<u8> = files.flatten().map(|byte| byte.to_ascii_lowercase()).collect();
    words.iter().filter(|word| all.windows(word.len()).any(|window| window == word.as_bytes())).count()
}

#[test]
fn a_conversation_is_erased_from_prompts_answers_and_the_disk() {
    let folder = tempfile::tempdir().unwrap();
    let memory = ContextManager::open(folder.path().join("m.db")).unwrap();
    let talk = memory.in_session("quarzwitz");
    talk.observe("My doctor is called Blomkvarnen", "I'll keep Blomkvarnen in mind.").unwrap();
    talk.observe("She ordered vexiprolol for me", "Take vexiprolol with water.").unwrap();
    memory.in_session("garden").observe("The tomatoes are ripe", "Time to pick them.").unwrap();
    memory.add(&[NewMemory::new(Kind::Fact, "Tomatoes need sun").pinned(true)]).unwrap();
    let words = ["quarzwitz", "blomkvarnen", "vexiprolol"];
    assert_eq!(on_disk(folder.path(), &words), 3);
    let context = talk.build_context("What did my doctor order?").unwrap();
    assert!(context.text().contains("vexiprolol"));

    let session = talk.session().unwrap().unwrap();
    let erasure = memory.erase(&Selection::Session(session)).unwrap();
    assert_eq!((erasure.receipt.memories, erasure.pending.as_deref()), (4, None));
    assert_eq!(on_disk(folder.path(), &words), 0);
    assert_eq!(memory.scrub().unwrap(), Scrubbed::Nothing);
    assert!(memory.verify(erasure.receipt.id, &erasure.ids).unwrap().is_some_and(|verified| verified.holds()));
    assert_eq!(memory.receipts().unwrap(), [erasure.receipt]);

    let context = talk.build_context("What did my doctor order?").unwrap();
    assert!(words[1..].iter().all(|word| !context.text().to_lowercase().contains(word)), "{}", context.text());
    assert!(context.text().contains("Tomatoes need sun"));
    assert!(
        memory
            .query_memory("Which tomatoes are ripe?", 5)
            .unwrap()
            .hits
            .iter()
            .any(|hit| hit.memory.text.contains("ripe"))
    );
    // The handle goes on with a session of the same name.
    talk.observe("Hello again", "Hello.").unwrap();
    assert_ne!(talk.session().unwrap(), Some(session));
    assert_eq!(memory.check().unwrap(), []);

    assert_eq!(memory.erase(&Selection::All).unwrap().receipt.memories, 5);
    assert_eq!(on_disk(folder.path(), &["tomatoes", "hello"]), 0);
    assert_eq!(memory.get_stats().unwrap().store.memories, 0);
}
