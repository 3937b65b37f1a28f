//! Local sentence embeddings: all-MiniLM-L6-v2, packed as int8, or any sentence-transformer of the BERT family (BERT, RoBERTa,
//! XLM-RoBERTa) from a folder with config.json, tokenizer.json and model.safetensors.
//!
//! [`locate`] finds a model, [`SentenceTransformer::load`] reads it, and its [`Embedder`](mnemon_core::Embedder) turns
//! texts into vectors. A packed model runs on whole numbers, with the best instructions that the processor has ([`Kernel`]):
//! the vector of a text has the same bits on every processor and in every batch. Any other runs through candle in f32, on
//! the CPU with kernels of our own inside its graph, and with the features `cuda` and `metal` on a graphics card. Vectors
//! agree with those of Python's sentence-transformers: a cosine of 0.99999 for f32 weights; for the packed ones 0.998 on
//! average and at least 0.99 over 1,000 varied texts (tests/parity.rs).
//!
//! It downloads nothing, trains nothing, starts no thread (work runs on the pool of rayon that it is called in), and
//! knows nothing of memories.
//!
//! ```
//! use mnemon_core::{Embedder, Purpose, TokenCounter};
//! use mnemon_embed::{LocateOptions, SentenceTransformer, locate};
//!
//! let model = SentenceTransformer::load(&locate(&LocateOptions::from_env())?)?;
//! let texts = ["Ann is allergic to peanuts", "Which nuts must she avoid?", "The ferry leaves at noon"];
//! let vectors = model.embed(&texts, Purpose::Passage)?;
//! let cosine = |a: usize, b: usize| -> f32 {
//!     let (a, b) = (vectors.get(a).unwrap_or_default(), vectors.get(b).unwrap_or_default());
//!     a.iter().zip(b).map(|(a, b)| a * b).sum()
//! };
//! assert!(cosine(0, 1) > cosine(0, 2) + 0.2);
//! assert_eq!(model.word_pieces().count("Ann is allergic to peanuts"), 5);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod batch;
mod bert;
mod checksum;
mod config;
mod device;
mod encoder;
mod error;
mod int8;
mod kernels;
mod locate;
mod ops;
mod pieces;
mod pooling;
mod source;
mod table;
mod text;
mod tokens;
mod transformer;
mod weights;
mod wordpiece;

pub use checksum::verify;
pub use device::Device;
pub use encoder::{ENCODER_VARIABLE, Encoder, LoadOptions};
pub use error::{ModelError, Places};
pub use int8::Kernel;
pub use locate::{LocateOptions, MODEL_VARIABLE, locate};
pub use pieces::WordPieces;
pub use source::{DEFAULT_MODEL, ModelSource};
pub use transformer::SentenceTransformer;
