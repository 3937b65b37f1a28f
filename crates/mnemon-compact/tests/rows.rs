//! What the crate promises, feature by feature, through what a user calls.
//!
//! A8 summaries, B1 to B4 semantic compaction, C1 to C4 the compactor of messages, D4 compression by settings.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use mnemon_compact::{
    CompactError, CompactionOutcome, CompressionConfig, Coordinator, Domain, Extractive, Fallback, Goal, Hybrid,
    HybridMode, Levels, Means, MemoryVectors, Message, MessageCompactor, MessageKind, Method, ModelSummarizer,
    ModelTier, Prompts, RecentAndImportant, Semantic, Strategy, Summarizer, SummaryMeta, SummaryRequest, SummaryTree,
    Task, Truncate, Vectors, check_order, count_tokens, quality,
};
use mnemon_core::{
    EmbedError, Embedder, Embeddings, EstimateCounter, GenerateError, GenerateProblem, Generated, ModelId, Prompt,
    Purpose, Role, Timestamp,
};

/// One dimension for each topic, and a little of every message of its own.
struct Topics {
    model: ModelId,
    embedded: AtomicUsize,
    fails: bool,
}

const TOPICS: [&str; 12] =
    ["boat", "mast", "rope", "sail", "harbour", "storm", "cook", "map", "fish", "light", "crew", "price"];

impl Topics {
    fn new() -> Self {
        let model = ModelId { name: "topics".into(), revision: "1".into(), dtype: "f32".into() };
        Self { model, embedded: AtomicUsize::new(0), fails: false }
    }

    fn embedded(&self) -> usize {
        self.embedded.load(Ordering::Relaxed)
    }
}

impl Embedder for Topics {
    fn model(&self) -> &ModelId {
        &self.model
    }

    fn dimension(&self) -> usize {
        TOPICS.len() + 1
    }

    fn embed(&self, texts: &[&str], _: Purpose) -> Result<Embeddings, EmbedError> {
        if self.fails {
            return Err(EmbedError { model: "topics".into(), source: "no memory is left".into() });
        }
        self.embedded.fetch_add(texts.len(), Ordering::Relaxed);
        let mut values = Vec::new();
        for text in texts {
            values.extend(TOPICS.map(|topic| if text.contains(topic) { 10.0 } else { 0.0 }));
            values.push((text.len() % 7) as f32 / 10.0);
        }
        Ok(Embeddings::new(self.dimension(), values))
    }
}

/// A message for each topic in turn, the person's and the model's.
fn talk(count: usize) -> Vec<Message> {
    (0..count)
        .map(|n| {
            let text = format!("On day {n} we looked at the {} with number {}.", TOPICS[n / 2 % 12], n * 7);
            if n % 2 == 0 { Message::user(text) } else { Message::assistant(text) }.with_id(format!("m{n}"))
        })
        .collect()
}

fn offline<'a>(summarizer: &'a Extractive, vectors: Option<Vectors<'a>>) -> Means<'a> {
    Means { counter: &EstimateCounter, vectors, summarizer }
}

fn answer(text: &str) -> Generated {
    Generated { text: text.to_owned(), ..Generated::default() }
}

// A8

#[test]
fn a8_chunks_and_levels_with_ratio_metadata_and_quality() {
    let messages: Vec<Message> = talk(240)
        .into_iter()
        .enumerate()
        .map(|(n, message)| message.said_at(Timestamp::from_second(1_700_000_000 + n as i64 * 60).unwrap()))
        .collect();
    let levels = Levels { chunk_tokens: 500, summary_tokens: 120 };
    let tree = SummaryTree::build(&messages, levels, &Extractive::default(), &EstimateCounter, None).unwrap();
    assert!(tree.levels.len() >= 3);
    for (depth, level) in tree.levels.iter().enumerate() {
        let ids: Vec<&String> = level.iter().flat_map(|summary| &summary.meta.ids).collect();
        assert!(ids.iter().copied().eq(messages.iter().filter_map(|message| message.id.as_ref())), "level {depth}");
        for SummaryMeta { tokens_before, tokens_after, quality, from, until, method, fallback, .. } in
            level.iter().map(|summary| &summary.meta)
        {
            assert!(*tokens_after <= 120);
            // Few messages at the end of a level can be said whole.
            let is_shorter = tokens_after < tokens_before && quality.score < 1.0;
            assert!(is_shorter || *tokens_before < 120, "{tokens_before} to {tokens_after}");
            assert!(quality.score > 0.0);
            assert!(from.unwrap() < until.unwrap());
            assert_eq!((method, fallback), (&Method::Extractive, &None));
        }
    }
    let top = tree.top().unwrap();
    assert!((top.meta.ratio() - top.meta.tokens_after as f64 / top.meta.tokens_before as f64).abs() < 1e-12);
    let sources: Vec<&str> = messages.iter().map(|message| message.content.as_str()).collect();
    let whole = quality(&sources, &top.text, None).unwrap();
    let part = quality(&sources, top.text.split(". ").next().unwrap(), None).unwrap();
    assert!(part.score < whole.score && part.details < whole.details && part.meaning < whole.meaning);
}

#[test]
fn a8_each_domain_and_task_has_a_prompt_for_chunks_and_for_levels() {
    let asked: Arc<Mutex<Vec<String>>> = Arc::default();
    let messages = talk(60);
    for domain in [Domain::General, Domain::Technical, Domain::Business, Domain::Creative] {
        for task in [Task::Continue, Task::Handover, Task::Minutes, Task::Facts] {
            let seen = Arc::clone(&asked);
            let model = move |prompt: &Prompt| {
                seen.lock().unwrap().push(prompt.user.split("<<<SOURCE").next().unwrap().to_owned());
                Ok(answer("Boats, masts and ropes."))
            };
            let prompts = Prompts { domain, task, extra: None };
            let summarizer = ModelSummarizer::new(Arc::new(model)).with_prompts(prompts);
            let levels = Levels { chunk_tokens: 400, summary_tokens: 60 };
            let tree = SummaryTree::build(&messages, levels, &summarizer, &EstimateCounter, None).unwrap();
            assert_eq!(tree.top().unwrap().meta.method, Method::Model("a closure".into()));
        }
    }
    let different: BTreeSet<String> = asked.lock().unwrap().iter().cloned().collect();
    assert_eq!(different.len(), 4 * 4 * 2);
}

#[test]
fn a8_when_the_model_fails_the_source_is_quoted_and_the_summary_says_so() {
    let messages = talk(20);
    let request = SummaryRequest::of(&messages, 80, &EstimateCounter);
    let expected = Extractive::default().summarise(&request).unwrap();
    for problem in [GenerateProblem::RateLimited, GenerateProblem::Refused, GenerateProblem::BadAnswer("html".into())] {
        let model =
            move |_: &Prompt| -> Result<Generated, GenerateError> { Err(GenerateError::new("m", problem.clone())) };
        let summary = ModelSummarizer::new(Arc::new(model)).summarise(&request).unwrap();
        assert_eq!((&summary.text, &summary.meta.method), (&expected.text, &Method::Extractive));
        assert!(matches!(summary.meta.fallback, Some(Fallback::Failed { .. })));
    }
}

// B

#[test]
fn b1_one_message_for_each_meaning_in_order_with_the_system() {
    let (model, cache, summarizer) = (Topics::new(), MemoryVectors::default(), Extractive::default());
    let means = offline(&summarizer, Some(Vectors::new(&model, &cache)));
    let mut messages = talk(96);
    messages.insert(0, Message::system("You know boats."));
    messages.insert(50, Message::system("Be brief."));
    // As many clusters as there are topics: one message of each stays, wherever it was said.
    let plan = Semantic.plan(&messages, &Goal::ratio(12.0 / 96.0), &means).unwrap();
    let kept: Vec<usize> = plan.kept().collect();
    assert_eq!(kept.len(), 12 + 2);
    assert!(kept.is_sorted() && kept.contains(&0) && kept.contains(&50));
    for topic in TOPICS {
        assert_eq!(
            kept.iter().filter(|&&at| messages[at].content.contains(&format!("the {topic} "))).count(),
            1,
            "{topic}"
        );
    }
    check_order(&plan.apply(&messages, &means).unwrap().messages).unwrap();
    // At least ten, and few are left alone.
    assert_eq!(Semantic.plan(&messages, &Goal::ratio(0.001), &means).unwrap().kept().count(), 10 + 2);
    assert_eq!(Semantic.plan(&messages[1..11], &Goal::ratio(0.1), &means).unwrap().kept().count(), 10);
}

#[test]
fn b2_the_last_ones_and_the_important_ones_once_and_in_order() {
    let summarizer = Extractive::default();
    let means = offline(&summarizer, None);
    let mut messages = talk(40);
    messages[4] = Message::user("There is an ERROR in the log.");
    messages[9] = Message::assistant("The fix is out.");
    messages[12] = Message::user("Terrorised prefixes are none.");
    messages[38] = Message::user("An important thing at the end.");
    let strategy = RecentAndImportant::with_words(["error", "bug", "issue", "fix", "important"]);
    let plan = strategy.plan(&messages, &Goal::default().keep_recent(5), &means).unwrap();
    assert_eq!(plan.kept().collect::<Vec<_>>(), [4, 9, 35, 36, 37, 38, 39]);
}

#[test]
fn b3_a_simpler_strategy_answers_and_the_result_says_why() {
    let (mut model, cache, summarizer) = (Topics::new(), MemoryVectors::default(), Extractive::default());
    model.fails = true;
    let messages = talk(60);
    let strategies: Vec<Box<dyn Strategy>> = vec![Box::new(Semantic), Box::new(Truncate)];
    let hybrid = Hybrid::new(HybridMode::FirstThatFits, strategies);
    for (vectors, expected) in
        [(None, "expected an embedder"), (Some(Vectors::new(&model, &cache)), "could not be embedded")]
    {
        let means = offline(&summarizer, vectors);
        let compacted = hybrid.plan(&messages, &Goal::default(), &means).unwrap().apply(&messages, &means).unwrap();
        assert_eq!(compacted.strategy, "truncate");
        assert_eq!((compacted.attempts.len(), compacted.attempts[0].strategy.as_str()), (1, "semantic"));
        assert!(compacted.attempts[0].why.to_string().contains(expected));
    }
    let alone = Hybrid::new(HybridMode::FirstThatFits, vec![Box::new(Semantic)]);
    let none = alone.plan(&messages, &Goal::default(), &offline(&summarizer, None));
    assert!(matches!(none, Err(CompactError::NoneAnswered(attempts)) if attempts.len() == 1));
}

#[test]
fn b4_at_the_threshold_and_each_message_embedded_once() {
    let (model, cache, summarizer) = (Topics::new(), MemoryVectors::default(), Extractive::default());
    let means = offline(&summarizer, Some(Vectors::new(&model, &cache)));
    let mut coordinator = Coordinator::new(1_000, Box::new(Semantic));
    let mut window: Vec<Message> = Vec::new();
    let mut compacted = 0;
    for message in talk(200) {
        window.push(message);
        let tokens = count_tokens(&window, &EstimateCounter);
        match coordinator.check(&window, &means, Timestamp::UNIX_EPOCH).unwrap() {
            CompactionOutcome::NotNeeded { threshold, .. } => {
                assert_eq!(threshold, 800);
                assert!(tokens < 800);
            }
            CompactionOutcome::Compacted(result) => {
                assert!(tokens >= 800);
                compacted += 1;
                window = result.messages;
            }
        }
    }
    assert!(compacted >= 3);
    assert_eq!((coordinator.metrics().count, model.embedded()), (compacted, cache.len()));
}

// C

#[test]
fn c1_a_summary_and_the_last_ten_from_seven_tenths_of_the_tier_on() {
    let summarizer = Extractive::default();
    let means = offline(&summarizer, None);
    let mut compactor = MessageCompactor::default();
    assert_eq!((compactor.threshold_ratio, compactor.keep_recent, compactor.summary_max_tokens), (0.7, 10, 1_024));
    let mut messages = vec![Message::system("You know boats.")];
    let mut runs = 0;
    for message in talk(4_000) {
        messages.push(message);
        let tokens = count_tokens(&messages, &EstimateCounter);
        match compactor.compact_if_needed(&messages, ModelTier::Fast, &means, Timestamp::UNIX_EPOCH).unwrap() {
            CompactionOutcome::NotNeeded { .. } => assert!(tokens < 22_400),
            CompactionOutcome::Compacted(compacted) => {
                assert!(tokens >= 22_400);
                assert_eq!(compacted.messages[0], messages[0]);
                assert!(matches!(compacted.messages[1].kind, MessageKind::Summary(_)));
                assert!(compacted.messages.ends_with(&messages[messages.len() - 10..]));
                let said = compacted.messages.iter().filter(|message| message.kind == MessageKind::Said).count();
                assert_eq!(said, 11, "nothing but the system's and the last ten");
                check_order(&compacted.messages).unwrap();
                messages = compacted.messages;
                runs += 1;
            }
        }
    }
    assert!(runs >= 2);
}

#[test]
fn c2_every_tier_has_its_limit_and_anybody_a_tier_of_their_own() {
    let limits = [
        (ModelTier::Orchestrator, 200_000),
        (ModelTier::Coding, 128_000),
        (ModelTier::Reasoning, 64_000),
        (ModelTier::General, 32_000),
        (ModelTier::Fast, 32_000),
        (ModelTier::Limit(12_345), 12_345),
    ];
    for (tier, limit) in limits {
        assert_eq!(tier.context_limit(), limit);
        let written = serde_json::to_string(&tier).unwrap();
        assert_eq!(serde_json::from_str::<ModelTier>(&written).unwrap(), tier);
    }
}

#[test]
fn c3_what_was_done_is_measured() {
    let summarizer = Extractive::default();
    let means = offline(&summarizer, None);
    let mut compactor = MessageCompactor::default();
    let tier = ModelTier::Limit(2_000);
    let messages = talk(120);
    let mut freed = 0;
    for run in 1..=3u64 {
        let now = Timestamp::from_second(1_000 * run as i64).unwrap();
        let outcome = compactor.compact_if_needed(&messages, tier, &means, now).unwrap();
        let compacted = outcome.compacted().unwrap();
        freed += (compacted.tokens_before - compacted.tokens_after) as u64;
        let metrics = compactor.metrics();
        assert_eq!((metrics.count, metrics.last_at, metrics.tokens_freed), (run, Some(now), freed));
        assert_eq!((metrics.tokens_before, metrics.tokens_after), (compacted.tokens_before, compacted.tokens_after));
        assert!((metrics.ratio() - compacted.ratio()).abs() < 1e-12);
        assert_eq!(metrics.quality, Some(compacted.summaries[0].meta.quality.score));
    }
}

#[test]
fn c4_summaries_of_summaries_critical_messages_and_a_template_for_each_task() {
    let asked: Arc<Mutex<Vec<String>>> = Arc::default();
    let seen = Arc::clone(&asked);
    let model = move |prompt: &Prompt| {
        seen.lock().unwrap().push(prompt.user.clone());
        Ok(answer("Boats were looked at."))
    };
    let prompts = Prompts { task: Task::Other("it lists every number".into()), ..Prompts::default() };
    let summarizer = ModelSummarizer::new(Arc::new(model)).with_prompts(prompts);
    let means = Means { counter: &EstimateCounter, vectors: None, summarizer: &summarizer };
    let mut compactor = MessageCompactor::default();
    let critical = Message::user("Bug 7 must be told to everybody, word for word.").critical();
    let mut messages = vec![critical.clone()];
    let (mut deepest, mut covered) = (0, 0);
    for message in talk(1_000).into_iter().skip(1) {
        messages.push(message);
        let outcome = compactor.compact_if_needed(&messages, ModelTier::Limit(2_000), &means, Timestamp::UNIX_EPOCH);
        messages = outcome.unwrap().messages_or(messages);
        assert_eq!(messages.iter().filter(|message| message.content == critical.content).count(), 1);
        for message in &messages {
            if let MessageKind::Summary(meta) = &message.kind {
                (deepest, covered) = (deepest.max(meta.depth), covered.max(meta.messages));
            }
        }
    }
    let summaries = messages.iter().filter(|message| matches!(message.kind, MessageKind::Summary(_))).count();
    assert_eq!(summaries, 1, "summaries are summarised with the rest");
    assert!(deepest >= 5 && covered > 900, "{deepest} deep, of {covered}");
    let asked = asked.lock().unwrap();
    assert!(asked.iter().all(|prompt| prompt.contains("Write it so that it lists every number.")));
    assert!(asked.iter().all(|prompt| !prompt.contains("Bug 7")));
}

// D4

#[test]
fn d4_strategies_by_name_when_due_to_the_target() {
    let (model, cache, summarizer) = (Topics::new(), MemoryVectors::default(), Extractive::default());
    let means = offline(&summarizer, Some(Vectors::new(&model, &cache)));
    let messages = talk(100);
    for (strategies, mode, expected) in [
        (r#"["truncate"]"#, "first_that_fits", "truncate"),
        (r#"["summarize"]"#, "first_that_fits", "summarise"),
        (r#"["semantic"]"#, "first_that_fits", "semantic"),
        (r#"["salient", "truncate"]"#, "first_that_fits", "salient"),
        (r#"["recent_and_important", "truncate"]"#, "chained", "recent_and_important"),
    ] {
        let json = format!(
            r#"{{"strategies": {strategies}, "mode": "{mode}", "keep_recent": 6, "auto_enabled": true,
                "auto_threshold": 100, "auto_target": 50, "summary_max_tokens": 90, "timeout_seconds": 3}}"#
        );
        let config: CompressionConfig = serde_json::from_str(&json).unwrap();
        assert!(config.compress_if_due(&messages[..99], &means).unwrap().is_none(), "not due");
        let compacted = config.compress_if_due(&messages, &means).unwrap().unwrap();
        assert_eq!(compacted.strategy, expected);
        assert!(compacted.ratio() <= 0.52, "{expected}: {}", compacted.ratio());
        // A turn may have become one with the one before it.
        let mut last = compacted.messages.iter().rev().take(6).rev().zip(&messages[94..]);
        let is_kept = last.all(|(message, recent)| message.content.ends_with(&recent.content));
        assert!(expected == "semantic" || is_kept, "{expected}");
        assert!(compacted.summaries.iter().all(|summary| summary.meta.tokens_after <= 90));
        let off = CompressionConfig { auto_enabled: false, ..config.clone() };
        assert!(off.compress_if_due(&messages, &means).unwrap().is_none());
        assert_eq!(
            serde_json::from_str::<CompressionConfig>(&serde_json::to_string(&config).unwrap()).unwrap(),
            config
        );
    }
}

#[test]
fn d4_a_model_is_given_so_much_time_and_no_more() {
    let given: Arc<Mutex<Vec<Option<Duration>>>> = Arc::default();
    let seen = Arc::clone(&given);
    let slow = move |prompt: &Prompt| -> Result<Generated, GenerateError> {
        seen.lock().unwrap().push(prompt.timeout);
        Err(GenerateError::new("slow", GenerateProblem::TimedOut(prompt.timeout.unwrap_or_default())))
    };
    let config: CompressionConfig =
        serde_json::from_str(r#"{"strategies": ["summarize"], "timeout_seconds": 7, "summary_max_tokens": 80}"#)
            .unwrap();
    let summarizer = config.summarizer(Some(Arc::new(slow)));
    let means = Means { counter: &EstimateCounter, vectors: None, summarizer: summarizer.as_ref() };
    let compacted = config.compress_if_due(&talk(60), &means).unwrap().unwrap();
    assert_eq!(*given.lock().unwrap(), [Some(Duration::from_secs(7))]);
    let meta = &compacted.summaries[0].meta;
    assert!(meta.fallback.as_ref().unwrap().to_string().contains("it took longer than 7s"));
    assert_eq!(meta.method, Method::Extractive);
    assert_eq!(compacted.messages[0].role, Role::User);
}
