//! A process that dies at any moment loses nothing that it has acknowledged.

use std::collections::BTreeSet;
use std::time::Duration;

use mnemon::{ContextManager, Kind, ListFilter, Memory, Placement, Role};

use crate::process::{Process, reply_to};

const ROUNDS: u64 = 20;
/// More than a process can observe before it is killed.
const COMMANDS: u64 = 400;

/// xorshift64*: the moments of the kills, the same in every run as far as a scheduler allows.
struct Random(u64);

impl Random {
    fn below(&mut self, end: u64) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 33) % end
    }
}

#[test]
fn what_was_acknowledged_survives_kill_9() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("m.db");
    let mut random = Random(0x5EED_0009);
    let mut acknowledged = BTreeSet::new();
    for round in 0..ROUNDS {
        // With the model most time goes into embedding, without it into the file.
        let mut process = Process::start(&path, "talk", round % 4 == 0);
        for n in 0..COMMANDS {
            process.send(&format!("observe round {round} number {n} about herons"));
        }
        let wait_for = if round == 7 { 0 } else { random.below(40) };
        for _ in 0..wait_for {
            acknowledged.insert(process.answer().expect("it lives until it is killed"));
        }
        std::thread::sleep(Duration::from_micros(random.below(5_000)));
        process.kill();
        while let Some(answer) = process.answer() {
            acknowledged.insert(answer);
        }

        // Whoever comes next opens the file as if nothing had been.
        let memory = ContextManager::builder().without_model().open(&path).unwrap();
        assert_eq!(memory.check().unwrap(), [], "round {round}");
        check(&memory, &acknowledged);
    }
    assert!(acknowledged.len() > 100, "only {} turns were acknowledged", acknowledged.len());

    // What the processes without a model, or killed, left without a vector gets one.
    let memory = ContextManager::open(&path).unwrap();
    memory.maintain(&mut |_| true).unwrap();
    let stats = memory.get_stats().unwrap();
    assert_eq!(stats.long_term.vectors, stats.store.memories);
    let last = acknowledged.last().and_then(|answer| answer.strip_prefix("observed ")).unwrap();
    // Hundreds of others differ from it by a number.
    let found = memory.query_memory(last, 20).unwrap();
    let texts: Vec<&str> = found.hits.iter().map(|hit| hit.memory.text.as_str()).collect();
    assert!(texts.contains(&last), "{last:?} is not in {texts:#?}");
}

/// Every acknowledged exchange is there once and whole, its turns in their places; nothing is there by half.
#[track_caller]
fn check(memory: &ContextManager, acknowledged: &BTreeSet<String>) {
    let filter = ListFilter { kind: Some(Kind::Turn), limit: usize::MAX, ..Default::default() };
    let turns: Vec<Memory> = memory.list(&filter).unwrap();
    let mut observed = BTreeSet::new();
    for (number, exchange) in turns.chunks(2).enumerate() {
        let [question, answer] = exchange else { panic!("half an exchange: {exchange:?}") };
        assert_eq!(answer.text, reply_to(&question.text));
        for (turn, role, place) in [(question, Role::User, 2 * number), (answer, Role::Assistant, 2 * number + 1)] {
            let turn = turn.turn.as_ref().unwrap();
            assert_eq!((turn.role, turn.position as usize), (role, place));
        }
        assert!(observed.insert(format!("observed {}", question.text)), "{:?} is there twice", question.text);
    }
    let lost: Vec<_> = acknowledged.difference(&observed).collect();
    assert!(lost.is_empty(), "acknowledged and lost: {lost:?}");
    // At most the exchange that was under way when a process was killed is there without an acknowledgement.
    assert!(observed.len() as u64 <= acknowledged.len() as u64 + ROUNDS);
    let stats = memory.get_stats().unwrap();
    let in_window = turns.iter().filter(|turn| turn.turn.as_ref().is_some_and(|t| t.placement == Placement::Window));
    assert_eq!(in_window.count(), stats.short_term.turns);
    assert_eq!(stats.long_term.memories as usize + stats.short_term.turns, turns.len());
}
