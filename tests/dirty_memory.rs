//! A dirty memory: one fact said fifty times must not push everything else out of a prompt.

use mnemon::{ContextManager, ContextRequest, Diversity, Fate, MemoryQuery, NewTurn, Role};

const SAID: [&str; 10] = [
    "I'm allergic to peanuts.",
    "I am allergic to peanuts!",
    "Remember, I'm allergic to peanuts.",
    "As I said, I am allergic to peanuts.",
    "Peanuts: I'm allergic.",
    "i'm allergic to peanuts",
    "I'm allergic to peanuts, you know.",
    "Well, I'm allergic to peanuts.",
    "I'm ALLERGIC to peanuts",
    "I'm allergic to peanuts, as you know.",
];

const OTHER: [&str; 6] = [
    "I don't eat meat, but fish is fine for dinner.",
    "My sister Mira comes to dinner on Friday and she hates onions.",
    "We have only one pan for cooking and the oven is broken.",
    "I'm not allergic to almonds, they are fine.",
    "For dinner I like rice more than pasta.",
    "My son is allergic to strawberries.",
];

/// The question of the day, in between what was said fifty times.
const QUESTION: &str = "What should you know about my food and my allergies before you cook dinner?";

fn dirty() -> ContextManager {
    let memory = ContextManager::builder().open_in_memory().unwrap();
    for round in 0..5 {
        let said = SAID.iter().map(|text| NewTurn::new(Role::User, *text));
        let other = OTHER.get(round).map(|text| NewTurn::new(Role::User, *text));
        memory.in_session(format!("day {round}")).observe_turns(&said.chain(other).collect::<Vec<_>>()).unwrap();
    }
    memory.in_session("day 6").observe_turns(&[NewTurn::new(Role::User, OTHER[5])]).unwrap();
    memory.in_session("today")
}

fn of_peanuts(text: &str) -> bool {
    text.to_lowercase().contains("peanut")
}

#[test]
fn a_fact_said_fifty_times_takes_one_place() {
    let memory = dirty();
    let recall = memory.query_memory(QUESTION, 10).unwrap();
    let peanuts: Vec<_> = recall.hits.iter().filter(|hit| of_peanuts(&hit.memory.text)).collect();
    assert!((1..=2).contains(&peanuts.len()), "{:?}", peanuts.iter().map(|hit| &hit.memory.text).collect::<Vec<_>>());
    // What was left out is accounted for.
    let repeated: usize = peanuts.iter().map(|hit| hit.repeated_by.len()).sum();
    assert!(repeated >= 40, "{repeated} repetitions");
    for other in OTHER {
        assert!(recall.hits.iter().any(|hit| hit.memory.text == other), "{other}");
    }
}

#[test]
fn a_small_prompt_has_room_for_everything_that_was_said() {
    let memory = dirty();
    let context = memory.build_context(ContextRequest::new(QUESTION).budget(240)).unwrap();
    let shown: Vec<&str> = context
        .manifest()
        .items
        .iter()
        .filter(|item| item.fate == Fate::Included && item.source.is_some())
        .map(|item| item.text.as_str())
        .collect();
    for other in OTHER {
        assert!(shown.contains(&other), "{other} is not among {shown:?}");
    }
    assert!((1..=2).contains(&shown.iter().filter(|text| of_peanuts(text)).count()), "{shown:?}");
}

/// The counterpart: without the choice the fact fills the answer, so the tests above can fail.
#[test]
fn without_the_choice_it_would_fill_the_answer() {
    let memory = dirty();
    let query = MemoryQuery::new(QUESTION).diversity(Diversity::None);
    let recall = memory.query_memory(query, 10).unwrap();
    assert!(recall.hits.iter().filter(|hit| of_peanuts(&hit.memory.text)).count() >= 5);
}
