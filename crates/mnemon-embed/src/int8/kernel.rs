//! Which instructions the int8 encoder runs with.

use std::fmt;

#[cfg(all(target_arch = "x86_64", target_os = "linux"))]
use super::simd::Amx;
#[cfg(all(target_arch = "aarch64", target_endian = "little"))]
use super::simd::Neon;
use super::simd::Plain;
#[cfg(target_arch = "x86_64")]
use super::simd::{Avx2, Avx512};
use super::{Int8Bert, Scratch};
use crate::ModelError;

/// The instructions with which the int8 encoder computes. All give the same bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Kernel {
    /// x86 with AMX, its products of tiles, and all of [`Self::Avx512`], on Linux: Sapphire Rapids and later servers.
    Amx,
    /// x86 with AVX-512 and its VNNI: Ice Lake, Zen 4 and later.
    Avx512,
    /// x86 with AVX-VNNI: Alder Lake and later.
    AvxVnni,
    /// x86 with AVX2.
    Avx2,
    /// ARM with dot products of bytes.
    NeonDot,
    /// Any 64-bit ARM.
    Neon,
    /// Rust for any processor.
    Plain,
}

impl Kernel {
    /// All there are, the fastest first.
    pub(crate) const ALL: [Self; 7] =
        [Self::Amx, Self::Avx512, Self::AvxVnni, Self::Avx2, Self::NeonDot, Self::Neon, Self::Plain];

    /// Those that this processor can run, the fastest first. [`Self::Plain`] is always the last.
    #[must_use]
    pub fn available() -> Vec<Self> {
        Self::ALL.into_iter().filter(|kernel| Processor::new(*kernel).is_some()).collect()
    }

    /// The fastest that this processor can run.
    #[must_use]
    pub fn best() -> Self {
        Self::ALL.into_iter().find(|kernel| Processor::new(*kernel).is_some()).unwrap_or(Self::Plain)
    }

    /// Its name in settings: `amx`, `avx512`, `avxvnni`, `avx2`, `neondot`, `neon` or `plain`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Amx => "amx",
            Self::Avx512 => "avx512",
            Self::AvxVnni => "avxvnni",
            Self::Avx2 => "avx2",
            Self::NeonDot => "neondot",
            Self::Neon => "neon",
            Self::Plain => "plain",
        }
    }
}

impl fmt::Display for Kernel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Instructions that have been found in this processor.
#[derive(Clone, Copy)]
pub(super) enum Processor {
    #[cfg(all(target_arch = "x86_64", target_os = "linux"))]
    Amx(Amx),
    #[cfg(target_arch = "x86_64")]
    Avx512(Avx512),
    #[cfg(target_arch = "x86_64")]
    AvxVnni(Avx2<true>),
    #[cfg(target_arch = "x86_64")]
    Avx2(Avx2<false>),
    #[cfg(all(target_arch = "aarch64", target_endian = "little"))]
    NeonDot(Neon<true>),
    #[cfg(all(target_arch = "aarch64", target_endian = "little"))]
    Neon(Neon<false>),
    Plain(Plain),
}

impl Processor {
    /// `None` where this processor lacks them.
    pub(super) fn new(kernel: Kernel) -> Option<Self> {
        match kernel {
            #[cfg(all(target_arch = "x86_64", target_os = "linux"))]
            Kernel::Amx => Amx::detect().map(Self::Amx),
            #[cfg(target_arch = "x86_64")]
            Kernel::Avx512 => Avx512::detect().map(Self::Avx512),
            #[cfg(target_arch = "x86_64")]
            Kernel::AvxVnni => Avx2::detect().map(Self::AvxVnni),
            #[cfg(target_arch = "x86_64")]
            Kernel::Avx2 => Avx2::detect().map(Self::Avx2),
            #[cfg(all(target_arch = "aarch64", target_endian = "little"))]
            Kernel::NeonDot => Neon::detect().map(Self::NeonDot),
            #[cfg(all(target_arch = "aarch64", target_endian = "little"))]
            Kernel::Neon => Neon::detect().map(Self::Neon),
            Kernel::Plain => Some(Self::Plain(Plain)),
            #[allow(unreachable_patterns, reason = "which kernels there are depends on the architecture")]
            _ => None,
        }
    }

    pub(super) fn kernel(self) -> Kernel {
        match self {
            #[cfg(all(target_arch = "x86_64", target_os = "linux"))]
            Self::Amx(_) => Kernel::Amx,
            #[cfg(target_arch = "x86_64")]
            Self::Avx512(_) => Kernel::Avx512,
            #[cfg(target_arch = "x86_64")]
            Self::AvxVnni(_) => Kernel::AvxVnni,
            #[cfg(target_arch = "x86_64")]
            Self::Avx2(_) => Kernel::Avx2,
            #[cfg(all(target_arch = "aarch64", target_endian = "little"))]
            Self::NeonDot(_) => Kernel::NeonDot,
            #[cfg(all(target_arch = "aarch64", target_endian = "little"))]
            Self::Neon(_) => Kernel::Neon,
            Self::Plain(_) => Kernel::Plain,
        }
    }

    pub(super) fn run(self, bert: &Int8Bert, texts: &[&[u32]], scratch: &mut Scratch) -> Result<Vec<f32>, ModelError> {
        match self {
            #[cfg(all(target_arch = "x86_64", target_os = "linux"))]
            Self::Amx(simd) => bert.encode(simd, texts, scratch),
            #[cfg(target_arch = "x86_64")]
            Self::Avx512(simd) => bert.encode(simd, texts, scratch),
            #[cfg(target_arch = "x86_64")]
            Self::AvxVnni(simd) => bert.encode(simd, texts, scratch),
            #[cfg(target_arch = "x86_64")]
            Self::Avx2(simd) => bert.encode(simd, texts, scratch),
            #[cfg(all(target_arch = "aarch64", target_endian = "little"))]
            Self::NeonDot(simd) => bert.encode(simd, texts, scratch),
            #[cfg(all(target_arch = "aarch64", target_endian = "little"))]
            Self::Neon(simd) => bert.encode(simd, texts, scratch),
            Self::Plain(simd) => bert.encode(simd, texts, scratch),
        }
    }
}
