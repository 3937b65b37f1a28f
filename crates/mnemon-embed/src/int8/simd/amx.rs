//! x86 with AMX: products of whole tiles of sixteen rows and sixteen columns. Sapphire Rapids and later servers, on Linux, which has to be asked.

use std::arch::asm;
use std::arch::x86_64::{__cpuid, __cpuid_count, _xgetbv};
use std::sync::LazyLock;

use super::avx512::Avx512;
use super::{COLUMNS, GROUP, LANES, Left, Out, Pair, Simd};

/// A processor with AMX for bytes, which this process may use, and all of [`Avx512`].
#[derive(Clone, Copy)]
pub(crate) struct Amx(Avx512);

/// How many rows a tile has, and how many groups of a panel.
const ROWS: usize = 16;

/// How many codes of a row a tile has.
const DEPTH: usize = ROWS * GROUP;

impl Amx {
    pub(crate) fn detect() -> Option<Self> {
        static PERMITTED: LazyLock<bool> = LazyLock::new(|| has_tiles() && may_use_tiles());
        Avx512::detect().filter(|_| *PERMITTED).map(Self)
    }
}

/// Whether the processor has tiles and products of bytes, and the system keeps their registers.
fn has_tiles() -> bool {
    const OSXSAVE: u32 = 1 << 27;
    const TILE_AND_INT8: u32 = 1 << 24 | 1 << 25;
    const TILE_STATE: u64 = 1 << 17 | 1 << 18;

    #[target_feature(enable = "xsave")]
    fn states() -> u64 {
        // SAFETY: the register 0 exists wherever the instruction does.
        unsafe { _xgetbv(0) }
    }

    if __cpuid(0).eax < 7 || __cpuid(1).ecx & OSXSAVE == 0 || __cpuid_count(7, 0).edx & TILE_AND_INT8 != TILE_AND_INT8 {
        return false;
    }
    // SAFETY: the system has switched the instruction on, as the bit says.
    unsafe { states() & TILE_STATE == TILE_STATE }
}

/// Asks Linux to keep the registers of tiles for the threads of this process, which makes the frames of signals larger.
fn may_use_tiles() -> bool {
    const REQUEST: libc::c_long = 0x1023;
    const TILE_DATA: libc::c_long = 18;
    // SAFETY: the call reads no memory of ours, and an old system refuses it.
    unsafe { libc::syscall(libc::SYS_arch_prctl, REQUEST, TILE_DATA) == 0 }
}

/// How tiles are laid out: all of them sixteen rows of 64 bytes.
#[repr(C, align(64))]
struct Layout {
    palette: u8,
    start_row: u8,
    reserved: [u8; 14],
    row_bytes: [u16; 16],
    rows: [u8; 16],
}

static LAYOUT: Layout = Layout {
    palette: 1,
    start_row: 0,
    reserved: [0; 14],
    row_bytes: [64, 64, 64, 64, 64, 64, 64, 64, 0, 0, 0, 0, 0, 0, 0, 0],
    rows: [16, 16, 16, 16, 16, 16, 16, 16, 0, 0, 0, 0, 0, 0, 0, 0],
};

/// Hands operations on to AVX-512.
macro_rules! as_avx512 {
    ($($name:ident($($argument:ident: $kind:ty),*) -> $result:ty;)*) => {
        $(
            #[inline(always)]
            fn $name(self, $($argument: $kind),*) -> $result {
                self.0.$name($($argument),*)
            }
        )*
    };
}

impl Simd for Amx {
    type Float = <Avx512 as Simd>::Float;
    type Int = <Avx512 as Simd>::Int;
    type Code = <Avx512 as Simd>::Code;
    const ROWS: usize = 2 * ROWS;
    const WORD_ROWS: usize = Avx512::ROWS;

    #[inline(always)]
    fn run<R>(self, code: impl FnOnce() -> R) -> R {
        self.0.run(code)
    }

    #[inline(always)]
    fn run_products<R>(self, code: impl FnOnce() -> R) -> R {
        // SAFETY: the processor has tiles, which nothing else in this thread uses, and the layout is one that it knows.
        unsafe { asm!("ldtilecfg [{layout}]", layout = in(reg) &raw const LAYOUT, options(nostack, readonly)) };
        let result = self.0.run(code);
        // SAFETY: as above. Registers that are given back need not be kept when the system changes threads.
        unsafe { asm!("tilerelease", options(nostack, nomem)) };
        result
    }

    /// Tiles have sixteen rows whatever is in them: as few tiles as can be.
    #[inline(always)]
    fn height(rows: usize, most: usize) -> usize {
        if most == Self::ROWS { most } else { Avx512::height(rows, most) }
    }

    as_avx512! {
        splat(value: f32) -> Self::Float;
        load(from: &[f32; LANES]) -> Self::Float;
        store(value: Self::Float, to: &mut [f32; LANES]) -> ();
        add(a: Self::Float, b: Self::Float) -> Self::Float;
        sub(a: Self::Float, b: Self::Float) -> Self::Float;
        mul(a: Self::Float, b: Self::Float) -> Self::Float;
        div(a: Self::Float, b: Self::Float) -> Self::Float;
        min(a: Self::Float, b: Self::Float) -> Self::Float;
        max(a: Self::Float, b: Self::Float) -> Self::Float;
        round(value: Self::Float) -> Self::Int;
        whole(value: Self::Float) -> Self::Float;
        scale(value: Self::Float, power: Self::Float) -> Self::Float;
        splat_int(value: i32) -> Self::Int;
        load_int(from: &[i32; LANES]) -> Self::Int;
        add_int(a: Self::Int, b: Self::Int) -> Self::Int;
        sub_int(a: Self::Int, b: Self::Int) -> Self::Int;
        mul_int(a: Self::Int, b: Self::Int) -> Self::Int;
        float(value: Self::Int) -> Self::Float;
        store_codes(value: Self::Int, to: &mut [Self::Code; LANES]) -> ();
        store_words(value: Self::Int, to: &mut [i16; LANES]) -> ();
        sum(value: Self::Float) -> f32;
        smallest(value: Self::Float) -> f32;
        largest(value: Self::Float) -> f32;
        sum_int(value: Self::Int) -> i32;
        product_of_words(left: Left<'_, i16>, panel: &[Pair], out: Out<'_>) -> ();
    }

    #[inline(always)]
    fn product_of_codes(self, left: Left<'_, i8>, panel: &[u8], out: Out<'_>) {
        left.check(panel, &out, Self::ROWS);
        let Left { codes, stride, rows, depth } = left;
        let last = Self::ROWS - 1;
        // Of few rows AVX-512 has done with a panel before the next one has come.
        let fits = rows > Avx512::ROWS
            && depth > 0
            && depth.is_multiple_of(DEPTH)
            && last * stride + depth <= codes.len()
            && last * out.stride + COLUMNS <= out.sums.len();
        if !fits {
            return self.in_parts(left, panel, out);
        }
        let (a, b, c) = (codes.as_ptr(), panel.as_ptr(), out.sums.as_mut_ptr());
        // SAFETY: the processor has tiles, laid out by `run_products`, under which alone products run; 32 rows of codes and
        // of the result lie in their slices, as was just seen, and the panel is as long, as `check` has made sure.
        unsafe { product(a, stride, depth / DEPTH, b, c, out.stride * size_of::<i32>()) }
    }
}

impl Amx {
    /// By AVX-512, as many rows at a time as that takes.
    fn in_parts(self, left: Left<'_, i8>, panel: &[u8], out: Out<'_>) {
        let height = Avx512::height(left.rows, Avx512::ROWS);
        for start in (0..left.rows).step_by(height) {
            let codes = left.codes.get(start * left.stride..).unwrap_or_default();
            let sums = out.sums.get_mut(start * out.stride..).unwrap_or_default();
            let part = Left { codes, rows: (left.rows - start).min(height), ..left };
            self.0.product_of_codes(part, panel, Out { sums, stride: out.stride });
        }
    }
}

/// 32 rows from `a`, `a_stride` bytes apart, times a panel of `steps` times sixteen groups; results `c_stride` bytes apart.
///
/// # Safety
/// The tiles of the processor are laid out as [`LAYOUT`] says; there is a step, each row holds `steps` times [`DEPTH`]
/// codes, the panel [`COLUMNS`] times as many, and each of the 32 rows of the result [`COLUMNS`] sums that nobody else
/// looks at.
#[inline]
unsafe fn product(a: *const i8, a_stride: usize, steps: usize, b: *const u8, c: *mut i32, c_stride: usize) {
    // SAFETY: as the caller promises.
    unsafe {
        asm!(
            "tilezero tmm0",
            "tilezero tmm1",
            "tilezero tmm2",
            "tilezero tmm3",
            "2:",
            "tileloadd tmm6, [{b} + {b_stride}]",
            "tileloadd tmm4, [{a} + {a_stride}]",
            "tdpbsud tmm0, tmm4, tmm6",
            "tileloadd tmm7, [{b} + {b_stride} + 64]",
            "tdpbsud tmm1, tmm4, tmm7",
            "tileloadd tmm5, [{lower} + {a_stride}]",
            "tdpbsud tmm2, tmm5, tmm6",
            "tdpbsud tmm3, tmm5, tmm7",
            "add {a}, 64",
            "add {lower}, 64",
            "add {b}, 2048",
            "dec {steps}",
            "jnz 2b",
            "tilestored [{c} + {c_stride}], tmm0",
            "tilestored [{c} + {c_stride} + 64], tmm1",
            "tilestored [{c_lower} + {c_stride}], tmm2",
            "tilestored [{c_lower} + {c_stride} + 64], tmm3",
            a = inout(reg) a => _,
            lower = inout(reg) a.add(ROWS * a_stride) => _,
            b = inout(reg) b => _,
            steps = inout(reg) steps => _,
            c = in(reg) c,
            c_lower = in(reg) c.byte_add(ROWS * c_stride),
            a_stride = in(reg) a_stride,
            b_stride = in(reg) GROUP * COLUMNS,
            c_stride = in(reg) c_stride,
            out("tmm0") _, out("tmm1") _, out("tmm2") _, out("tmm3") _,
            out("tmm4") _, out("tmm5") _, out("tmm6") _, out("tmm7") _,
            options(nostack)
        );
    }
}
