//! A question of the demo with the context that was built for it, and whether what it needs is there.

use mnemon::{Context, ContextManager, ContextRequest, Item};
use serde::Serialize;

use super::data::Question;
use crate::error::CliError;
use crate::output::find_ignoring_case;

#[derive(Debug, Serialize)]
pub(super) struct Answer {
    pub(super) question: String,
    /// The answer as the people who wrote the conversation know it. The engine never sees it.
    pub(super) answer: String,
    pub(super) evidence: Vec<Evidence>,
    /// Pieces of the answer that stand in the prompt, and all of them.
    pub(super) pieces_found: usize,
    pub(super) pieces: usize,
    pub(super) context: Context,
    #[serde(skip)]
    expect: Vec<String>,
}

/// A turn that holds the answer.
#[derive(Debug, Serialize)]
pub(super) struct Evidence {
    pub(super) id: String,
    /// Whether it is part of the context.
    pub(super) found: bool,
}

impl Answer {
    pub(super) fn new(memory: &ContextManager, question: &Question, budget: usize) -> Result<Self, CliError> {
        let context = memory.build_context(ContextRequest::new(question.question.as_str()).budget(budget))?;
        let evidence = question
            .evidence
            .iter()
            .map(|id| Evidence { id: id.clone(), found: item_of(&context, id).is_some() })
            .collect();
        let pieces_found =
            question.expect.iter().filter(|piece| find_ignoring_case(context.text(), piece).is_some()).count();
        Ok(Self {
            question: question.question.clone(),
            answer: question.answer.clone(),
            evidence,
            pieces_found,
            pieces: question.expect.len(),
            context,
            expect: question.expect.clone(),
        })
    }

    pub(super) fn found(&self) -> usize {
        self.evidence.iter().filter(|evidence| evidence.found).count()
    }

    /// The item of the context that is this turn.
    pub(super) fn item(&self, id: &str) -> Option<&Item> {
        item_of(&self.context, id)
    }

    /// Where a piece of the answer stands in the text.
    pub(super) fn piece_in(&self, text: &str) -> Option<std::ops::Range<usize>> {
        self.expect.iter().find_map(|piece| find_ignoring_case(text, piece))
    }
}

fn item_of<'a>(context: &'a Context, id: &str) -> Option<&'a Item> {
    context.manifest().included().find(|item| {
        let origin = item.source.as_ref().and_then(|source| source.origin.as_ref());
        origin.is_some_and(|origin| origin.id == id)
    })
}
