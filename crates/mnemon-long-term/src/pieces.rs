//! The vectors of pieces, which late interaction compares: made for passages in the order of their runs, checked, and
//! coded for the store.

use mnemon_core::{EmbedError, TextRun, TokenVectors, with_causes};
use mnemon_recall::{Rotation, encode, is_content};

use crate::long_term::Meaning;

/// Coded pieces, one entry a text. `None` where there are none that can be used; the first reason is kept.
#[derive(Debug, Default)]
pub(crate) struct Coded {
    pub(crate) pieces: Vec<Option<Vec<u8>>>,
    pub(crate) problem: Option<String>,
}

/// What a model did wrong.
#[derive(Debug, thiserror::Error)]
enum Refused {
    #[error(transparent)]
    Failed(#[from] EmbedError),
    #[error("expected the pieces of {expected} texts from the embedding model {model}, got those of {got}")]
    Count { model: String, expected: usize, got: usize },
}

impl Meaning {
    /// The coded pieces of the own texts of runs, run after run. Nothing when the model gives none, or none are wanted.
    pub(crate) fn code(&self, runs: &[TextRun<'_>]) -> Coded {
        let Some(rotation) = self.pieces.as_ref().filter(|_| !runs.is_empty()) else { return Coded::default() };
        match self.try_code(rotation, runs) {
            Ok(pieces) => Coded { pieces, problem: None },
            Err(problem) => {
                tracing::warn!(%problem, runs = runs.len(), "embedding pieces failed");
                Coded { pieces: Vec::new(), problem: Some(with_causes(&problem)) }
            }
        }
    }

    fn try_code(&self, rotation: &Rotation, runs: &[TextRun<'_>]) -> Result<Vec<Option<Vec<u8>>>, Refused> {
        let Some(embedder) = self.embedder.token_embedder() else { return Ok(Vec::new()) };
        let texts = embedder.embed_runs(runs)?;
        let expected = runs.iter().map(|run| run.own().len()).sum();
        if texts.len() != expected {
            return Err(Refused::Count { model: self.embedder.model().to_string(), expected, got: texts.len() });
        }
        let content = |tokens: &TokenVectors| {
            let kept = tokens.iter().filter(|(piece, _)| embedder.piece(*piece).is_some_and(is_content));
            encode(rotation, kept)
        };
        // Texts of stop words alone have codes too, without a row: they are done.
        Ok(texts
            .iter()
            .map(|tokens| (tokens.dimension() == rotation.dimension() || tokens.is_empty()).then(|| content(tokens)))
            .collect())
    }
}
