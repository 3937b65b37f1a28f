//! The last messages, and what is marked by its words.

use std::collections::HashSet;

use super::{Costs, Strategy, text_of};
use crate::cues::Finder;
use crate::{CompactError, Cues, Fate, Goal, Means, Message, Plan};

/// Keeps the last [`Goal::keep_recent`] messages and all those with one of the important cues, each once, in order. It
/// counts no tokens.
#[derive(Debug, Clone, Default)]
pub struct RecentAndImportant {
    /// By which words a message is important: its lists `important`, `decision` and `open` are read.
    pub cues: Cues,
}

impl RecentAndImportant {
    /// Important is what has one of these words or phrases.
    #[must_use]
    pub fn with_words<I: IntoIterator<Item = S>, S: Into<String>>(words: I) -> Self {
        let important = words.into_iter().map(Into::into).collect();
        Self { cues: Cues { important, decision: Vec::new(), open: Vec::new(), ..Cues::default() } }
    }
}

impl Strategy for RecentAndImportant {
    fn name(&self) -> &str {
        "recent_and_important"
    }

    fn plan(&self, messages: &[Message], goal: &Goal, means: &Means<'_>) -> Result<Plan, CompactError> {
        let costs = Costs::of(messages, means);
        let finder = Finder::new(&self.cues);
        let recent = costs.recent(goal.keep_recent, usize::MAX);
        let starts: HashSet<usize> =
            recent.iter().filter_map(|&number| costs.units.get(number)).map(|unit| unit.start()).collect();
        Plan::new(self.name(), messages, Vec::new(), |unit| {
            let found = finder.find(&text_of(unit, messages));
            if starts.contains(&unit.start()) || found.important || found.decision || found.open {
                Fate::Keep
            } else {
                Fate::Drop
            }
        })
    }
}
