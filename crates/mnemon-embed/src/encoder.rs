//! Which of the two encoders runs a model, and with which instructions.

use std::fmt;
use std::str::FromStr;

use crate::bert::Bert;
use crate::config::BertConfig;
use crate::int8::{Int8Bert, Kernel};
use crate::weights::Weights;
use crate::{Device, ModelError};

/// The environment variable that names the encoder: `candle`, or a kernel of the int8 one.
pub const ENCODER_VARIABLE: &str = "MNEMON_KERNEL";

/// What computes the vectors.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Encoder {
    /// candle's graph in f32: any model, on any device.
    Candle,
    /// Whole numbers on the CPU, for a model that is packed as int8.
    Int8(Kernel),
}

/// How a model is loaded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct LoadOptions {
    /// Where the model runs.
    pub device: Device,
    /// What computes its vectors. `None` is the fastest that this processor, the device and the model allow. A model that is
    /// not packed as int8, or is not on the CPU, runs on candle whatever stands here.
    pub encoder: Option<Encoder>,
}

impl LoadOptions {
    /// The processor, and the encoder that [`ENCODER_VARIABLE`] names (one that is set but empty counts as not set).
    ///
    /// # Errors
    /// [`ModelError::Encoder`] when the variable names none.
    pub fn from_env() -> Result<Self, ModelError> {
        let named = std::env::var_os(ENCODER_VARIABLE).filter(|value| !value.is_empty());
        let encoder = named.map(|name| name.to_string_lossy().parse()).transpose()?;
        Ok(Self { encoder, ..Self::default() })
    }

    /// The same on another device.
    #[must_use]
    pub fn device(self, device: Device) -> Self {
        Self { device, ..self }
    }

    /// The same with an encoder of the caller's choice.
    #[must_use]
    pub fn encoder(self, encoder: Encoder) -> Self {
        Self { encoder: Some(encoder), ..self }
    }
}

impl fmt::Display for Encoder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Candle => f.write_str("candle"),
            Self::Int8(kernel) => kernel.fmt(f),
        }
    }
}

impl FromStr for Encoder {
    type Err = ModelError;

    fn from_str(name: &str) -> Result<Self, ModelError> {
        let kernel = || Kernel::ALL.into_iter().find(|kernel| kernel.name() == name).map(Self::Int8);
        let encoder = if name == "candle" { Some(Self::Candle) } else { kernel() };
        encoder.ok_or_else(|| unknown("candle, amx, avx512, avxvnni, avx2, neondot, neon or plain", name))
    }
}

/// A loaded encoder.
pub(crate) enum Loaded {
    Candle(Bert),
    Int8(Box<Int8Bert>),
}

impl Loaded {
    pub(crate) fn load(
        weights: &Weights<'_>,
        config: &BertConfig,
        device: &candle_core::Device,
        wanted: Option<Encoder>,
    ) -> Result<Self, ModelError> {
        let kernel = match wanted {
            None => Some(Kernel::best()),
            Some(Encoder::Candle) => None,
            Some(Encoder::Int8(kernel)) if Kernel::available().contains(&kernel) => Some(kernel),
            Some(Encoder::Int8(kernel)) => {
                let names: Vec<&str> = Kernel::available().into_iter().map(Kernel::name).collect();
                return Err(unknown(
                    &format!("candle or what this processor can run, {}", names.join(", ")),
                    kernel.name(),
                ));
            }
        };
        if let Some(kernel) = kernel.filter(|_| device.is_cpu())
            && let Some(bert) = Int8Bert::load(weights, config, kernel)?
        {
            return Ok(Self::Int8(Box::new(bert)));
        }
        Bert::load(weights, config, device).map(Self::Candle)
    }

    pub(crate) fn kind(&self) -> Encoder {
        match self {
            Self::Candle(_) => Encoder::Candle,
            Self::Int8(bert) => Encoder::Int8(bert.kernel()),
        }
    }

    pub(crate) fn vocabulary(&self) -> usize {
        match self {
            Self::Candle(bert) => bert.vocabulary(),
            Self::Int8(bert) => bert.vocabulary(),
        }
    }

    /// The vectors of all pieces, `[pieces, hidden]`, for texts given as the numbers of their pieces.
    pub(crate) fn forward(&self, texts: &[&[u32]]) -> Result<Vec<f32>, ModelError> {
        match self {
            Self::Candle(bert) => bert.forward(texts),
            Self::Int8(bert) => bert.forward(texts),
        }
    }
}

fn unknown(expected: &str, got: &str) -> ModelError {
    ModelError::Encoder { expected: expected.to_owned(), got: got.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn encoders_are_named() {
        for encoder in Kernel::ALL.into_iter().map(Encoder::Int8).chain([Encoder::Candle]) {
            assert_eq!(encoder.to_string().parse::<Encoder>().unwrap(), encoder);
        }
        let error = "AVX512".parse::<Encoder>().unwrap_err().to_string();
        assert!(error.contains("expected candle, amx, avx512") && error.contains("got AVX512"), "{error}");
    }

    #[test]
    fn the_fastest_comes_first_and_plain_runs_everywhere() {
        let available = Kernel::available();
        assert_eq!(available.first(), Some(&Kernel::best()));
        assert_eq!(available.last(), Some(&Kernel::Plain));
    }
}
