//! A summary, and the last messages.

use std::collections::HashSet;

use super::{Costs, Strategy};
use crate::{CompactError, Fate, Goal, Means, Message, Plan, UnitKind};

/// Keeps the last [`Goal::keep_recent`] messages while they fit beside a summary, and has one summary written of what
/// stands before them. A summary of an earlier compaction goes into the new one.
#[derive(Debug, Clone, Copy, Default)]
pub struct Summarise;

impl Strategy for Summarise {
    fn name(&self) -> &str {
        "summarise"
    }

    fn plan(&self, messages: &[Message], goal: &Goal, means: &Means<'_>) -> Result<Plan, CompactError> {
        let budget = goal.budget(messages, means.counter)?;
        let costs = Costs::of(messages, means);
        let fixed = costs.sum(&costs.protected());
        let room = budget.saturating_sub(fixed + goal.summary_max_tokens);
        let mut recent = costs.recent(goal.keep_recent, room);
        let mut summary = goal.summary_max_tokens;
        loop {
            let starts: HashSet<usize> =
                recent.iter().filter_map(|&number| costs.units.get(number)).map(|unit| unit.start()).collect();
            let rest: Vec<_> = costs
                .free()
                .into_iter()
                .filter_map(|number| costs.units.get(number))
                .filter(|unit| !starts.contains(&unit.start()))
                .collect();
            // One summary alone would only be written again.
            if rest.iter().all(|unit| unit.kind == UnitKind::Summary) && rest.len() < 2 {
                let plan = Plan::new(self.name(), messages, Vec::new(), |_| Fate::Keep)?;
                if plan.most_tokens(messages, means.counter) <= budget || recent.pop().is_none() {
                    return Ok(plan);
                }
                continue;
            }
            let fate = |start: usize| if starts.contains(&start) { Fate::Keep } else { Fate::Summarise(0) };
            let plan = Plan::new(self.name(), messages, vec![summary], |unit| fate(unit.start()))?;
            let over = plan.most_tokens(messages, means.counter).saturating_sub(budget);
            if over == 0 {
                return Ok(plan);
            }
            // First fewer recent messages, then a shorter summary.
            if recent.pop().is_none() {
                match summary.checked_sub(over).filter(|left| *left > 0) {
                    Some(left) => summary = left,
                    None => return Ok(plan),
                }
            }
        }
    }
}
