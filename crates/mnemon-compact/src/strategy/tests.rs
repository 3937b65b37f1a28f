//! What holds for every strategy, and what only for one.

use std::collections::BTreeSet;

use mnemon_core::{EstimateCounter, Role};
use proptest::prelude::{ProptestConfig, prop, proptest};
use proptest::strategy::Strategy as _;

use super::*;
use crate::fixtures::WordEmbedder;
use crate::{
    Compacted, Extractive, Fate, HybridMode, MemoryVectors, MessageKind, Vectors, check_order, count_tokens, units,
};

const WORDS: [&str; 12] =
    ["boat", "mast", "harbour", "Oslo", "I decided", "error", "3 May", "wow", "rope", "Ann", "weather", "great"];

/// A conversation of any shape that an agent may hold, good or bad: calls with and without results, results without
/// calls, roles twice in a row, empty messages, messages of the system anywhere.
fn conversation() -> impl proptest::strategy::Strategy<Value = Vec<Message>> {
    let text = prop::collection::vec(prop::sample::select(&WORDS[..]), 0..9).prop_map(|words| words.join(" "));
    let message = (0u8..12, text, 0usize..4, 0u8..12, prop::option::of(prop::sample::select(&["Ann", "Bob"][..])));
    prop::collection::vec(message, 0..60).prop_map(|rows| {
        let mut messages = Vec::new();
        for (i, (shape, text, calls, mark, name)) in rows.into_iter().enumerate() {
            let mut message = match shape {
                0..=3 => Message::user(text),
                4..=6 => Message::assistant(text),
                7 => Message::system(text),
                8 => Message::tool(format!("c{}", i.saturating_sub(1)), text),
                _ => {
                    // Calls, of which the first two are answered.
                    let mut call = Message::assistant(text.clone());
                    for c in 0..calls {
                        call = call.calling(format!("c{i}.{c}"), "look", "{\"at\":\"boat\"}");
                    }
                    messages.push(call);
                    messages.extend((0..calls.min(2)).map(|c| Message::tool(format!("c{i}.{c}"), text.clone())));
                    continue;
                }
            };
            message.critical = mark == 0;
            message.name = name.map(str::to_owned).filter(|_| message.role == Role::User);
            messages.push(message.with_id(format!("m{i}")));
        }
        messages
    })
}

fn all() -> Vec<Box<dyn Strategy>> {
    vec![
        Box::new(Truncate),
        Box::new(RecentAndImportant::default()),
        Box::new(Semantic),
        Box::new(Summarise),
        Box::new(Salient::default()),
        Box::new(Salient { rest: Rest::Summarise, ..Salient::default() }),
        Box::new(Hybrid::new(HybridMode::FirstThatFits, vec![Box::new(Semantic), Box::new(Truncate)])),
        Box::new(Hybrid::new(
            HybridMode::Chained,
            vec![Box::new(RecentAndImportant::default()), Box::new(Summarise), Box::new(Truncate)],
        )),
    ]
}

fn with_means<T>(run: impl FnOnce(&Means<'_>) -> T) -> T {
    let (embedder, cache, extractive) = (WordEmbedder::default(), MemoryVectors::default(), Extractive::default());
    let vectors = Some(Vectors::new(&embedder, &cache));
    run(&Means { counter: &EstimateCounter, vectors, summarizer: &extractive })
}

/// The rules that hold after every strategy, for any conversation.
fn check_rules(messages: &[Message], plan: &Plan, means: &Means<'_>) -> Compacted {
    let compacted = plan.apply(messages, means).unwrap();
    check_order(&compacted.messages).unwrap();
    let mut seen = BTreeSet::new();
    for (message, origins) in compacted.messages.iter().zip(&compacted.origins) {
        for &origin in origins {
            assert!(seen.insert(origin), "message {origin} is in two messages");
            if message.kind == MessageKind::Said {
                let content = messages[origin].content.trim();
                assert!(message.content.contains(content), "{content:?} is not in {:?}", message.content);
            }
        }
    }
    for (position, message) in messages.iter().enumerate() {
        let is_kept = plan.fates()[position] == Fate::Keep;
        assert!(is_kept || !message.is_protected() || message.is_empty(), "message {position} is protected");
        let is_dropped = compacted.dropped.iter().any(|range| range.contains(&position));
        let is_nothing = message.is_empty() && !seen.contains(&position);
        assert!(seen.contains(&position) != is_dropped || is_nothing, "message {position} is nowhere");
        if message.role == Role::System && !message.is_empty() {
            assert!(compacted.messages.contains(message), "message {position} of the system was changed");
        }
    }
    for unit in units(messages) {
        let fates: BTreeSet<Fate> = unit.members.iter().map(|&at| plan.fates()[at]).collect();
        assert_eq!(fates.len(), 1, "calls and results have two fates");
    }
    assert_eq!(compacted.tokens_after, count_tokens(&compacted.messages, means.counter));
    compacted
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(192))]

    #[test]
    fn every_strategy_keeps_the_rules(messages in conversation(), ratio in 0.05f64..1.0, recent in 0usize..12, most in 0usize..400) {
        with_means(|means| {
            for strategy in all() {
                for max_tokens in [None, Some(most)] {
                    let goal = Goal { max_tokens, target_ratio: ratio, keep_recent: recent, summary_max_tokens: 40, ..Goal::default() };
                    let plan = strategy.plan(&messages, &goal, means).unwrap();
                    let compacted = check_rules(&messages, &plan, means);
                    // A second pass over what came out keeps the rules too.
                    let again = strategy.plan(&compacted.messages, &goal, means).unwrap();
                    check_rules(&compacted.messages, &again, means);
                }
            }
        });
    }

    /// Strategies that count tokens stay within the budget when what is protected leaves room.
    #[test]
    fn budgets_are_kept(messages in conversation(), ratio in 0.05f64..1.0, recent in 0usize..12) {
        with_means(|means| {
            let goal = Goal { target_ratio: ratio, keep_recent: recent, summary_max_tokens: 30, ..Goal::default() };
            let budget = goal.budget(&messages, means.counter).unwrap();
            let least = Plan::new("least", &messages, Vec::new(), |_| Fate::Drop).unwrap();
            let room = budget.saturating_sub(least.most_tokens(&messages, means.counter));
            let salient = Salient { rest: Rest::Summarise, ..Salient::default() };
            let strategies: [(&dyn Strategy, usize); 4] =
                [(&Truncate, 0), (&Salient::default(), 0), (&Summarise, 80), (&salient, 80)];
            for (strategy, needed) in strategies {
                let plan = strategy.plan(&messages, &goal, means).unwrap();
                let tokens = plan.apply(&messages, means).unwrap().tokens_after;
                assert!(tokens <= budget || room <= needed, "{}: {tokens} of {budget}", strategy.name());
            }
        });
    }
}

/// Small talk with a fact in every fourth message.
fn talk(count: usize) -> Vec<Message> {
    (0..count)
        .map(|i| match i % 4 {
            0 => Message::user(format!("I bought boat number {i} in Harbour{i} for {} euros.", i * 10)),
            1 => Message::assistant("That is great to hear!"),
            2 => Message::user("Thanks, it really is."),
            _ => Message::assistant("What else is going on?"),
        })
        .collect()
}

#[test]
fn semantic_keeps_a_share_and_the_system_in_order() {
    with_means(|means| {
        let mut messages = talk(60);
        messages.insert(7, Message::system("be kind"));
        let plan = Semantic.plan(&messages, &Goal::ratio(0.4), means).unwrap();
        let kept: Vec<usize> = plan.kept().collect();
        assert_eq!(kept.len(), 24 + 1);
        assert!(kept.is_sorted() && kept.contains(&7));
        let facts = kept.iter().filter(|at| messages[**at].content.contains("bought")).count();
        assert!(facts >= 14, "each fact is a cluster of its own, {facts} are kept");
        assert_eq!(Semantic.plan(&messages, &Goal::ratio(0.01), means).unwrap().kept().count(), 10 + 1);
        assert_eq!(Semantic.plan(&messages[..10], &Goal::ratio(0.01), means).unwrap().kept().count(), 10);
        let short = Goal { max_tokens: Some(300), ..Goal::default() };
        assert!(Semantic.plan(&messages, &short, means).unwrap().most_tokens(&messages, means.counter) <= 300);
    });
}

#[test]
fn recent_and_important_are_kept_once_and_in_order() {
    with_means(|means| {
        let mut messages = talk(30);
        messages[3] = Message::assistant("The ERROR is in the rudder.");
        messages[28] = Message::user("Another error.");
        let goal = Goal::default().keep_recent(4);
        let words = RecentAndImportant::with_words(["error", "bug", "issue", "fix", "important"]);
        let plan = words.plan(&messages, &goal, means).unwrap();
        assert_eq!(plan.kept().collect::<Vec<_>>(), [3, 26, 27, 28, 29]);
    });
}

#[test]
fn truncate_keeps_the_end() {
    with_means(|means| {
        let messages = talk(40);
        let plan = Truncate.plan(&messages, &Goal::ratio(0.5), means).unwrap();
        let first = plan.kept().next().unwrap();
        assert_eq!(plan.ranges(), [(0..first, Fate::Drop), (first..40, Fate::Keep)]);
        assert!((15..30).contains(&first));
    });
}

#[test]
fn summarise_keeps_recent_behind_one_summary() {
    with_means(|means| {
        let mut messages = talk(40);
        messages[5].critical = true;
        let goal = Goal { keep_recent: 6, summary_max_tokens: 90, ..Goal::ratio(0.8) };
        let plan = Summarise.plan(&messages, &goal, means).unwrap();
        let compacted = check_rules(&messages, &plan, means);
        assert_eq!(compacted.summaries.len(), 1);
        let meta = &compacted.summaries[0].meta;
        assert_eq!((meta.ranges.as_slice(), meta.messages, meta.depth), (&[0..5, 6..34][..], 33, 1));
        assert!(meta.tokens_after <= 90 && meta.ratio() < 0.3 && meta.quality.score > 0.3);
        assert!(compacted.messages.iter().any(|m| m.content.contains("great to hear") && m.critical));

        // What comes after it is summarised together with the summary.
        let mut longer = compacted.messages.clone();
        longer.extend(talk(20));
        let plan = Summarise.plan(&longer, &goal, means).unwrap();
        let again = check_rules(&longer, &plan, means);
        let meta = &again.summaries[0].meta;
        assert_eq!(meta.depth, 2);
        assert!(meta.messages > 33 + 15, "{}", meta.messages);
    });
}

#[test]
fn salient_keeps_facts_rather_than_small_talk() {
    with_means(|means| {
        let messages = talk(120);
        for means in [*means, Means { vectors: None, ..*means }] {
            let goal = Goal::ratio(0.6).keep_recent(4);
            let share = |strategy: &dyn Strategy| {
                let plan = strategy.plan(&messages, &goal, &means).unwrap();
                plan.kept().filter(|at| messages[*at].content.contains("bought")).count()
            };
            assert!(share(&Salient::default()) >= 28);
            assert!(share(&Truncate) <= 20);
        }
    });
}

#[test]
fn salient_heeds_priorities() {
    with_means(|means| {
        let mut messages = talk(80);
        messages[1] = Message::assistant("The quiet pelican sleeps.").with_priority(50.0);
        messages[4].priority = 0.0;
        let plan = Salient::default().plan(&messages, &Goal::ratio(0.3), means).unwrap();
        let kept: Vec<usize> = plan.kept().collect();
        assert!(kept.contains(&1) && !kept.contains(&4));
    });
}

#[test]
fn the_next_strategy_answers_and_the_plan_says_why() {
    let extractive = Extractive::default();
    let means = Means { counter: &EstimateCounter, vectors: None, summarizer: &extractive };
    let failing = WordEmbedder::failing();
    let broken = Means { vectors: Some(Vectors::new(&failing, &crate::NoCache)), ..means };
    let messages = talk(40);
    let hybrid = || {
        Hybrid::new(
            HybridMode::FirstThatFits,
            vec![
                Box::new(Semantic),
                Box::new(RecentAndImportant::with_words(["bought", "great", "thanks", "else"])),
                Box::new(Truncate),
            ],
        )
    };
    let goal = Goal::tokens(120);
    for (means, first) in [(means, "expected an embedder"), (broken, "could not be embedded")] {
        let plan = hybrid().plan(&messages, &goal, &means).unwrap();
        assert_eq!(plan.strategy, "truncate");
        let why: Vec<String> = plan.attempts.iter().map(|attempt| attempt.why.to_string()).collect();
        assert!(why[0].contains(first) && why[1].starts_with("expected at most 120 tokens"), "{why:?}");
    }
    let none = Hybrid::new(HybridMode::FirstThatFits, vec![Box::new(Semantic)]).plan(&messages, &goal, &means);
    assert!(matches!(none, Err(CompactError::NoneAnswered(attempts)) if attempts.len() == 1));
}

#[test]
fn a_chain_goes_on_until_the_budget_is_kept() {
    with_means(|means| {
        let messages = talk(80);
        let chain = |strategies| Hybrid::new(HybridMode::Chained, strategies);
        let important = || Box::new(RecentAndImportant::with_words(["bought"]));
        let goal = Goal::tokens(400);
        let plan = chain(vec![important(), Box::new(Truncate)]).plan(&messages, &goal, means).unwrap();
        assert_eq!(plan.strategy, "recent_and_important+truncate");
        check_rules(&messages, &plan, means);
        let kept: Vec<usize> = plan.kept().collect();
        assert!(kept.iter().all(|at| at % 4 == 0 || *at >= 70), "{kept:?}");
        let plan = chain(vec![Box::new(Truncate), important()]).plan(&messages, &goal, means).unwrap();
        assert_eq!(plan.strategy, "truncate");
    });
}

#[test]
fn a_plan_fits_its_messages_only() {
    with_means(|means| {
        let messages = talk(20);
        let plan = Truncate.plan(&messages, &Goal::default(), means).unwrap();
        assert!(matches!(plan.apply(&messages[1..], means), Err(CompactError::BadPlan { .. })));
        let bad = Plan::new("bad", &messages, Vec::new(), |_| Fate::Summarise(0));
        assert!(matches!(bad, Err(CompactError::BadPlan { .. })));
        let wrong = Truncate.plan(&messages, &Goal::ratio(0.0), means);
        assert!(matches!(wrong, Err(CompactError::Setting { .. })));
    });
}

#[test]
fn a_summary_that_is_larger_than_the_budget_takes_half_of_it() {
    with_means(|means| {
        let messages = talk(60);
        let goal = Goal { summary_max_tokens: 5_000, ..Goal::tokens(count_tokens(&messages, &EstimateCounter) / 3) };
        let plan = Salient { rest: Rest::Summarise, ..Salient::default() }.plan(&messages, &goal, means).unwrap();
        let compacted = plan.apply(&messages, means).unwrap();
        assert!(compacted.tokens_after <= goal.max_tokens.unwrap(), "{}", compacted.tokens_after);
        assert!(compacted.summaries.len() == 1 && plan.kept().count() > 5);
    });
}
