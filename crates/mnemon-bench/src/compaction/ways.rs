//! Ways to make a conversation shorter: those of Mnemon, and those that they have to beat.

use std::collections::{BTreeSet, HashSet};
use std::fmt;
use std::str::FromStr;

use mnemon_compact::{
    CompactError, Extractive, Fate, Goal, Means, Message, Plan, RecentAndImportant, Rest, Salient, Semantic, Strategy,
    Summarise, Summarizer, SummaryRequest, Truncate,
};
use rand_xoshiro::SplitMix64;
use rand_xoshiro::rand_core::{RngCore, SeedableRng};
use serde::Serialize;

use super::survival::{Cover, Remains, Sentences};
use crate::BenchError;

/// A way to make a conversation shorter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub enum Way {
    /// What says most for its tokens, by words: the default of Mnemon.
    #[serde(rename = "salient")]
    Salient,
    /// The same with vectors.
    #[serde(rename = "salient+vectors")]
    SalientWithVectors,
    /// The same, and a summary of the others in a quarter of the tokens.
    #[serde(rename = "salient+summary")]
    SalientAndSummary,
    /// k-means over the vectors of the messages.
    #[serde(rename = "semantic")]
    Semantic,
    /// The last messages and those with important words, however many tokens that is.
    #[serde(rename = "recent+important")]
    RecentAndImportant,
    /// The last messages.
    #[serde(rename = "truncate")]
    Truncate,
    /// The last messages and an extractive summary of the others.
    #[serde(rename = "summarise")]
    Summarise,
    /// An extractive summary of all, by words.
    #[serde(rename = "extractive")]
    Extractive,
    /// The same with vectors.
    #[serde(rename = "extractive+vectors")]
    ExtractiveWithVectors,
    /// To compare with: messages by chance.
    #[serde(rename = "random-messages")]
    RandomMessages,
    /// To compare with: sentences by chance, as a text.
    #[serde(rename = "random-sentences")]
    RandomSentences,
    /// To compare with: the end of the conversation, as a text.
    #[serde(rename = "last-turns")]
    LastTurns,
}

impl FromStr for Way {
    type Err = BenchError;

    fn from_str(name: &str) -> Result<Self, BenchError> {
        Self::ALL.into_iter().find(|way| way.as_str() == name).ok_or_else(|| BenchError::UnknownWay {
            known: Self::ALL.map(Self::as_str).join(", "),
            got: name.chars().take(80).collect(),
        })
    }
}

impl fmt::Display for Way {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// What came of it.
pub(super) struct Shortened {
    pub(super) remains: Remains,
    pub(super) tokens: usize,
}

impl Way {
    /// All of them, those that keep messages first.
    pub const ALL: [Self; 12] = [
        Self::Salient,
        Self::SalientWithVectors,
        Self::SalientAndSummary,
        Self::Semantic,
        Self::RecentAndImportant,
        Self::Truncate,
        Self::RandomMessages,
        Self::Extractive,
        Self::ExtractiveWithVectors,
        Self::Summarise,
        Self::RandomSentences,
        Self::LastTurns,
    ];

    /// Its name.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Salient => "salient",
            Self::SalientWithVectors => "salient+vectors",
            Self::SalientAndSummary => "salient+summary",
            Self::Semantic => "semantic",
            Self::RecentAndImportant => "recent+important",
            Self::Truncate => "truncate",
            Self::Summarise => "summarise",
            Self::Extractive => "extractive",
            Self::ExtractiveWithVectors => "extractive+vectors",
            Self::RandomMessages => "random-messages",
            Self::RandomSentences => "random-sentences",
            Self::LastTurns => "last-turns",
        }
    }

    /// Whether it is here to be compared with.
    #[must_use]
    pub fn is_baseline(self) -> bool {
        matches!(self, Self::RandomMessages | Self::RandomSentences | Self::LastTurns)
    }

    /// Whether another seed gives another result.
    pub(super) fn is_random(self) -> bool {
        matches!(self, Self::RandomMessages | Self::RandomSentences)
    }

    pub(super) fn has_vectors(self) -> bool {
        matches!(self, Self::Semantic | Self::SalientWithVectors | Self::ExtractiveWithVectors)
    }

    /// Shortens a conversation of `tokens` to a share of them. Summaries and baselines that are one text are of as many
    /// tokens as the others have for messages.
    pub(super) fn shorten(
        self,
        messages: &[Message],
        tokens: usize,
        ratio: f64,
        seed: u64,
        means: &Means<'_>,
    ) -> Result<Shortened, CompactError> {
        let budget = (tokens as f64 * ratio) as usize;
        let means = &if self.has_vectors() { *means } else { Means { vectors: None, ..*means } };
        // Both are said: strategies that count messages take the share, the others the tokens.
        let goal = Goal { max_tokens: Some(budget), ..Goal::ratio(ratio) };
        let planned = |strategy: &dyn Strategy, goal: &Goal| planned(strategy, messages, goal, means);
        match self {
            Self::Salient | Self::SalientWithVectors => planned(&Salient::default(), &goal),
            Self::SalientAndSummary => {
                let strategy = Salient { rest: Rest::Summarise, ..Salient::default() };
                planned(&strategy, &Goal { summary_max_tokens: (budget / 4).max(1), ..goal })
            }
            Self::Semantic => planned(&Semantic, &goal),
            Self::RecentAndImportant => planned(&RecentAndImportant::default(), &goal),
            Self::Truncate => planned(&Truncate, &goal),
            Self::Summarise => {
                let recent = messages.iter().rev().take(goal.keep_recent).map(|it| it.tokens(means.counter)).sum();
                let summary_max_tokens = budget.saturating_sub(recent).max(budget / 2).max(1);
                planned(&Summarise, &Goal { summary_max_tokens, ..goal })
            }
            Self::RandomMessages => planned(&RandomMessages(seed), &goal),
            Self::Extractive | Self::ExtractiveWithVectors => {
                let mut request = SummaryRequest::of(messages, budget, means.counter);
                request.vectors = means.vectors;
                match Extractive::default().summarise(&request) {
                    Ok(summary) => Ok(Shortened::text(&summary.text, means)),
                    Err(CompactError::NothingToSummarise { .. } | CompactError::NoRoom { .. }) => {
                        Ok(Shortened::text("", means))
                    }
                    Err(error) => Err(error),
                }
            }
            Self::RandomSentences => Ok(Shortened::text(&random_sentences(messages, budget, seed, means), means)),
            Self::LastTurns => Ok(Shortened::text(&last_turns(messages, budget, means), means)),
        }
    }
}

impl Shortened {
    fn text(text: &str, means: &Means<'_>) -> Self {
        let mut remains = Remains::default();
        // Each line by itself: no sentence stands across two of them.
        text.lines().for_each(|line| remains.add(line, Cover::All));
        Self { remains, tokens: means.counter.count(text) }
    }
}

fn planned(
    strategy: &dyn Strategy,
    messages: &[Message],
    goal: &Goal,
    means: &Means<'_>,
) -> Result<Shortened, CompactError> {
    let compacted = strategy.plan(messages, goal, means)?.apply(messages, means)?;
    let mut remains = Remains::default();
    for (message, origins) in compacted.messages.iter().zip(&compacted.origins) {
        let origins: HashSet<usize> = origins.iter().copied().collect();
        remains.add(&message.content, Cover::Turns(origins));
    }
    Ok(Shortened { remains, tokens: compacted.tokens_after })
}

/// Keeps messages by chance, as many as fit.
struct RandomMessages(u64);

impl Strategy for RandomMessages {
    fn name(&self) -> &str {
        "random_messages"
    }

    fn plan(&self, messages: &[Message], goal: &Goal, means: &Means<'_>) -> Result<Plan, CompactError> {
        let budget = goal.budget(messages, means.counter)?;
        let costs: Vec<usize> = messages.iter().map(|message| message.tokens(means.counter)).collect();
        let mut kept = fitting(shuffled(messages.len(), self.0), budget, |at| costs.get(at).copied());
        loop {
            let keep: HashSet<usize> = kept.iter().copied().collect();
            let fate = |start: usize| if keep.contains(&start) { Fate::Keep } else { Fate::Drop };
            let plan = Plan::new(self.name(), messages, Vec::new(), |unit| fate(unit.start()))?;
            // What makes roles alternate was not counted.
            if plan.most_tokens(messages, means.counter) <= budget || kept.pop().is_none() {
                return Ok(plan);
            }
        }
    }
}

/// Sentences of the conversation by chance in their order, a line each, with neither speaker nor date.
fn random_sentences(messages: &[Message], budget: usize, seed: u64, means: &Means<'_>) -> String {
    let sentences: Vec<String> = messages
        .iter()
        .flat_map(|message| Sentences::of(&message.content).texts().map(str::to_owned).collect::<Vec<_>>())
        .collect();
    let costs: Vec<usize> = sentences.iter().map(|sentence| means.counter.count(sentence)).collect();
    let mut kept = fitting(shuffled(sentences.len(), seed), budget, |at| costs.get(at).copied());
    loop {
        let order: BTreeSet<usize> = kept.iter().copied().collect();
        let lines: Vec<&str> = order.into_iter().filter_map(|at| sentences.get(at)).map(String::as_str).collect();
        let text = lines.join("\n");
        // The ends of lines were not counted.
        if means.counter.count(&text) <= budget || kept.pop().is_none() {
            return text;
        }
    }
}

/// The end of the conversation, `speaker: text` a line.
fn last_turns(messages: &[Message], budget: usize, means: &Means<'_>) -> String {
    let line = |message: &Message| {
        let text: Vec<&str> = message.content.split_whitespace().collect();
        format!("{}: {}", message.speaker(), text.join(" "))
    };
    let mut lines: Vec<String> = Vec::new();
    let mut left = budget;
    for line in messages.iter().rev().map(line) {
        match left.checked_sub(means.counter.count(&line)) {
            Some(rest) => left = rest,
            None => break,
        }
        lines.push(line);
    }
    lines.reverse();
    while means.counter.count(&lines.join("\n")) > budget && !lines.is_empty() {
        lines.remove(0);
    }
    lines.join("\n")
}

/// Those that fit one after the other; what does not is passed over.
fn fitting(order: Vec<usize>, budget: usize, cost: impl Fn(usize) -> Option<usize>) -> Vec<usize> {
    let mut left = budget;
    let mut fits = |at: &usize| match cost(*at).and_then(|cost| left.checked_sub(cost)) {
        Some(rest) => {
            left = rest;
            true
        }
        None => false,
    };
    order.into_iter().filter(|at| fits(at)).collect()
}

/// The numbers below `count` by chance (Fisher and Yates).
fn shuffled(count: usize, seed: u64) -> Vec<usize> {
    let mut random = SplitMix64::seed_from_u64(seed);
    let mut order: Vec<usize> = (0..count).collect();
    for end in (1..count).rev() {
        order.swap(end, (random.next_u64() % (end as u64 + 1)) as usize);
    }
    order
}

#[cfg(test)]
mod tests {
    use mnemon::EstimateCounter;
    use mnemon_compact::count_tokens;

    use super::*;

    fn messages() -> Vec<Message> {
        let text = |i: usize| format!("I saw {i} herons on day {i}. It rained!\nWhat did you see?");
        (0..60).map(|i| if i % 2 == 0 { Message::user(text(i)) } else { Message::assistant(text(i)) }).collect()
    }

    #[test]
    fn every_way_keeps_to_its_budget() {
        let (messages, summarizer) = (messages(), Extractive::default());
        let means = Means { counter: &EstimateCounter, vectors: None, summarizer: &summarizer };
        let tokens = count_tokens(&messages, means.counter);
        for ratio in [0.7, 0.3, 0.1] {
            for way in Way::ALL.into_iter().filter(|way| !way.has_vectors() && *way != Way::RecentAndImportant) {
                let shortened = way.shorten(&messages, tokens, ratio, 7, &means).unwrap();
                let share = shortened.tokens as f64 / tokens as f64;
                assert!(share <= ratio && share > ratio * 0.6, "{way}: {share} for {ratio}");
            }
        }
    }

    #[test]
    fn ways_have_names() {
        for way in Way::ALL {
            assert_eq!(way.as_str().parse::<Way>().unwrap(), way);
            assert_eq!(serde_json::to_value(way).unwrap(), way.as_str());
        }
        let error = "salt".parse::<Way>().unwrap_err().to_string();
        assert!(
            error.starts_with("expected ways (salient, salient+vectors, ") && error.ends_with("got \"salt\""),
            "{error}"
        );
    }

    #[test]
    fn chance_is_chance_and_repeats() {
        let mut order = shuffled(50, 3);
        assert_eq!(order, shuffled(50, 3));
        assert_ne!(order, shuffled(50, 4));
        order.sort_unstable();
        assert!(order.into_iter().eq(0..50));
        let mut firsts = [0; 4];
        (0..4_000).for_each(|seed| firsts[shuffled(4, seed)[0]] += 1);
        assert!(firsts.iter().all(|count| (850..1_150).contains(count)), "{firsts:?}");
    }

    #[test]
    fn the_last_turns_are_the_last() {
        let summarizer = Extractive::default();
        let means = Means { counter: &EstimateCounter, vectors: None, summarizer: &summarizer };
        let text = last_turns(&messages(), 60, &means);
        assert!(text.ends_with("assistant: I saw 59 herons on day 59. It rained! What did you see?"), "{text}");
        assert_eq!(last_turns(&messages(), 3, &means), "");
    }
}
