//! Questions to memory.

use std::borrow::Cow;

use mnemon_core::{Field, Filter, Scope, Timestamp, Trust};
use mnemon_long_term::{Diversity, Explanation, Level, Period, Recall, RecallQuery};
use mnemon_store::RowId;

use crate::engine::Engine;
use crate::{ContextManager, Error};

/// A question to memory. A plain text is one with the settings of the memory, about all time.
///
/// ```
/// # use mnemon::{ContextManager, MemoryQuery, Timestamp};
/// # let memory = ContextManager::builder().open_in_memory()?;
/// memory.add_memory("The boiler was serviced", Default::default())?;
/// let asked: Timestamp = "2025-03-02T10:00:00Z".parse()?;
/// let recall = memory.query_memory(MemoryQuery::new("What was serviced last week?").asked_at(asked), 3)?;
/// assert_eq!(recall.hits.len(), 1);
/// let none = memory.query_memory(MemoryQuery::new("What was serviced?").before(asked), 3)?;
/// assert!(none.hits.is_empty());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct MemoryQuery {
    /// What is asked.
    pub text: String,
    /// The time from which the question looks back; see [`MemoryQuery::asked_at`].
    pub asked_at: Option<Timestamp>,
    /// Only memories of this time.
    pub period: Period,
    /// Only memories that match.
    pub filter: Option<Filter>,
    /// Another level of recall than that of the settings.
    pub recall: Option<Level>,
    /// Another floor of relevance.
    pub relevance_floor: Option<f32>,
    /// Another way with hits that are like one another.
    pub diversity: Option<Diversity>,
    /// The time at which what is found has to hold, instead of now; see [`MemoryQuery::as_of`].
    pub holding_at: Option<Timestamp>,
    /// Only memories that may be believed so far, at least.
    pub least_trust: Option<Trust>,
    /// Whether summaries that the engine made are hits too; see [`MemoryQuery::summaries`].
    pub summaries: bool,
}

impl MemoryQuery {
    /// A question with the settings of the memory.
    #[must_use]
    pub fn new(text: impl Into<String>) -> Self {
        Self {
            text: text.into(),
            asked_at: None,
            period: Period::default(),
            filter: None,
            recall: None,
            relevance_floor: None,
            diversity: None,
            holding_at: None,
            least_trust: None,
            summaries: false,
        }
    }

    /// The time from which the question looks back: "last week" is the week before it. Without it, the question is asked
    /// at the time of the newest memory of the scope; the clock of the machine is never asked.
    #[must_use]
    pub fn asked_at(self, time: Timestamp) -> Self {
        Self { asked_at: Some(time), ..self }
    }

    /// Only what happened before a time.
    #[must_use]
    pub fn before(self, time: Timestamp) -> Self {
        Self { period: Period { to: Some(time), ..self.period }, ..self }
    }

    /// Only what happened at a time or after it.
    #[must_use]
    pub fn after(self, time: Timestamp) -> Self {
        Self { period: Period { from: Some(time), ..self.period }, ..self }
    }

    /// As if asked at an earlier time: nothing later is seen, what has ended since still holds, and the question looks back
    /// from there.
    #[must_use]
    pub fn as_of(self, time: Timestamp) -> Self {
        Self { holding_at: Some(time), ..self.before(time).asked_at(time) }
    }

    /// Only what may be believed at least so far: with [`Trust::User`] what the user said.
    #[must_use]
    pub fn least_trust(self, trust: Trust) -> Self {
        Self { least_trust: Some(trust), ..self }
    }

    /// With summaries that the engine made among the hits. They say nothing that their turns do not say, so without this they
    /// are found only by a filter over the kind of memories. [`ContextManager::summary_turns`] leads from one to its turns.
    #[must_use]
    pub fn summaries(self) -> Self {
        Self { summaries: true, ..self }
    }

    /// Only memories that match. What does not match is excluded in the search itself.
    ///
    /// ```
    /// # use mnemon::{ContextManager, Field, MemoryQuery, Metadata};
    /// # let memory = ContextManager::builder().open_in_memory()?;
    /// let tagged = |topic: &str| Metadata::from_iter([("topic".to_owned(), topic.into())]);
    /// memory.add_memory("The hedge was cut in May", tagged("garden"))?;
    /// memory.add_memory("The lease was cut to a year in May", tagged("flat"))?;
    /// let about = MemoryQuery::new("What was cut in May?").filter(Field::metadata(["topic"]).eq("garden"));
    /// let recall = memory.query_memory(about, 5)?;
    /// assert_eq!(recall.hits.len(), 1);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn filter(self, filter: Filter) -> Self {
        Self { filter: Some(filter), ..self }
    }

    /// The same at another level of recall.
    #[must_use]
    pub fn recall(self, level: Level) -> Self {
        Self { recall: Some(level), ..self }
    }

    /// The same with another floor of relevance, from 0 (any answer will do) to 1.
    #[must_use]
    pub fn relevance_floor(self, floor: f32) -> Self {
        Self { relevance_floor: Some(floor), ..self }
    }

    /// The same with another way to treat hits that are like one another.
    #[must_use]
    pub fn diversity(self, diversity: Diversity) -> Self {
        Self { diversity: Some(diversity), ..self }
    }

    fn resolved<'a>(&'a self, engine: &Engine, scope: &'a Scope, k: usize, exclude: &'a [RowId]) -> RecallQuery<'a> {
        let config = &engine.config;
        RecallQuery {
            now: Some(self.holding_at.unwrap_or_else(|| engine.now())),
            least_trust: self.least_trust,
            summaries: self.summaries || self.filter.as_ref().is_some_and(|filter| filter.names(&Field::Kind)),
            level: self.recall.unwrap_or(config.recall),
            relevance_floor: self.relevance_floor.unwrap_or(config.relevance_floor),
            diversity: self.diversity.unwrap_or(config.diversity),
            asked_at: self.asked_at,
            period: self.period,
            filter: self.filter.as_ref(),
            exclude,
            ..RecallQuery::new(&self.text, scope, k)
        }
    }
}

impl<T: Into<String>> From<T> for MemoryQuery {
    fn from(text: T) -> Self {
        Self::new(text)
    }
}

impl ContextManager {
    /// The `k` memories that answer a question best, turns among them. None when nothing in the scope is about it.
    ///
    /// # Errors
    /// When the file cannot be read, and for a filter that cannot be run.
    pub fn query_memory(&self, query: impl Into<MemoryQuery>, k: usize) -> Result<Recall, Error> {
        let recall = self.recall(&query.into(), k, &[])?;
        let shown = recall.hits.iter().map(|hit| (hit.memory.id, hit.text()));
        self.engine.guard.show(&self.scope, shown, self.engine.now());
        Ok(recall)
    }

    /// Why a question is answered as it is: the best `k` candidates with everything that was measured on them, and how
    /// long each stage took. `None` when the question or the scope is empty.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn explain(&self, query: impl Into<MemoryQuery>, k: usize) -> Result<Option<Explanation>, Error> {
        let query = query.into();
        let asked = self.asked(&query);
        Ok(self.engine.long_term.explain(&asked.resolved(&self.engine, &self.scope, k, &[]))?)
    }

    pub(crate) fn recall(&self, query: &MemoryQuery, k: usize, exclude: &[RowId]) -> Result<Recall, Error> {
        let asked = self.asked(query);
        Ok(self.engine.long_term.recall(&asked.resolved(&self.engine, &self.scope, k, exclude))?)
    }

    /// The question without secrets: a model elsewhere may embed it, and errors may quote it.
    fn asked<'q>(&self, query: &'q MemoryQuery) -> Cow<'q, MemoryQuery> {
        match self.engine.guard.text(&query.text) {
            Cow::Borrowed(_) => Cow::Borrowed(query),
            Cow::Owned(text) => Cow::Owned(MemoryQuery { text, ..query.clone() }),
        }
    }
}
