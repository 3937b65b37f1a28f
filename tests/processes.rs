//! Several processes with one file.

use std::collections::BTreeSet;

use mnemon::{ContextManager, Kind, ListFilter, Role};

use crate::process::Process;

const NAMES: [&str; 3] = ["curlew", "plover", "turnstone"];
const EACH: usize = 40;

#[test]
fn each_sees_the_writes_of_the_others_at_its_next_query() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("m.db");
    // Two compare meanings and keep an index in memory, one compares words.
    let mut processes: Vec<Process> = [true, true, false]
        .into_iter()
        .zip(NAMES)
        .map(|(with_model, name)| Process::start(&path, name, with_model))
        .collect();
    for round in 0..5 {
        for writer in 0..processes.len() {
            let fact = format!("{} saw {} boats in round {round}", NAMES[writer], 3 + writer);
            // Asked before, so that every index is loaded and has to follow.
            for process in &mut processes {
                assert_eq!(process.ask(&format!("find {fact}")), "no");
            }
            assert_eq!(processes[writer].ask(&format!("observe {fact}")), format!("observed {fact}"));
            for (reader, process) in processes.iter_mut().enumerate() {
                assert_eq!(process.ask(&format!("find {fact}")), "yes", "{fact:?} asked by {}", NAMES[reader]);
            }
        }
    }
    processes.into_iter().for_each(Process::finish);
}

#[test]
fn writing_and_asking_all_at_once_loses_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("m.db");
    let mut processes: Vec<Process> =
        [true, false, false].into_iter().zip(NAMES).map(|(with, name)| Process::start(&path, name, with)).collect();
    let fact = |name: &str, n: usize| format!("{name} number {n} flies north");
    for (process, name) in processes.iter_mut().zip(NAMES) {
        for n in 0..EACH {
            process.send(&format!("observe {}", fact(name, n)));
            process.send(&format!("find {}", fact(name, n)));
        }
    }
    for (process, name) in processes.iter_mut().zip(NAMES) {
        for n in 0..EACH {
            assert_eq!(process.answer(), Some(format!("observed {}", fact(name, n))));
            assert_eq!(process.answer().as_deref(), Some("yes"), "{name} does not find its own number {n}");
        }
    }
    for name in NAMES {
        for process in &mut processes {
            assert_eq!(process.ask(&format!("find {}", fact(name, EACH - 1))), "yes");
        }
    }
    processes.into_iter().for_each(Process::finish);

    let memory = ContextManager::builder().without_model().open(&path).unwrap();
    assert_eq!(memory.check().unwrap(), []);
    assert_eq!(memory.sessions().unwrap().len(), NAMES.len());
    let filter = ListFilter { kind: Some(Kind::Turn), limit: usize::MAX, ..Default::default() };
    let turns = memory.list(&filter).unwrap();
    assert_eq!(turns.len(), 2 * EACH * NAMES.len());
    let users = turns.iter().filter(|memory| memory.turn.as_ref().is_some_and(|turn| turn.role == Role::User));
    let texts: BTreeSet<String> = users.map(|memory| memory.text.clone()).collect();
    let expected = NAMES.iter().flat_map(|name| (0..EACH).map(move |n| fact(name, n))).collect::<BTreeSet<_>>();
    assert_eq!(texts, expected);
}
