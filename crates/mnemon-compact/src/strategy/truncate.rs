//! The last messages.

use std::collections::HashSet;

use super::{Costs, Strategy};
use crate::{CompactError, Fate, Goal, Means, Message, Plan};

/// Keeps the newest messages that fit, without a gap, and drops the older ones.
#[derive(Debug, Clone, Copy, Default)]
pub struct Truncate;

impl Strategy for Truncate {
    fn name(&self) -> &str {
        "truncate"
    }

    fn plan(&self, messages: &[Message], goal: &Goal, means: &Means<'_>) -> Result<Plan, CompactError> {
        let budget = goal.budget(messages, means.counter)?;
        let costs = Costs::of(messages, means);
        let mut kept = costs.recent(usize::MAX, budget.saturating_sub(costs.sum(&costs.protected())));
        loop {
            let starts: HashSet<usize> =
                kept.iter().filter_map(|&number| costs.units.get(number)).map(|unit| unit.start()).collect();
            let keep = |start: usize| if starts.contains(&start) { Fate::Keep } else { Fate::Drop };
            let plan = Plan::new(self.name(), messages, Vec::new(), |unit| keep(unit.start()))?;
            // The bridge before the first may be what is too much. The oldest is the last of them.
            if plan.most_tokens(messages, means.counter) <= budget || kept.pop().is_none() {
                return Ok(plan);
            }
        }
    }
}
