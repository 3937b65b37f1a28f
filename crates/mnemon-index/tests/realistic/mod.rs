//! Vectors that are as hard to search as sentence embeddings, from a seed.
//!
//! Uniform random vectors of 384 dimensions are all about equally far from each other: nothing like text, and no graph
//! finds its way among them. Real embeddings lie near a surface of some 20 to 30 dimensions, in topics of very different
//! sizes and widths. So this draws topics from a power law, places each vector around its topic in 28 dimensions, turns
//! that into the full space, and adds a little noise in all directions.

/// A small generator of random numbers (SplitMix64).
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub(crate) fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut x = self.0;
        x = (x ^ (x >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        x = (x ^ (x >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        x ^ (x >> 31)
    }

    /// From 0 (not included) to 1.
    pub(crate) fn uniform(&mut self) -> f32 {
        ((self.bits() >> 40) + 1) as f32 / (1u64 << 24) as f32
    }

    /// Mean 0, variance 1.
    pub(crate) fn normal(&mut self) -> f32 {
        (-2.0 * self.uniform().ln()).sqrt() * (std::f32::consts::TAU * self.uniform()).cos()
    }
}

/// `count` unit vectors of `dimension` values.
pub(crate) fn realistic(seed: u64, count: usize, dimension: usize) -> Vec<Vec<f32>> {
    const INTRINSIC: usize = 28;
    /// Length of the noise in all directions, relative to about 1 for what the topic and its surface give.
    const NOISE: f32 = 0.35;
    let mut random = Random::new(seed);
    let mut normals = |n: usize, scale: f32| (0..n).map(|_| random.normal() * scale).collect::<Vec<f32>>();
    let surface: Vec<Vec<f32>> = (0..dimension).map(|_| normals(INTRINSIC, (dimension as f32).powf(-0.5))).collect();
    let topics: Vec<Vec<f32>> = (0..400).map(|_| normals(INTRINSIC, (INTRINSIC as f32).powf(-0.5))).collect();
    let widths: Vec<f32> = (0..topics.len()).map(|_| 0.5 + 0.5 * random.uniform()).collect();
    (0..count)
        .map(|_| {
            // Topic t is about as likely as 1 / t.
            let topic = ((topics.len() as f32).powf(random.uniform()) as usize).min(topics.len()) - 1;
            let spread = widths[topic] * (INTRINSIC as f32).powf(-0.5);
            let place: Vec<f32> = topics[topic].iter().map(|x| x + spread * random.normal()).collect();
            let noise = NOISE * (dimension as f32).powf(-0.5);
            let vector: Vec<f32> = surface
                .iter()
                .map(|row| row.iter().zip(&place).map(|(a, b)| a * b).sum::<f32>() + noise * random.normal())
                .collect();
            let length = dot(&vector, &vector).sqrt();
            vector.into_iter().map(|x| x / length).collect()
        })
        .collect()
}

pub(crate) fn dot(a: &[f32], b: &[f32]) -> f32 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}
