//! One message for each cluster of meanings.

use super::{Costs, Strategy, text_of};
use crate::{CompactError, Fate, Goal, Means, Message, Plan};

/// Clusters the vectors of the messages with k-means, k being the number of messages to keep, and keeps of each cluster
/// the message nearest to its centroid, in the original order. k is [`Goal::target_ratio`] of the messages that are not
/// protected, at least [`Goal::min_kept`]; a conversation of no more messages stays as it is.
///
/// Where [`Goal::max_tokens`] is given, k is lowered until what is kept fits, at most four times.
///
/// It needs an embedder. Cost: that of [`mnemon_select::k_means_diverse`], and embedding what the cache has not.
#[derive(Debug, Clone, Copy, Default)]
pub struct Semantic;

impl Strategy for Semantic {
    fn name(&self) -> &str {
        "semantic"
    }

    fn plan(&self, messages: &[Message], goal: &Goal, means: &Means<'_>) -> Result<Plan, CompactError> {
        let ratio = goal.checked_ratio()?;
        let costs = Costs::of(messages, means);
        let free = costs.free();
        let vectors = means.vectors.ok_or_else(|| CompactError::NoVectors { strategy: self.name().to_owned() })?;
        let mut k = goal.min_kept.max((free.len() as f64 * ratio) as usize);
        let keep_all = || Plan::new(self.name(), messages, Vec::new(), |_| Fate::Keep);
        if free.len() <= goal.min_kept {
            return keep_all();
        }
        let texts: Vec<String> =
            free.iter().filter_map(|&number| costs.units.get(number)).map(|unit| text_of(unit, messages)).collect();
        let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
        let rows = vectors.rows(&texts)?;
        let mut tries = 4;
        loop {
            let chosen = mnemon_select::k_means_diverse(rows.view(), k, goal.seed).map_err(CompactError::Select)?;
            let mut kept = vec![false; messages.len()];
            for unit in chosen.iter().filter_map(|&row| free.get(row)).filter_map(|&number| costs.units.get(number)) {
                if let Some(kept) = kept.get_mut(unit.start()) {
                    *kept = true;
                }
            }
            let fate = |start: usize| if kept.get(start) == Some(&true) { Fate::Keep } else { Fate::Drop };
            let plan = Plan::new(self.name(), messages, Vec::new(), |unit| fate(unit.start()))?;
            let Some(most) = goal.max_tokens else { return Ok(plan) };
            let tokens = plan.most_tokens(messages, means.counter);
            tries -= 1;
            if tokens <= most || tries == 0 || k <= goal.min_kept {
                return Ok(plan);
            }
            // What is protected does not shrink with k.
            let fixed = costs.sum(&costs.protected());
            let share = most.saturating_sub(fixed) as f64 / tokens.saturating_sub(fixed).max(1) as f64;
            k = ((k as f64 * share * 0.97) as usize).clamp(goal.min_kept.max(1), k - 1);
        }
    }
}
