//! Files of every format: they are read and stored as they say, or an error names the place.
#![no_main]

use std::collections::BTreeMap;
use std::io::Write;

use libfuzzer_sys::fuzz_target;
use mnemon::import::{self, Format, Import, ImportError, Options, jsonl};
use mnemon::{ContextManager, Error, ListFilter, Memory, Role, Scope};

const NAME: &str = "some file";

/// The bits of the first two bytes.
fn options(bits: u16) -> Options {
    let mut options = Options::default();
    options.format = match bits & 3 {
        0 => None,
        n => Format::ALL.get(usize::from(n) - 1).copied(),
    };
    options.skip_invalid = bits & 4 != 0;
    options.day_first = (bits & 8 != 0).then_some(bits & 16 != 0);
    if bits & 32 != 0 {
        options.session_gap = None;
    }
    if bits & 64 != 0 {
        options.source = Some("given".into());
    }
    if bits & 128 != 0 {
        options.roles = BTreeMap::from([("Nora".into(), Role::Assistant), ("bot".into(), Role::User)]);
    }
    options.max_bytes = if bits & 256 != 0 { 64 } else { 1 << 20 };
    options
}

fn all(memory: &ContextManager, scope: &Scope) -> Vec<Memory> {
    let all = ListFilter { limit: usize::MAX, ..ListFilter::default() };
    memory.in_scope(scope.clone()).list(&all).expect("what was stored is read")
}

fn check_error(error: &ImportError) {
    let text = error.to_string();
    let names_place = match error {
        ImportError::Invalid { place, .. } => !place.to_string().is_empty() && text.contains(&place.to_string()),
        ImportError::TooLarge { .. } => true,
        other => panic!("no error of a parser: {other:?}"),
    };
    assert!(names_place && text.contains(NAME), "{text}");
    assert!(text.len() < 4_096, "an error of {} bytes", text.len());
}

/// Stores it twice, and compares what is there with what was read.
fn store(import: &Import) {
    let memory = ContextManager::builder().without_model().open_in_memory().expect("a store");
    let ingested = match memory.import(import, &mut |_| {}) {
        Ok(ingested) => ingested,
        // The store may refuse what a file can say: metadata that is nested too deeply, names that are none.
        Err(error @ (Error::Store(_) | Error::LongTerm(_))) => {
            assert!(!error.to_string().is_empty());
            return;
        }
        Err(error) => panic!("{error:?}"),
    };
    let given = import.turns() + import.memories();
    assert_eq!(ingested.turns + ingested.memories + ingested.known, given, "{ingested:?}");
    let again = memory.import(import, &mut |_| {}).expect("what was stored is known");
    assert_eq!((again.turns, again.memories, again.known), (0, 0, given), "stored twice");

    let default = Scope::default();
    for conversation in &import.conversations {
        let stored = all(&memory, conversation.scope.as_ref().unwrap_or(&default));
        let is_there = |text: &str| stored.iter().any(|memory| memory.text == text);
        let turns = conversation.sessions.iter().flat_map(|session| &session.turns);
        let missing = turns.map(|turn| &turn.text).chain(conversation.memories.iter().map(|memory| &memory.text));
        for text in missing.filter(|text| !is_there(text)) {
            panic!("{text:?} was read and is not there");
        }
    }
    let stored: usize = memory.scopes().expect("scopes").iter().map(|(scope, _)| all(&memory, scope).len()).sum();
    assert_eq!(stored, ingested.turns + ingested.memories);
    export(&memory);
}

/// What is written as lines is read as lines.
fn export(memory: &ContextManager) {
    let mut lines = Vec::new();
    let mut count = 0;
    for (scope, _) in memory.scopes().expect("scopes") {
        for memory in all(memory, &scope) {
            jsonl::write_memory(&mut lines, &memory, None).expect("it is written");
            count += 1;
        }
    }
    lines.flush().expect("into memory");
    if count == 0 {
        return;
    }
    let options = Options { format: Some(Format::Jsonl), ..Options::default() };
    match import::parse(&lines, NAME, &options) {
        Ok(read) => assert_eq!(read.turns() + read.memories(), count),
        Err(error) => panic!("an export cannot be read: {error}: {}", String::from_utf8_lossy(&lines)),
    }
}

fuzz_target!(|data: &[u8]| {
    let Some((bits, bytes)) = data.split_first_chunk() else { return };
    let options = options(u16::from_le_bytes(*bits));
    match import::read_from(bytes, NAME, &options) {
        Ok(import) => {
            assert!(options.skip_invalid || import.skipped.is_empty());
            // Whatever is read came from the bytes: nothing grows out of a few of them.
            let text: usize = import
                .conversations
                .iter()
                .flat_map(|conversation| &conversation.sessions)
                .flat_map(|session| &session.turns)
                .map(|turn| turn.text.len())
                .sum();
            assert!(text <= 2 * bytes.len(), "{text} bytes of text from {}", bytes.len());
            store(&import);
        }
        Err(error) => check_error(&error),
    }
    if let Err(error) = import::locomo::samples(bytes, NAME, &options) {
        check_error(&error);
    }
    let _ = import::locomo::repair_evidence(&String::from_utf8_lossy(bytes));
});
