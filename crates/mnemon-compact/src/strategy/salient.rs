//! What says most for its tokens.

use super::{Costs, Strategy, text_of};
use crate::cues::Finder;
use crate::salience::{Candidate, Salience, voice};
use crate::{CompactError, Cues, Fate, Goal, Means, Message, Plan};

/// Keeps the last [`Goal::keep_recent`] messages and then, under the budget in tokens, those that say most for what they
/// cost. The default.
///
/// A message is worth the terms, names and numbers in its statements that were not said by what is kept already: each as
/// much as it is rare in this conversation, and less for each kept message that has it. Cues (decisions, times, what
/// somebody says of themselves, errors; see [`Cues`]) and [`Message::priority`] multiply that. Questions count a quarter,
/// small talk next to nothing. What a person says counts twice as much as what a model says (a speaker with a name is a
/// person). With vectors a message that means what a kept one means is worth up to half less, and a
/// central one up to a tenth more; without, words do.
///
/// The choice knows no question. Cost: O(n log n) in the messages and their words in practice.
#[derive(Debug, Clone, Default)]
pub struct Salient {
    /// The cues.
    pub cues: Cues,
    /// What becomes of the others.
    pub rest: Rest,
}

/// What becomes of messages that were not chosen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Rest {
    /// They leave.
    #[default]
    Drop,
    /// One summary of at most [`Goal::summary_max_tokens`], and of half of what is not protected, is written of them.
    Summarise,
}

impl Strategy for Salient {
    fn name(&self) -> &str {
        match self.rest {
            Rest::Drop => "salient",
            Rest::Summarise => "salient_and_summary",
        }
    }

    fn plan(&self, messages: &[Message], goal: &Goal, means: &Means<'_>) -> Result<Plan, CompactError> {
        let budget = goal.budget(messages, means.counter)?;
        let costs = Costs::of(messages, means);
        let protected = costs.protected();
        let room = budget.saturating_sub(costs.sum(&protected));
        let reserved = match self.rest {
            Rest::Summarise => goal.summary_max_tokens.min(room / 2),
            Rest::Drop => 0,
        };
        let room = room - reserved;
        let recent = costs.recent(goal.keep_recent, room);
        let free = costs.free();
        if costs.sum(&free) <= room + reserved {
            let plan = Plan::new(self.name(), messages, Vec::new(), |_| Fate::Keep)?;
            if plan.most_tokens(messages, means.counter) <= budget {
                return Ok(plan);
            }
        }

        let texts: Vec<String> = costs.units.iter().map(|unit| text_of(unit, messages)).collect();
        let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
        let candidates: Vec<Candidate<'_>> = texts
            .iter()
            .zip(&costs.units)
            .zip(&costs.costs)
            .map(|((text, unit), &cost)| {
                let weights = unit.members.iter().filter_map(|&at| messages.get(at)).map(weight);
                let weight = weights.fold(0.0, f32::max);
                // What is not free is not chosen: it costs more than there is.
                let cost = if unit.is_protected || cost == 0 { usize::MAX } else { cost };
                Candidate { text, cost, weight, line: None }
            })
            .collect();
        let rows = means.vectors.map(|vectors| vectors.rows(&texts)).transpose()?;
        let salience = Salience::new(&candidates, &Finder::new(&self.cues), rows);
        let mut left = room - costs.sum(&recent);
        // The least worthy last: the newest messages, then the order of choice.
        let mut kept = recent;
        let mut round = 0;
        loop {
            round += 1;
            let taken: Vec<usize> = protected.iter().chain(&kept).copied().collect();
            let chosen = salience.choose(&taken, left);
            kept.extend(&chosen);
            let (plan, tokens) = self.trim(&mut kept, reserved, &costs, messages, goal, means)?;
            left = budget.saturating_sub(tokens);
            // Turns that became one left room for more.
            if chosen.is_empty() || round == ROUNDS || tokens > budget {
                return Ok(plan);
            }
        }
    }
}

/// What the owner thinks of a message, and who says it.
fn weight(message: &Message) -> f32 {
    let priority = if message.priority.is_finite() { message.priority.max(0.0) } else { 1.0 };
    priority * voice(message.speaker())
}

/// After so many choices what is left of the budget is less than a message of some length.
const ROUNDS: usize = 4;

impl Salient {
    /// The plan that keeps these units, and its tokens. The last of them leave until it is within the budget: bridges and
    /// the names of speakers in turns that became one were not counted before.
    fn trim(
        &self,
        kept: &mut Vec<usize>,
        reserved: usize,
        costs: &Costs,
        messages: &[Message],
        goal: &Goal,
        means: &Means<'_>,
    ) -> Result<(Plan, usize), CompactError> {
        let budget = goal.budget(messages, means.counter)?;
        loop {
            let mut keep = vec![false; messages.len()];
            for unit in kept.iter().filter_map(|&number| costs.units.get(number)) {
                if let Some(keep) = keep.get_mut(unit.start()) {
                    *keep = true;
                }
            }
            let (summaries, other) = match self.rest {
                Rest::Summarise => (vec![reserved], Fate::Summarise(0)),
                Rest::Drop => (Vec::new(), Fate::Drop),
            };
            let fate = |start: usize| if keep.get(start) == Some(&true) { Fate::Keep } else { other };
            let plan = Plan::new(self.name(), messages, summaries, |unit| fate(unit.start()))?;
            let tokens = plan.most_tokens(messages, means.counter);
            let over = tokens.saturating_sub(budget);
            if over == 0 || kept.is_empty() {
                return Ok((plan, tokens));
            }
            let mut freed = 0;
            while freed < over {
                let Some(last) = kept.pop() else { break };
                freed += costs.cost(last);
            }
        }
    }
}
