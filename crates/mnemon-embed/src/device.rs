//! Which device does the arithmetic.

use crate::ModelError;

/// A device that can run a model.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Device {
    /// The processor, in f32.
    #[default]
    Cpu,
    /// The CUDA card of that number.
    #[cfg(feature = "cuda")]
    Cuda(usize),
    /// The Metal card of that number.
    #[cfg(feature = "metal")]
    Metal(usize),
}

impl Device {
    pub(crate) fn open(self) -> Result<candle_core::Device, ModelError> {
        match self {
            Self::Cpu => Ok(candle_core::Device::Cpu),
            #[cfg(feature = "cuda")]
            Self::Cuda(number) => candle_core::Device::new_cuda(number)
                .map_err(|source| ModelError::Candle { doing: "open the CUDA device", source }),
            #[cfg(feature = "metal")]
            Self::Metal(number) => candle_core::Device::new_metal(number)
                .map_err(|source| ModelError::Candle { doing: "open the Metal device", source }),
        }
    }
}
