//! Every processor against plain Rust, and plain Rust against the plainest.

use proptest::prelude::*;

use super::*;

/// In vectors. Miri takes its time.
const LONGEST: usize = if cfg!(miri) { 2 } else { 40 };

type Checked = Result<(), TestCaseError>;

/// Inputs of one kind after the other until there are enough.
fn cases(many: u32) -> ProptestConfig {
    ProptestConfig { cases: if cfg!(miri) { 4 } else { many }, failure_persistence: None, ..ProptestConfig::default() }
}

fn floats() -> impl Strategy<Value = [f32; LANES]> {
    prop::array::uniform16(prop_oneof![
        4 => -1e4f32..1e4,
        1 => Just(0.0),
        1 => Just(0.5),
        1 => Just(-1.5),
        1 => Just(4_194_303.0),
        1 => Just(-4_194_303.0),
    ])
}

/// Which of the many that are not a number comes out of 0 / 0 is up to the processor.
fn bits(values: [f32; LANES]) -> [u32; LANES] {
    values.map(|value| if value.is_nan() { f32::NAN.to_bits() } else { value.to_bits() })
}

fn check_floats<S: Simd>(simd: S, a: [f32; LANES], b: [f32; LANES], powers: [i32; LANES]) -> Checked {
    let read = |value: S::Float| {
        let mut out = [0.0; LANES];
        simd.store(value, &mut out);
        bits(out)
    };
    let got = simd.run(|| {
        let (x, y) = (simd.load(&a), simd.load(&b));
        let read = |value| read(value);
        (
            [read(simd.add(x, y)), read(simd.sub(x, y)), read(simd.mul(x, y)), read(simd.div(x, y))],
            [read(simd.min(x, y)), read(simd.max(x, y)), read(simd.splat(a[3]))],
            [
                read(simd.float(simd.round(x))),
                read(simd.scale(simd.splat(1.5), simd.float(simd.load_int(&powers)))),
                // The sign of a zero may differ.
                read(simd.add(simd.whole(x), simd.splat(0.0))),
            ],
            [simd.sum(x), simd.smallest(x), simd.largest(x)].map(f32::to_bits),
        )
    });
    let each = |f: fn(f32, f32) -> f32| bits(std::array::from_fn(|lane| f(a[lane], b[lane])));
    prop_assert_eq!(got.0, [each(|a, b| a + b), each(|a, b| a - b), each(|a, b| a * b), each(|a, b| a / b)]);
    prop_assert_eq!(got.1, [each(f32::min), each(f32::max), bits([a[3]; LANES])]);
    // Adding zero makes a zero that came out negative a plain one: whole numbers have one zero.
    let rounded = a.map(|value| value.round_ties_even() + 0.0);
    let scaled = powers.map(|power| (((power + 127) as u32) << 23) + (1 << 22));
    prop_assert_eq!(got.2, [bits(rounded), scaled, bits(rounded)]);
    let order = |a: [f32; LANES]| {
        let eight: [f32; 8] = std::array::from_fn(|lane| a[lane] + a[lane + 8]);
        let four: [f32; 4] = std::array::from_fn(|lane| eight[lane] + eight[lane + 4]);
        (four[0] + four[2]) + (four[1] + four[3])
    };
    let (smallest, largest) = (a.into_iter().fold(f32::MAX, f32::min), a.into_iter().fold(f32::MIN, f32::max));
    prop_assert_eq!(got.3, [order(a), smallest, largest].map(f32::to_bits));
    Ok(())
}

fn check_ints<S: Simd>(simd: S, a: [i32; LANES], b: [i32; LANES]) -> Checked {
    let got = simd.run(|| {
        let (x, y) = (simd.load_int(&a), simd.load_int(&b));
        // Whole numbers can be seen as words only: in four parts of them, and a sign.
        let words = |value| {
            let mut words = [0; LANES];
            simd.store_words(value, &mut words);
            words
        };
        let difference = |found, expected: [i32; LANES]| words(simd.sub_int(found, simd.load_int(&expected)));
        let mut values = [0.0; LANES];
        simd.store(simd.float(x), &mut values);
        (
            [
                difference(simd.add_int(x, y), std::array::from_fn(|lane| a[lane].wrapping_add(b[lane]))),
                difference(simd.sub_int(x, y), std::array::from_fn(|lane| a[lane].wrapping_sub(b[lane]))),
                difference(simd.mul_int(x, y), std::array::from_fn(|lane| a[lane].wrapping_mul(b[lane]))),
                difference(simd.splat_int(a[5]), [a[5]; LANES]),
            ],
            words(x),
            values,
            simd.sum_int(x),
        )
    });
    prop_assert_eq!(got.0, [[0; LANES]; 4]);
    prop_assert_eq!(got.1, a.map(|value| value.clamp(i16::MIN.into(), i16::MAX.into()) as i16));
    prop_assert_eq!(bits(got.2), bits(a.map(|value| value as f32)));
    prop_assert_eq!(got.3, a.into_iter().fold(0, i32::wrapping_add));
    Ok(())
}

/// Codes as the processor keeps them.
fn kept<S: Simd>(simd: S, codes: &[i8]) -> Vec<S::Code> {
    let mut kept = vec![S::Code::default(); codes.len()];
    simd.run(|| {
        for (codes, kept) in codes.as_chunks::<LANES>().0.iter().zip(kept.as_chunks_mut().0) {
            simd.store_codes(simd.load_int(&codes.map(i32::from)), kept);
        }
    });
    kept
}

/// The sums of a product, one by one. `out` has a stride of its own, and what lies between its rows must stay.
fn expected<L: Copy + Into<i32>, R: Copy + Into<i32>>(
    left: &[L],
    depth: usize,
    panel: &[R],
    stride: usize,
) -> Vec<i32> {
    let per_group = GROUP / size_of::<R>();
    let rows = left.len() / depth;
    let mut sums = vec![7; (rows - 1) * stride + COLUMNS];
    for row in 0..rows {
        for column in 0..COLUMNS {
            let product = |at: usize| {
                let other: i32 = panel[(at / per_group * COLUMNS + column) * per_group + at % per_group].into();
                i64::from(left[row * depth + at].into()) * i64::from(other)
            };
            sums[row * stride + column] = (0..depth).map(product).sum::<i64>() as i32;
        }
    }
    sums
}

fn check_codes<S: Simd>(simd: S, codes: &[i8], depth: usize, panel: &[u8], stride: usize) -> Checked {
    let kept = kept(simd, codes);
    for rows in 1..=S::ROWS {
        let expected = expected(&codes[..rows * depth], depth, panel, stride);
        let mut sums = vec![7; expected.len()];
        let left = Left { codes: kept.as_slice(), stride: depth, rows, depth };
        simd.run_products(|| simd.product_of_codes(left, panel, Out { sums: &mut sums, stride }));
        prop_assert_eq!(sums, expected, "{} rows", rows);
    }
    Ok(())
}

fn check_words<S: Simd>(simd: S, words: &[i16], depth: usize, panel: &[i16], stride: usize) -> Checked {
    let pairs: Vec<Pair> = panel.as_chunks().0.iter().map(|[first, second]| pair(*first, *second)).collect();
    for rows in 1..=S::WORD_ROWS {
        let expected = expected(&words[..rows * depth], depth, panel, stride);
        let mut sums = vec![7; expected.len()];
        let left = Left { codes: words, stride: depth, rows, depth };
        simd.run(|| simd.product_of_words(left, &pairs, Out { sums: &mut sums, stride }));
        prop_assert_eq!(sums, expected, "{} rows", rows);
    }
    Ok(())
}

/// As many values as asked for, most of them any, some at the ends.
fn spread<T: Copy>(seed: u64, length: usize, lowest: i32, highest: i32, make: impl Fn(i32) -> T) -> Vec<T> {
    let mut state = seed;
    let mut next = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) as i32
    };
    // Some seeds give nothing but ends.
    let ends = if seed.is_multiple_of(4) { 1 } else { 8 };
    let value = |_| match next() % (2 * ends) {
        0 => make(lowest),
        1 => make(highest),
        _ => make(lowest + next() % (highest - lowest + 1)),
    };
    (0..length).map(value).collect()
}

proptest! {
    #![proptest_config(cases(256))]

    #[test]
    fn lanes_are_single_ieee_operations(
        a in floats(),
        b in floats(),
        powers in prop::array::uniform16(-126..=127),
    ) {
        // A zero and its negative are equal to `min` and `max`: which of the two comes out may differ.
        let zero = |a: f32, b: f32| a == 0.0 && b == 0.0;
        prop_assume!(!a.into_iter().zip(b).any(|(a, b)| zero(a, b) && a.to_bits() != b.to_bits()));
        on_each!(check_floats(a, b, powers)).into_iter().collect::<Checked>()?;
    }

    #[test]
    fn whole_numbers_wrap(
        a in prop::array::uniform16(prop_oneof![any::<i32>(), -70_000..70_000]),
        b in prop::array::uniform16(any::<i32>()),
    ) {
        on_each!(check_ints(a, b)).into_iter().collect::<Checked>()?;
    }
}

proptest! {
    #![proptest_config(cases(48))]

    #[test]
    fn products_of_codes_are_exact(seed in any::<u64>(), groups in 1usize..LONGEST, between in 0usize..5) {
        let depth = groups * LANES;
        let codes = spread(seed, MAX_ROWS * depth, -128, 127, |value| value as i8);
        // A code of the panel is never 0: weights are at least -127.
        let panel = spread(seed ^ 1, COLUMNS * depth, 1, 255, |value| value as u8);
        on_each!(check_codes(&codes, depth, &panel, COLUMNS + between)).into_iter().collect::<Checked>()?;
    }

    #[test]
    fn products_of_words_are_exact(seed in any::<u64>(), pairs in 1usize..2 * LONGEST, between in 0usize..5) {
        let depth = pairs * 2;
        // As large as attention makes them.
        let most = (f64::from(i32::MAX) / depth as f64).sqrt() as i32 - 1;
        let words = spread(seed, MAX_ROWS * depth, -most, most, |value| value as i16);
        let panel = spread(seed ^ 1, COLUMNS * depth, -most, most, |value| value as i16);
        on_each!(check_words(&words, depth, &panel, COLUMNS + between)).into_iter().collect::<Checked>()?;
    }
}

#[test]
#[should_panic(expected = "the left side is short")]
fn a_product_that_reads_beyond_its_slice_is_refused() {
    let left = Left { codes: &[0i8; 31], stride: 16, rows: 2, depth: 16 };
    Plain.product_of_codes(left, &[0; 16 * COLUMNS], Out { sums: &mut [0; 2 * COLUMNS], stride: COLUMNS });
}

#[test]
#[should_panic(expected = "the right side is short")]
fn a_product_that_reads_beyond_its_panel_is_refused() {
    let left = Left { codes: &[0i16; 16], stride: 16, rows: 1, depth: 16 };
    Plain.product_of_words(left, &[0; 16 / PAIR * COLUMNS - 1], Out { sums: &mut [0; COLUMNS], stride: COLUMNS });
}
