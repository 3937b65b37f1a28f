//! Ways to make a conversation shorter.

mod hybrid;
mod recent;
mod salient;
mod semantic;
mod summarise;
mod truncate;

pub use hybrid::{Hybrid, HybridMode};
pub use recent::RecentAndImportant;
pub use salient::{Rest, Salient};
pub use semantic::Semantic;
pub use summarise::Summarise;
pub use truncate::Truncate;

use crate::{CompactError, Goal, Means, Message, Plan, Unit, UnitKind};

/// Says what becomes of each message. Bring your own by implementing it with [`Plan::new`], which sees to it that what is
/// protected stays and calls keep their results.
pub trait Strategy: Send + Sync {
    /// Its name, as results show it.
    fn name(&self) -> &str;

    /// A plan for the messages. It may come out over the budget where the strategy counts messages or where what is
    /// protected is too long; [`Hybrid`] then asks the next one.
    ///
    /// # Errors
    /// When it has not what it needs (vectors), or a setting of the goal is outside of its range.
    fn plan(&self, messages: &[Message], goal: &Goal, means: &Means<'_>) -> Result<Plan, CompactError>;
}

/// The units of which messages that are not the system's and say something, oldest first, and what each costs.
struct Costs {
    units: Vec<Unit>,
    costs: Vec<usize>,
}

impl Costs {
    fn of(messages: &[Message], means: &Means<'_>) -> Self {
        let units = crate::units(messages);
        let costs = units
            .iter()
            .map(|unit| match unit.kind {
                UnitKind::Nothing => 0,
                _ => unit.members.iter().filter_map(|&at| messages.get(at)).map(|m| m.tokens(means.counter)).sum(),
            })
            .collect();
        Self { units, costs }
    }

    fn cost(&self, unit: usize) -> usize {
        self.costs.get(unit).copied().unwrap_or_default()
    }

    /// The numbers of the units that have to be kept.
    fn protected(&self) -> Vec<usize> {
        self.numbers(|unit| unit.is_protected)
    }

    /// The numbers of the units that a strategy decides about.
    fn free(&self) -> Vec<usize> {
        self.numbers(|unit| !unit.is_protected && unit.kind != UnitKind::Nothing)
    }

    fn numbers(&self, wanted: impl Fn(&Unit) -> bool) -> Vec<usize> {
        self.units.iter().enumerate().filter(|(_, unit)| wanted(unit)).map(|(number, _)| number).collect()
    }

    /// The free units that hold the last `count` messages that are not the system's, newest first. They stop before the
    /// one with which they would cost more than `budget`.
    fn recent(&self, count: usize, budget: usize) -> Vec<usize> {
        let (mut messages, mut left, mut recent) = (0, budget, Vec::new());
        for (number, unit) in self.units.iter().enumerate().rev() {
            if messages >= count {
                break;
            }
            if matches!(unit.kind, UnitKind::System | UnitKind::Nothing) {
                continue;
            }
            messages += unit.members.len();
            // It is kept anyway, and paid for.
            if unit.is_protected {
                continue;
            }
            match left.checked_sub(self.cost(number)) {
                Some(rest) => left = rest,
                None => break,
            }
            recent.push(number);
        }
        recent
    }

    fn sum(&self, numbers: &[usize]) -> usize {
        numbers.iter().map(|&number| self.cost(number)).sum()
    }
}

/// What a unit says, for choosing among units.
fn text_of(unit: &Unit, messages: &[Message]) -> String {
    let mut text = String::new();
    for message in unit.members.iter().filter_map(|&at| messages.get(at)) {
        for part in std::iter::once(message.content.as_str()).chain(message.tool_calls.iter().flat_map(|call| {
            // What was asked of a tool is as telling as what was said.
            [call.name.as_str(), call.arguments.as_str()]
        })) {
            if !part.trim().is_empty() {
                if !text.is_empty() {
                    text.push('\n');
                }
                text.push_str(part);
            }
        }
    }
    text
}

#[cfg(test)]
mod tests;
