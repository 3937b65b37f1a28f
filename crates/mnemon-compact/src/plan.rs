//! What becomes of each message, and the conversation that comes of it.

use std::collections::BTreeMap;
use std::ops::Range;

use mnemon_core::TokenCounter;

use crate::order::{Piece, Placed, arrange};
use crate::units::ranges;
use crate::{
    Attempt, CompactError, Message, Summarizer, Summary, SummaryRequest, Unit, UnitKind, Vectors, check_order,
    count_tokens, units,
};

/// What becomes of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Fate {
    /// It stays, word for word.
    Keep,
    /// It leaves.
    Drop,
    /// It goes into the summary of this number, from 0.
    Summarise(usize),
}

/// What becomes of each message. A plan changes nothing; [`Plan::apply`] carries it out.
///
/// Every plan keeps what is protected ([`Unit::is_protected`]) and gives the messages of a unit one fate.
#[derive(Debug, Clone)]
pub struct Plan {
    /// Which strategy made it.
    pub strategy: String,
    /// The strategies that were asked before, and why they did not answer.
    pub attempts: Vec<Attempt>,
    fates: Vec<Fate>,
    /// The most tokens of each summary.
    summaries: Vec<usize>,
}

/// What plans and summaries are made with.
#[derive(Clone, Copy)]
pub struct Means<'a> {
    /// Counts as the model that will read the conversation counts.
    pub counter: &'a dyn TokenCounter,
    /// Vectors of texts. Without them meanings are compared by words.
    pub vectors: Option<Vectors<'a>>,
    /// Writes summaries.
    pub summarizer: &'a dyn Summarizer,
}

/// A conversation after compaction.
#[derive(Debug, Clone)]
pub struct Compacted {
    /// The messages. [`check_order`] holds for them.
    pub messages: Vec<Message>,
    /// For each message the positions of the old ones that are in it word for word, or that it summarises.
    pub origins: Vec<Vec<usize>>,
    /// The summaries that were written.
    pub summaries: Vec<Summary>,
    /// The positions that are in no message.
    pub dropped: Vec<Range<usize>>,
    /// Which strategy answered.
    pub strategy: String,
    /// The strategies that were asked before, and why they did not answer.
    pub attempts: Vec<Attempt>,
    /// The tokens of the conversation as it was.
    pub tokens_before: usize,
    /// Its tokens now.
    pub tokens_after: usize,
}

impl Compacted {
    /// The tokens after as a share of those before; 1 for an empty conversation.
    #[must_use]
    pub fn ratio(&self) -> f64 {
        ratio(self.tokens_before, self.tokens_after)
    }
}

pub(crate) fn ratio(before: usize, after: usize) -> f64 {
    if before == 0 { 1.0 } else { after as f64 / before as f64 }
}

impl Plan {
    /// A plan that asks for the fate of each unit. What is protected is kept and what says nothing is dropped, whatever
    /// `fate` says. `summaries` has the most tokens of each summary that `fate` names.
    ///
    /// # Errors
    /// When a summary is named that `summaries` does not have.
    pub fn new(
        strategy: impl Into<String>,
        messages: &[Message],
        summaries: Vec<usize>,
        mut fate: impl FnMut(&Unit) -> Fate,
    ) -> Result<Self, CompactError> {
        let mut fates = vec![Fate::Drop; messages.len()];
        for unit in units(messages) {
            let wanted = match unit.kind {
                UnitKind::Nothing => Fate::Drop,
                _ if unit.is_protected => Fate::Keep,
                _ => fate(&unit),
            };
            if let Fate::Summarise(number) = wanted
                && number >= summaries.len()
            {
                return Err(CompactError::BadPlan {
                    expected: format!("{} summaries", summaries.len()),
                    got: format!("summary {number}"),
                });
            }
            for member in unit.members {
                if let Some(fate) = fates.get_mut(member) {
                    *fate = wanted;
                }
            }
        }
        Ok(Self { strategy: strategy.into(), attempts: Vec::new(), fates, summaries })
    }

    /// What becomes of each message, in their order.
    #[must_use]
    pub fn fates(&self) -> &[Fate] {
        &self.fates
    }

    /// The same as ranges of equal fate, one after the other without gaps.
    #[must_use]
    pub fn ranges(&self) -> Vec<(Range<usize>, Fate)> {
        let mut ranges: Vec<(Range<usize>, Fate)> = Vec::new();
        for (position, &fate) in self.fates.iter().enumerate() {
            match ranges.last_mut() {
                Some((range, before)) if *before == fate => range.end = position + 1,
                _ => ranges.push((position..position + 1, fate)),
            }
        }
        ranges
    }

    /// The positions that stay.
    pub fn kept(&self) -> impl Iterator<Item = usize> + '_ {
        self.fates.iter().enumerate().filter(|(_, fate)| **fate == Fate::Keep).map(|(position, _)| position)
    }

    /// The positions that go into a summary, and its most tokens.
    #[must_use]
    pub fn summary(&self, number: usize) -> Option<(Vec<usize>, usize)> {
        let most = *self.summaries.get(number)?;
        let covered = self.fates.iter().enumerate().filter(|(_, fate)| **fate == Fate::Summarise(number));
        Some((covered.map(|(position, _)| position).collect(), most))
    }

    /// How many summaries it asks for.
    #[must_use]
    pub fn summaries(&self) -> usize {
        self.summaries.len()
    }

    /// The most tokens that the conversation will have, its summaries counted as long as they may become.
    #[must_use]
    pub fn most_tokens(&self, messages: &[Message], counter: &dyn TokenCounter) -> usize {
        let mut reserved = 0;
        let placed = self.arrange(messages, |number| {
            let (covered, most) = self.summary(number)?;
            reserved += most;
            Some((Summary::placeholder().into_message(), covered))
        });
        reserved + placed.iter().map(|placed| placed.message.tokens(counter)).sum::<usize>()
    }

    /// Carries the plan out: keeps, drops, has summaries written, and brings what comes of it into the order of
    /// [`check_order`]. A summary stands where the first of its messages stood. The messages that it was made for are
    /// not changed. Messages that there is nothing to say of, or no room to say it, are dropped in place of summarised.
    ///
    /// # Errors
    /// When the plan was made for other messages, or a summary cannot be written for another reason.
    pub fn apply(&self, messages: &[Message], means: &Means<'_>) -> Result<Compacted, CompactError> {
        if self.fates.len() != messages.len() {
            return Err(CompactError::BadPlan {
                expected: format!("{} fates", messages.len()),
                got: format!("{}", self.fates.len()),
            });
        }
        let mut written = BTreeMap::new();
        for number in 0..self.summaries.len() {
            let Some((covered, max_tokens)) = self.summary(number).filter(|(covered, _)| !covered.is_empty()) else {
                continue;
            };
            let mut request = SummaryRequest::new(
                covered.iter().filter_map(|&at| messages.get(at).map(|message| (at, message))).collect(),
                max_tokens,
                means.counter,
            );
            request.vectors = means.vectors;
            match means.summarizer.summarise(&request) {
                Ok(summary) => {
                    written.insert(number, (summary, covered));
                }
                Err(CompactError::NothingToSummarise { .. } | CompactError::NoRoom { .. }) => {}
                Err(error) => return Err(error),
            }
        }
        let placed = self.arrange(messages, |number| {
            let (summary, covered) = written.get(&number)?;
            Some((summary.clone().into_message(), covered.clone()))
        });
        let dropped = self.fates.iter().enumerate().filter(|(_, fate)| match fate {
            Fate::Keep => false,
            Fate::Drop => true,
            Fate::Summarise(number) => !written.contains_key(number),
        });
        let dropped = ranges(dropped.map(|(position, _)| position));
        let (messages_after, origins): (Vec<Message>, Vec<Vec<usize>>) =
            placed.into_iter().map(|placed| (placed.message, placed.origins)).unzip();
        check_order(&messages_after)?;
        Ok(Compacted {
            tokens_before: count_tokens(messages, means.counter),
            tokens_after: count_tokens(&messages_after, means.counter),
            messages: messages_after,
            origins,
            summaries: written.into_values().map(|(summary, _)| summary).collect(),
            dropped,
            strategy: self.strategy.clone(),
            attempts: self.attempts.clone(),
        })
    }

    /// The new conversation, with the message of each summary as `summary` gives it.
    fn arrange(
        &self,
        messages: &[Message],
        mut summary: impl FnMut(usize) -> Option<(Message, Vec<usize>)>,
    ) -> Vec<Placed> {
        let units = units(messages);
        let mut begun = vec![false; self.summaries.len()];
        let mut pieces = Vec::new();
        for unit in &units {
            match self.fates.get(unit.start()) {
                Some(Fate::Keep) => pieces.push(Piece::Old(unit)),
                Some(&Fate::Summarise(number)) => {
                    let Some(begun) = begun.get_mut(number).filter(|begun| !**begun) else { continue };
                    *begun = true;
                    if let Some((message, covered)) = summary(number) {
                        pieces.push(Piece::New(Box::new(message), covered));
                    }
                }
                _ => {}
            }
        }
        arrange(messages, pieces)
    }
}
