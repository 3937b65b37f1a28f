//! Summaries of summaries.

use serde::{Deserialize, Serialize};

use super::{Summarizer, Summary, SummaryRequest};
use crate::{CompactError, Message, Vectors, units};
use mnemon_core::TokenCounter;

/// How a long conversation is summarised in levels.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Levels {
    /// As many tokens of messages, or of summaries, go into one summary. At least one unit does, however long.
    pub chunk_tokens: usize,
    /// The most tokens of a summary. Less than half of `chunk_tokens`, so that each level is shorter than the one below.
    pub summary_tokens: usize,
}

impl Default for Levels {
    fn default() -> Self {
        Self { chunk_tokens: 4_000, summary_tokens: 500 }
    }
}

/// The summaries of a conversation: those of its messages first, then summaries of those, up to a single one.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SummaryTree {
    /// A list for each level. The positions of the first are those of messages, those of each other the places in the level
    /// below. The last has one summary, unless there was nothing to summarise.
    pub levels: Vec<Vec<Summary>>,
}

impl SummaryTree {
    /// The summary of everything.
    #[must_use]
    pub fn top(&self) -> Option<&Summary> {
        self.levels.last().and_then(|level| level.first())
    }

    /// Summarises a conversation level by level until one summary stands for all. Chunks end between units: a call is
    /// never in another chunk than its results.
    ///
    /// # Errors
    /// When `levels` could not come to an end, or a summary cannot be written.
    pub fn build(
        messages: &[Message],
        levels: Levels,
        summarizer: &dyn Summarizer,
        counter: &dyn TokenCounter,
        vectors: Option<Vectors<'_>>,
    ) -> Result<Self, CompactError> {
        if levels.summary_tokens == 0 || levels.summary_tokens.saturating_mul(2) >= levels.chunk_tokens {
            return Err(CompactError::Setting {
                field: "summary_tokens",
                expected: "above 0 and less than half of chunk_tokens",
                got: format!("{} of {}", levels.summary_tokens, levels.chunk_tokens),
            });
        }
        let mut tree = Self { levels: Vec::new() };
        let mut below: Vec<Message> = messages.to_vec();
        loop {
            // A chunk of summaries has at least two, or the number of summaries would not fall.
            let least = if tree.levels.is_empty() { 1 } else { 2 };
            let mut level = Vec::new();
            for chunk in chunks(&below, levels.chunk_tokens, least, counter) {
                let members = chunk.into_iter().filter_map(|at| below.get(at).map(|message| (at, message))).collect();
                let mut request = SummaryRequest::new(members, levels.summary_tokens, counter);
                request.vectors = vectors;
                match summarizer.summarise(&request) {
                    Ok(summary) => level.push(summary),
                    Err(CompactError::NothingToSummarise { .. }) => {}
                    Err(error) => return Err(error),
                }
            }
            if level.is_empty() {
                return Ok(tree);
            }
            below = level.iter().cloned().map(Summary::into_message).collect();
            let is_top = level.len() == 1;
            tree.levels.push(level);
            if is_top {
                return Ok(tree);
            }
        }
    }
}

/// Positions of units, together, of up to so many tokens and at least so many units each.
fn chunks(messages: &[Message], tokens: usize, least: usize, counter: &dyn TokenCounter) -> Vec<Vec<usize>> {
    let mut chunks: Vec<Vec<usize>> = Vec::new();
    let (mut left, mut count) = (0usize, 0);
    for unit in units(messages) {
        let cost = unit.members.iter().filter_map(|&at| messages.get(at)).map(|message| message.tokens(counter)).sum();
        match (chunks.last_mut(), left.checked_sub(cost)) {
            (Some(chunk), Some(rest)) => {
                left = rest;
                count += 1;
                chunk.extend(unit.members);
            }
            (Some(chunk), None) if count < least => {
                left = 0;
                count += 1;
                chunk.extend(unit.members);
            }
            _ => {
                left = tokens.saturating_sub(cost);
                count = 1;
                chunks.push(unit.members);
            }
        }
    }
    // One summary left over joins those before it: it would only be written again.
    if count < least
        && chunks.len() > 1
        && let (Some(last), Some(before)) = (chunks.pop(), chunks.last_mut())
    {
        before.extend(last);
    }
    for chunk in &mut chunks {
        chunk.sort_unstable();
    }
    chunks
}

#[cfg(test)]
mod tests {
    use mnemon_core::EstimateCounter;

    use super::*;
    use crate::Extractive;

    fn build(messages: &[Message], chunk_tokens: usize, summary_tokens: usize) -> Result<SummaryTree, CompactError> {
        let levels = Levels { chunk_tokens, summary_tokens };
        SummaryTree::build(messages, levels, &Extractive::default(), &EstimateCounter, None)
    }

    #[test]
    fn levels_go_up_to_one_that_stands_for_all() {
        let messages: Vec<Message> = (0..300)
            .map(|i| {
                let text = format!("On day {i} boat {} left for Harbour{}. The weather was fine.", i * 7, i % 50);
                if i % 2 == 0 { Message::user(text) } else { Message::assistant(text) }.with_id(format!("m{i}"))
            })
            .collect();
        let tree = build(&messages, 400, 100).unwrap();
        assert!(tree.levels.len() >= 3, "{} levels", tree.levels.len());
        let top = tree.top().unwrap();
        assert_eq!(top.meta.depth as usize, tree.levels.len());
        assert_eq!(top.meta.messages, 300);
        let ids: Vec<String> = (0..300).map(|i| format!("m{i}")).collect();
        assert_eq!(top.meta.ids, ids);
        for (depth, level) in tree.levels.iter().enumerate() {
            assert!(level.iter().all(|summary| summary.meta.tokens_after <= 100));
            assert_eq!(level.iter().map(|summary| summary.meta.messages).sum::<usize>(), 300, "level {depth}");
            assert!(level.windows(2).all(|pair| pair[0].meta.ranges[0].start < pair[1].meta.ranges[0].start));
        }
        assert!(top.text.contains("boat") && top.text.contains("user: "));
    }

    #[test]
    fn small_and_bad_ones_end_too() {
        assert_eq!(build(&[], 400, 100).unwrap().levels.len(), 0);
        assert_eq!(build(&[Message::user("One boat.")], 400, 100).unwrap().levels.len(), 1);
        let long = vec![Message::user("a boat ".repeat(900)); 3];
        assert!(build(&long, 30, 10).unwrap().levels.len() >= 2);
        assert!(matches!(build(&long, 30, 15), Err(CompactError::Setting { .. })));
        assert!(matches!(build(&long, 30, 0), Err(CompactError::Setting { .. })));
    }
}
