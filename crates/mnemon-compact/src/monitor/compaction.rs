//! Makes the context of an agent shorter.

use mnemon_core::Timestamp;

use super::answer::{Answered, ask};
use super::{AGENT, Agent, AgentId, ContextMonitor, Usage, failed};
use crate::{CompactError, Compacted, Goal, Means, Message, Strategy, Truncate, count_tokens};

/// What a compaction did.
#[derive(Debug)]
#[non_exhaustive]
pub struct CompactionResult {
    /// The agent.
    pub agent: AgentId,
    /// How full its context was; `None` where that could not be told, and then nothing was done.
    pub before: Option<Usage>,
    /// How full it is now, measured as `before` was.
    pub after: Option<Usage>,
    /// Whether its history is shorter now. With less than [`least`](crate::CompactionAim::least) it is too.
    pub success: bool,
    /// Whether at least [`least`](crate::CompactionAim::least) was freed.
    pub target_met: bool,
    /// How often a plan was carried out: 1, or 2 where the first freed too little.
    pub passes: u32,
    /// What the agent holds now.
    pub history: HistoryState,
    /// What became of its messages; `None` where they are as they were.
    pub compacted: Option<Compacted>,
    /// What went wrong: without success the reason, with it the reason why the second pass did not help.
    pub error: Option<CompactError>,
}

/// What an agent holds after a compaction.
#[derive(Debug)]
#[non_exhaustive]
pub enum HistoryState {
    /// What it held before, message by message.
    AsItWas,
    /// The compacted messages.
    Compacted,
    /// Neither for certain: it failed when its history was put back, each time. [`CompactionResult::error`] says what
    /// had gone wrong before that.
    Unknown(CompactError),
}

impl CompactionResult {
    /// The tokens that were freed.
    #[must_use]
    pub fn freed(&self) -> usize {
        match (self.before, self.after) {
            (Some(before), Some(after)) => before.used.saturating_sub(after.used),
            _ => 0,
        }
    }

    /// The same as a share of those before; 0 where there were none.
    #[must_use]
    pub fn reduction(&self) -> f64 {
        match self.before {
            Some(before) if before.used > 0 => self.freed() as f64 / before.used as f64,
            _ => 0.0,
        }
    }
}

/// What two plans cannot free is protected, or not in the messages.
const PASSES: u32 = 2;
/// An agent that fails to take its history back is asked so often.
const PUT_BACK: u32 = 3;

impl ContextMonitor {
    /// Makes the context of an agent shorter by [`CompactionAim::target`](crate::CompactionAim::target): asks it for a
    /// summary (or has one written, see [`CompactionAim::ask_agent`](crate::CompactionAim::ask_agent)), puts it in the
    /// place of the old messages, and measures again. What is critical and what the system says stays, calls keep their
    /// results, and roles alternate. Where too little was freed, a second plan is made of the same messages.
    ///
    /// When it fails the history is as it was, without the question for a summary. `now` goes into the metrics.
    ///
    /// It does not look whether it is due. Cost: an answer of the agent where it is asked, the strategy, and counting.
    pub fn compact<A: Agent>(&mut self, agent: &mut A, means: &Means<'_>, now: Timestamp) -> CompactionResult {
        let mut result = CompactionResult {
            agent: agent.id(),
            before: None,
            after: None,
            success: false,
            target_met: false,
            passes: 0,
            history: HistoryState::AsItWas,
            compacted: None,
            error: None,
        };
        if let Err(error) = self.try_compact(agent, means, &mut result) {
            result.error = Some(error);
        }
        result.success = matches!(result.history, HistoryState::Compacted);
        result.target_met = result.success && result.reduction() >= self.compaction.least;
        // Also when it failed: the next one is not due before something has changed.
        if let Some(after) = result.after {
            // The thresholds were checked before anything was measured.
            let _ = self.watch.compacted(&result.agent.session, after, &self.thresholds);
        }
        let AgentId { kind, session } = &result.agent;
        match (&result.compacted, &result.error) {
            (Some(compacted), _) if result.success => {
                self.metrics.record(compacted, now);
                let (freed, passes) = (result.freed(), result.passes);
                tracing::info!(kind, session, freed, passes, "compacted the context of an agent");
            }
            (_, error) => {
                let error = error.as_ref().map(|error| error as &dyn std::error::Error);
                tracing::warn!(kind, session, error, "the context of an agent could not be compacted");
            }
        }
        result
    }

    fn try_compact<A: Agent>(
        &self,
        agent: &mut A,
        means: &Means<'_>,
        result: &mut CompactionResult,
    ) -> Result<(), CompactError> {
        self.check_settings()?;
        let before = self.usage(agent, means.counter)?;
        (result.before, result.after) = (Some(before), Some(before));
        let messages = agent.history().map_err(|source| failed(AGENT, "give its history", source))?.into_owned();
        if messages.iter().all(Message::is_empty) {
            return Err(CompactError::NothingToSummarise { got: format!("{} messages without text", messages.len()) });
        }
        let old = Old { tokens: count_tokens(&messages, means.counter), messages, before };

        let mut goal = self.goal(old.tokens - share(old.tokens, self.compaction.target), &old);
        let answer = ask(agent, &old.messages, goal.summary_max_tokens, &self.compaction);
        let most = before.used - share(before.used, self.compaction.least);
        let mut best: Option<Done> = None;
        // Whether the agent holds the best there is.
        let mut is_held = false;
        let mut error = None;
        while result.passes < PASSES {
            result.passes += 1;
            let kind = result.agent.kind.clone();
            let least = self.compaction.least_quality;
            let summarizer = Answered::new(kind, answer.clone(), &old.messages, least, means.summarizer);
            let is_last = result.passes == PASSES;
            let done = match self.pass(agent, &old, &goal, is_last, &Means { summarizer: &summarizer, ..*means }) {
                Ok(done) => done,
                Err(why) => {
                    (is_held, error) = (false, Some(why));
                    break;
                }
            };
            goal = self.goal(self.next_budget(&old, &done), &old);
            is_held = done.after.used < best.as_ref().map_or(before, |best| best.after).used;
            if is_held {
                best = Some(done);
            }
            if best.as_ref().is_some_and(|best| best.after.used <= most) {
                break;
            }
        }

        let wanted = best.as_ref().map_or(&old.messages, |best| &best.compacted.messages);
        if !is_held && let Err(why) = put_back(agent, wanted) {
            result.history = HistoryState::Unknown(why);
            result.after = self.usage(agent, means.counter).ok();
            return Err(error.unwrap_or(CompactError::NotFreed { before: before.used, after: before.used }));
        }
        let Some(best) = best else {
            return Err(error.unwrap_or(CompactError::NotFreed { before: before.used, after: before.used }));
        };
        result.history = HistoryState::Compacted;
        result.after = Some(best.after);
        result.compacted = Some(best.compacted);
        error.map_or(Ok(()), Err)
    }

    /// Makes a plan, carries it out, gives the agent what comes of it, and measures.
    fn pass<A: Agent>(
        &self,
        agent: &mut A,
        old: &Old,
        goal: &Goal,
        is_last: bool,
        means: &Means<'_>,
    ) -> Result<Done, CompactError> {
        let mut plan = self.strategy.plan(&old.messages, goal, means)?;
        let tokens = plan.most_tokens(&old.messages, means.counter);
        if is_last && goal.max_tokens.is_some_and(|most| tokens > most) {
            // The owner's strategy may count messages, or have a floor.
            let newest = Truncate.plan(&old.messages, goal, means)?;
            if newest.most_tokens(&old.messages, means.counter) < tokens {
                plan = newest;
            }
        }
        let compacted = plan.apply(&old.messages, means)?;
        let replaced = agent.replace_history(compacted.messages.clone());
        replaced.map_err(|source| failed(AGENT, "replace its history", source))?;
        Ok(Done { after: self.usage(agent, means.counter)?, compacted })
    }

    /// What the messages may come to in the next pass. The agent may count other tokens than are counted here, and more
    /// than messages: this pass has shown how its count falls with this one.
    fn next_budget(&self, old: &Old, done: &Done) -> usize {
        let left = done.compacted.tokens_after;
        let fell = old.tokens.saturating_sub(left) as f64;
        let freed = old.before.used.saturating_sub(done.after.used) as f64;
        let wanted = share(old.before.used, self.compaction.target) as f64;
        let budget = if freed > 0.0 { (old.tokens as f64 - wanted * fell / freed).max(0.0) as usize } else { left / 2 };
        // Next to nothing less would come out as this one did.
        budget.min(share(left, 0.9)).max(1)
    }

    fn goal(&self, budget: usize, old: &Old) -> Goal {
        let aim = &self.compaction;
        Goal {
            max_tokens: Some(budget),
            target_ratio: (budget as f64 / old.tokens.max(1) as f64).clamp(0.001, 1.0),
            keep_recent: aim.keep_recent,
            summary_max_tokens: aim.summary_max_tokens.min(budget / 4).max(1),
            ..Goal::default()
        }
    }
}

/// What is compacted.
struct Old {
    messages: Vec<Message>,
    /// Their tokens, as they are counted here.
    tokens: usize,
    before: Usage,
}

/// A plan that was carried out.
struct Done {
    after: Usage,
    compacted: Compacted,
}

fn share(tokens: usize, share: f64) -> usize {
    (tokens as f64 * share) as usize
}

/// Gives the agent these messages, unless it holds them, and sees that it does.
fn put_back<A: Agent>(agent: &mut A, messages: &[Message]) -> Result<(), CompactError> {
    let holds = |agent: &A| agent.history().is_ok_and(|held| reads_as(&held, messages));
    let mut why = CompactError::BadAgent { expected: "the history it was given".to_owned(), got: "another".to_owned() };
    for _ in 0..PUT_BACK {
        if holds(agent) {
            return Ok(());
        }
        if let Err(source) = agent.replace_history(messages.to_vec()) {
            why = failed(AGENT, "take its history back", source);
        }
    }
    if holds(agent) { Ok(()) } else { Err(why) }
}

/// Whether a model reads the same: an agent need not keep what only compaction knows of a message.
fn reads_as(held: &[Message], messages: &[Message]) -> bool {
    held.len() == messages.len()
        && held.iter().zip(messages).all(|(held, message)| {
            (held.role, &held.content, &held.tool_calls) == (message.role, &message.content, &message.tool_calls)
        })
}

#[cfg(test)]
mod tests {
    use mnemon_core::Role;
    use proptest::prelude::{ProptestConfig, prop, prop_assert, prop_assert_eq, proptest};

    use super::*;
    use crate::monitor::fixtures::{TestAgent, talk, with_means};
    use crate::{Advice, CompactionAim, MessageKind, Method, Semantic, UsageFrom, check_order};

    fn monitor() -> ContextMonitor {
        ContextMonitor::new(UsageFrom::Agent)
    }

    fn compact(monitor: &mut ContextMonitor, agent: &mut TestAgent) -> CompactionResult {
        with_means(|means| monitor.compact(agent, means, Timestamp::UNIX_EPOCH))
    }

    #[test]
    fn it_frees_forty_to_fifty_percent_and_keeps_the_newest() {
        for count in [40, 100, 400] {
            let mut messages = talk(count);
            messages.insert(0, Message::system("You help with boats."));
            messages[3].critical = true;
            let mut agent = TestAgent::new(messages.clone(), 10_000);
            let before = agent.tokens();
            let mut monitor = monitor();
            let result = compact(&mut monitor, &mut agent);
            assert!(result.success && result.target_met && result.error.is_none(), "{result:?}");
            assert!((0.4..=0.5).contains(&result.reduction()), "{} of {count}", result.reduction());
            assert_eq!((result.passes, result.freed()), (1, before - agent.tokens()));
            assert_eq!(result.after.unwrap().used, agent.tokens());
            assert_eq!(agent.messages[0], messages[0]);
            assert!(agent.messages.iter().any(|message| message.content.contains(&messages[3].content)));
            assert!(agent.messages.ends_with(&messages[count - 9..]));
            check_order(&agent.messages).unwrap();
            // It was asked, and its answer was none.
            let compacted = result.compacted.unwrap();
            assert!(compacted.summaries[0].meta.fallback.is_some() && agent.asked.len() == 1);
            assert!(!agent.messages.iter().any(|message| message.content == agent.asked[0]));
            assert_eq!(
                (monitor.metrics().count, monitor.metrics().tokens_freed as usize),
                (1, before - agent.tokens())
            );
        }
    }

    #[test]
    fn the_summary_of_the_agent_stands_in_its_history() {
        let mut agent = TestAgent::new(talk(60), 10_000);
        agent.answer = Some(
            "Boats 0 to 29 left on days 0 to 29 for Harbour0 to Harbour8, with three times as many people: day 7 boat 7 \
             Harbour7 21 people, day 20 boat 20 Harbour2 60 people, day 28 boat 28 Harbour1 84 people on board."
                .to_owned(),
        );
        let result = compact(&mut monitor(), &mut agent);
        let MessageKind::Summary(meta) = &agent.messages[0].kind else { panic!("expected a summary: {result:?}") };
        assert_eq!((&meta.method, &meta.fallback), (&Method::Model("tester".into()), &None));
        assert!(agent.messages[0].content.contains("three times as many people"));
        assert_eq!(meta.ids[0], "m0");
    }

    #[test]
    fn what_no_message_shows_takes_a_second_pass() {
        // A third of the context is descriptions of tools, which cannot be freed.
        let mut agent = TestAgent::new(talk(100), 10_000);
        agent.overhead = agent.tokens() / 2;
        let result = compact(&mut monitor(), &mut agent);
        assert!(result.success && result.target_met && result.passes == 2, "{result:?}");
        assert!((0.4..0.55).contains(&result.reduction()), "{}", result.reduction());
        check_order(&agent.messages).unwrap();
        assert_eq!(agent.replaced, 2);

        // A strategy that counts messages keeps too much of a talk that has its tokens in a few of them.
        let mut messages = talk(30);
        for message in messages.iter_mut().filter(|message| message.role == Role::User) {
            message.content.push_str(&" and so on".repeat(60));
        }
        let mut agent = TestAgent::new(messages, 10_000);
        let (embedder, extractive) = (crate::fixtures::WordEmbedder::default(), crate::Extractive::default());
        let vectors = Some(crate::Vectors::new(&embedder, &crate::NoCache));
        let means = Means { counter: &mnemon_core::EstimateCounter, vectors, summarizer: &extractive };
        let mut monitor = monitor().with_strategy(Box::new(Semantic));
        monitor.compaction.least = 0.45;
        let result = monitor.compact(&mut agent, &means, Timestamp::UNIX_EPOCH);
        assert!(result.success && result.target_met, "{result:?}");
    }

    #[test]
    fn what_cannot_be_freed_is_left_as_it_is() {
        let mut messages = talk(20);
        messages.iter_mut().for_each(|message| message.critical = true);
        let mut agent = TestAgent::new(messages.clone(), 1_000);
        let mut monitor = monitor();
        let result = compact(&mut monitor, &mut agent);
        assert!(!result.success && matches!(result.error, Some(CompactError::NotFreed { .. })), "{result:?}");
        assert!(matches!(result.history, HistoryState::AsItWas) && result.after == result.before);
        assert_eq!(agent.messages, messages, "the question for a summary is gone too");
        // It is full, and was compacted just now.
        assert_eq!(monitor.metrics().count, 0);

        let mut deaf = TestAgent { is_deaf: true, ..TestAgent::new(talk(100), 10_000) };
        let result = compact(&mut monitor, &mut deaf);
        assert!(!result.success && matches!(result.history, HistoryState::Unknown(_)), "{result:?}");

        let result = compact(&mut monitor, &mut TestAgent::new(vec![Message::user(" ")], 100));
        assert!(matches!(result.error, Some(CompactError::NothingToSummarise { .. })), "{result:?}");
        monitor.compaction.target = 1.0;
        let result = compact(&mut monitor, &mut agent);
        assert!(matches!(result.error, Some(CompactError::Setting { field: "target", .. })) && result.before.is_none());
    }

    #[test]
    fn a_compaction_that_failed_is_not_due_again_at_once() {
        let mut messages = talk(20);
        messages.iter_mut().for_each(|message| message.critical = true);
        let mut agent = TestAgent::new(messages, 0);
        agent.limit = agent.tokens() * 10 / 9;
        let mut monitor = monitor();
        with_means(|means| {
            assert_eq!(monitor.check(&agent, means.counter).unwrap().advice, Advice::Compact);
            assert!(!monitor.compact(&mut agent, means, Timestamp::UNIX_EPOCH).success);
            assert_eq!(monitor.check(&agent, means.counter).unwrap().advice, Advice::Fine);
            agent.overhead = agent.limit / 18;
            assert_eq!(monitor.check(&agent, means.counter).unwrap().advice, Advice::Rotate);
        });
    }

    #[test]
    fn a_failure_puts_the_history_back() {
        #[track_caller]
        fn check(failing: &[usize], overhead: usize, expected: fn(&CompactionResult) -> bool) -> TestAgent {
            let mut agent = TestAgent::new(talk(100), 10_000);
            agent.failing = failing.iter().copied().collect();
            agent.overhead = overhead;
            let result = compact(&mut monitor(), &mut agent);
            assert!(expected(&result), "{result:?}");
            if result.success {
                assert_eq!(agent.messages, result.compacted.unwrap().messages);
            } else if matches!(result.history, HistoryState::AsItWas) {
                assert_eq!(agent.messages, talk(100));
            }
            agent
        }
        let failed = |result: &CompactionResult| {
            let is_told = matches!(result.error, Some(CompactError::Outside { task: "replace its history", .. }));
            is_told && !result.success && matches!(result.history, HistoryState::AsItWas)
        };
        check(&[1], 0, failed);
        check(&[1, 2, 3], 0, failed);
        check(&[1, 2, 3, 4], 0, |result| {
            !result.success && matches!(result.history, HistoryState::Unknown(_)) && result.error.is_some()
        });
        // The second pass fails: what the first one freed stays.
        let agent = check(&[2], 1_500, |result| result.success && !result.target_met && result.error.is_some());
        assert_eq!(agent.replaced, 3);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(128))]

        /// Whatever fails, the agent holds what the result says, and nothing that is protected is lost.
        #[test]
        fn an_agent_holds_what_the_result_says(
            kinds in prop::collection::vec((0u8..8, 1usize..40), 1..60),
            failing in prop::collection::btree_set(1usize..6, 0..4),
            overhead in 0usize..2_000,
            answer in prop::option::of("[a-zA-Z0-9 .]{0,200}"),
            is_deaf in prop::bool::weighted(0.1),
        ) {
            let mut messages = Vec::new();
            for (i, (kind, words)) in kinds.into_iter().enumerate() {
                let text = format!("Number {i}: {}", "boat number 5 of Ann left ".repeat(words));
                match kind {
                    0..=2 => messages.push(Message::user(text)),
                    3..=4 => messages.push(Message::assistant(text)),
                    5 => messages.push(Message::system(text)),
                    6 => messages.push(Message::user(text).critical()),
                    _ => {
                        messages.push(Message::assistant("").calling(format!("c{i}"), "look", "{}"));
                        messages.push(Message::tool(format!("c{i}"), text));
                    }
                }
            }
            let mut agent = TestAgent { failing, overhead, answer, is_deaf, ..TestAgent::new(messages.clone(), 50_000) };
            let before = agent.tokens() + overhead;
            let mut monitor = monitor();
            monitor.compaction = CompactionAim { least_quality: 0.0, ..CompactionAim::default() };
            let result = compact(&mut monitor, &mut agent);
            match &result.history {
                HistoryState::Unknown(_) => prop_assert!(!result.success && result.compacted.is_none()),
                HistoryState::AsItWas => {
                    prop_assert!(!result.success && result.error.is_some() && result.compacted.is_none());
                    prop_assert_eq!(&agent.messages, &messages);
                }
                HistoryState::Compacted => {
                    prop_assert!(result.success && result.freed() > 0);
                    prop_assert_eq!(result.before.unwrap().used, before);
                    prop_assert_eq!(result.after.unwrap().used, agent.tokens() + overhead);
                    prop_assert_eq!(&agent.messages, &result.compacted.as_ref().unwrap().messages);
                    check_order(&agent.messages).unwrap();
                    for message in messages.iter().filter(|message| message.is_protected()) {
                        prop_assert!(agent.messages.iter().any(|held| held.content.contains(&message.content)));
                    }
                }
            }
            prop_assert_eq!(result.target_met, result.success && result.reduction() >= 0.4);
        }
    }
}
