//! Calling an embedding model, and believing nothing that comes back before it was checked.

use mnemon_core::{EmbedError, Embedder, ModelId, Purpose, TokenEmbedder, TokenVectors, with_causes};

/// One vector a text. `None` where the model gave none that can be used; the first reason is kept.
#[derive(Debug, Default)]
pub(crate) struct Checked {
    pub(crate) vectors: Vec<Option<Vec<f32>>>,
    pub(crate) problem: Option<String>,
}

/// What a model did wrong.
#[derive(Debug, thiserror::Error)]
enum Refused {
    #[error(transparent)]
    Failed(#[from] EmbedError),
    #[error("expected {expected} vectors of {dimension} values from the embedding model {model}, got {got} of {width}")]
    Shape { model: String, expected: usize, dimension: usize, got: usize, width: usize },
    #[error("expected finite values with a direction from the embedding model {model}, got a vector that is not")]
    Values { model: String },
}

/// Embeds texts to unit length, as vectors of `dimension` values. Never fails: what a model cannot do is told in
/// [`Checked::problem`].
pub(crate) fn embed(embedder: &dyn Embedder, dimension: usize, texts: &[&str], purpose: Purpose) -> Checked {
    if texts.is_empty() {
        return Checked::default();
    }
    match try_embed(embedder, dimension, texts, purpose) {
        Ok(checked) => checked,
        Err(problem) => {
            tracing::warn!(%problem, texts = texts.len(), "embedding failed");
            Checked { vectors: vec![None; texts.len()], problem: Some(with_causes(&problem)) }
        }
    }
}

/// The vector of a question, of unit length, and those of its pieces, from one pass of the model. Never fails, as
/// [`embed`].
pub(crate) fn embed_question(
    embedder: &dyn TokenEmbedder,
    model: &ModelId,
    dimension: usize,
    text: &str,
) -> (Option<Vec<f32>>, Option<TokenVectors>, Option<String>) {
    let checked = embedder.embed_question(text).map_err(Refused::from).and_then(|(vector, tokens)| {
        let model = || model.to_string();
        if vector.len() != dimension {
            return Err(Refused::Shape { model: model(), expected: 1, dimension, got: 1, width: vector.len() });
        }
        Ok((unit(&vector).ok_or_else(|| Refused::Values { model: model() })?, tokens))
    });
    match checked {
        Ok((vector, tokens)) => (Some(vector), Some(tokens), None),
        Err(problem) => {
            tracing::warn!(%problem, "embedding the question failed");
            (None, None, Some(with_causes(&problem)))
        }
    }
}

fn try_embed(embedder: &dyn Embedder, dimension: usize, texts: &[&str], purpose: Purpose) -> Result<Checked, Refused> {
    let batch = embedder.embed(texts, purpose)?;
    if batch.len() != texts.len() || batch.dimension() != dimension {
        return Err(Refused::Shape {
            model: embedder.model().to_string(),
            expected: texts.len(),
            dimension,
            got: batch.len(),
            width: batch.dimension(),
        });
    }
    let vectors: Vec<_> = batch.rows().map(unit).collect();
    let problem = vectors
        .iter()
        .any(Option::is_none)
        .then(|| Refused::Values { model: embedder.model().to_string() }.to_string());
    Ok(Checked { vectors, problem })
}

/// The same direction at length 1, or `None` when it has none.
fn unit(vector: &[f32]) -> Option<Vec<f32>> {
    let norm = vector.iter().map(|value| f64::from(*value).powi(2)).sum::<f64>().sqrt();
    let usable = norm.is_finite() && norm > 0.0;
    usable.then(|| vector.iter().map(|value| (f64::from(*value) / norm) as f32).collect())
}

#[cfg(test)]
mod tests {
    use mnemon_core::Embeddings;

    use super::*;

    struct Fixed(ModelId, Result<Embeddings, String>);

    impl Embedder for Fixed {
        fn model(&self) -> &ModelId {
            &self.0
        }

        fn dimension(&self) -> usize {
            2
        }

        fn embed(&self, _: &[&str], _: Purpose) -> Result<Embeddings, EmbedError> {
            self.1.clone().map_err(|why| EmbedError { model: "fixed".into(), source: why.into() })
        }
    }

    #[track_caller]
    fn check(answer: Result<(usize, Vec<f32>), &str>, vectors: Vec<Option<Vec<f32>>>, problem: Option<&str>) {
        let answer = answer.map(|(dimension, values)| Embeddings::new(dimension, values)).map_err(str::to_owned);
        let model = ModelId { name: "fixed".into(), revision: "1".into(), dtype: "f32".into() };
        let checked = embed(&Fixed(model, answer), 2, &["a", "b"], Purpose::Query);
        assert_eq!(checked.vectors, vectors);
        assert_eq!(checked.problem.as_deref(), problem);
    }

    #[test]
    fn what_a_model_returns_is_checked_and_scaled() {
        check(Ok((2, vec![3.0, 4.0, 0.0, -2.0])), vec![Some(vec![0.6, 0.8]), Some(vec![0.0, -1.0])], None);
        let not_finite =
            "expected finite values with a direction from the embedding model fixed@1/f32, got a vector that is not";
        check(Ok((2, vec![f32::NAN, 1.0, 0.0, 1.0])), vec![None, Some(vec![0.0, 1.0])], Some(not_finite));
        check(Ok((2, vec![0.0; 4])), vec![None, None], Some(not_finite));
        check(
            Ok((3, vec![1.0; 6])),
            vec![None, None],
            Some("expected 2 vectors of 2 values from the embedding model fixed@1/f32, got 2 of 3"),
        );
        check(
            Ok((2, vec![1.0; 2])),
            vec![None, None],
            Some("expected 2 vectors of 2 values from the embedding model fixed@1/f32, got 1 of 2"),
        );
        check(Err("out of memory"), vec![None, None], Some("the embedding model fixed failed: out of memory"));
        check(Ok((2, vec![f32::MAX; 4])), vec![Some(vec![0.70710677; 2]); 2], None);
    }
}
