//! Several strategies as one.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::Strategy;
use crate::{Attempt, CompactError, Fate, Goal, Means, Message, Plan};

/// A list of strategies, as one.
pub struct Hybrid {
    strategies: Vec<Box<dyn Strategy>>,
    mode: HybridMode,
}

/// How a list of strategies answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum HybridMode {
    /// The first that succeeds and stays within the budget answers. When none stays within it, the shortest of the plans
    /// does.
    #[default]
    FirstThatFits,
    /// One after the other: each works on what those before it kept, until the budget is kept.
    Chained,
}

impl Hybrid {
    /// The strategies in the order in which they are asked.
    #[must_use]
    pub fn new(mode: HybridMode, strategies: Vec<Box<dyn Strategy>>) -> Self {
        Self { strategies, mode }
    }
}

impl Strategy for Hybrid {
    fn name(&self) -> &str {
        "hybrid"
    }

    /// The plan of the strategy that answered, under its own name, with why the others did not; when chained, under the
    /// names of all that had a part in it, joined with `+`.
    fn plan(&self, messages: &[Message], goal: &Goal, means: &Means<'_>) -> Result<Plan, CompactError> {
        match self.mode {
            HybridMode::FirstThatFits => self.first(messages, goal, means),
            HybridMode::Chained => self.chained(messages, goal, means),
        }
    }
}

impl Hybrid {
    fn first(&self, messages: &[Message], goal: &Goal, means: &Means<'_>) -> Result<Plan, CompactError> {
        let budget = goal.budget(messages, means.counter)?;
        let mut attempts = Vec::new();
        let mut shortest: Option<(usize, Plan)> = None;
        for strategy in &self.strategies {
            let why = match strategy.plan(messages, goal, means) {
                Ok(plan) => {
                    // A strategy that counts messages keeps its share of them: without a limit in tokens that is fine.
                    let tokens = plan.most_tokens(messages, means.counter);
                    if tokens <= budget || goal.max_tokens.is_none() {
                        return Ok(with_attempts(plan, attempts));
                    }
                    if shortest.as_ref().is_none_or(|(least, _)| tokens < *least) {
                        shortest = Some((tokens, plan));
                    }
                    CompactError::OverBudget { expected: budget, got: tokens }
                }
                Err(error) => error,
            };
            attempts.push(Attempt { strategy: strategy.name().to_owned(), why: Arc::new(why) });
        }
        match shortest {
            Some((_, plan)) => Ok(with_attempts(plan, attempts)),
            None => Err(CompactError::NoneAnswered(attempts)),
        }
    }

    fn chained(&self, messages: &[Message], goal: &Goal, means: &Means<'_>) -> Result<Plan, CompactError> {
        let budget = goal.budget(messages, means.counter)?;
        // The ratio is that of the whole conversation, not of what is left of it.
        let goal = Goal { max_tokens: Some(budget), ..goal.clone() };
        let mut fates = vec![Fate::Keep; messages.len()];
        let (mut summaries, mut names, mut attempts) = (Vec::new(), Vec::new(), Vec::new());
        let mut result: Option<Plan> = None;
        for strategy in &self.strategies {
            let left: Vec<usize> = (0..messages.len()).filter(|&at| fates.get(at) == Some(&Fate::Keep)).collect();
            let part: Vec<Message> = left.iter().filter_map(|&at| messages.get(at).cloned()).collect();
            match strategy.plan(&part, &goal, means) {
                Ok(plan) => {
                    for (&at, fate) in left.iter().zip(plan.fates()) {
                        if let Some(slot) = fates.get_mut(at) {
                            *slot = match fate {
                                Fate::Summarise(number) => Fate::Summarise(number + summaries.len()),
                                other => *other,
                            };
                        }
                    }
                    summaries
                        .extend((0..plan.summaries()).filter_map(|number| plan.summary(number)).map(|(_, most)| most));
                    names.push(plan.strategy.clone());
                    attempts.extend(plan.attempts);
                }
                Err(error) => {
                    attempts.push(Attempt { strategy: strategy.name().to_owned(), why: Arc::new(error) });
                    continue;
                }
            }
            let plan = Plan::new(names.join("+"), messages, summaries.clone(), |unit| {
                fates.get(unit.start()).copied().unwrap_or(Fate::Keep)
            })?;
            let is_done = plan.most_tokens(messages, means.counter) <= budget;
            result = Some(plan);
            if is_done {
                break;
            }
        }
        match result {
            Some(plan) => Ok(with_attempts(plan, attempts)),
            None => Err(CompactError::NoneAnswered(attempts)),
        }
    }
}

impl std::fmt::Debug for Hybrid {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let names: Vec<&str> = self.strategies.iter().map(|strategy| strategy.name()).collect();
        f.debug_struct("Hybrid").field("mode", &self.mode).field("strategies", &names).finish()
    }
}

fn with_attempts(mut plan: Plan, mut attempts: Vec<Attempt>) -> Plan {
    attempts.append(&mut plan.attempts);
    plan.attempts = attempts;
    plan
}
