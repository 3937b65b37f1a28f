//! mnemon-embed as a user has it.

use std::path::Path;

use mnemon_core::{Embedder, Purpose};
use mnemon_embed::{ModelSource, SentenceTransformer};

use super::Encoder;
use crate::error::Error;

pub(super) struct Ours(SentenceTransformer);

impl Ours {
    /// The int8 model that the program carries.
    pub(super) fn shipped() -> Result<Self, Error> {
        Ok(Self(SentenceTransformer::load(&ModelSource::Embedded).map_err(Error::of("mnemon-embed"))?))
    }

    /// A model with its f32 weights.
    pub(super) fn folder(folder: &Path) -> Result<Self, Error> {
        let source = ModelSource::Folder(folder.to_owned());
        Ok(Self(SentenceTransformer::load(&source).map_err(Error::of("mnemon-embed"))?))
    }
}

impl Encoder for Ours {
    fn batch_sizes(&self) -> &'static [usize] {
        &[]
    }

    fn encode(&self, texts: &[&str], _batch: usize) -> Result<Vec<f32>, Error> {
        let vectors = self.0.embed(texts, Purpose::Passage).map_err(Error::of("mnemon-embed"))?;
        Ok(vectors.as_slice().to_vec())
    }
}
