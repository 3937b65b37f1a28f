//! Repetition: what was said before steps back behind where it was said first.

use std::collections::HashSet;

use super::{Nearness, Scene};
use crate::features::{Feature, Features};
use crate::pool::Vector;
use crate::weights::Weights;

/// So many of the older candidates that are most like it are looked at.
const LIKE: usize = 3;
/// Only so many of the best candidates count as said before. The others are hardly about it.
const BEST: usize = 100;

pub(super) fn measure(scene: &Scene<'_>, features: &mut Features, _: &mut Nearness) {
    let best = best(scene, features);
    let mut told: Vec<Vector<'_>> = Vec::new();
    let mut order: Vec<_> = scene.pool.each_candidate().map(|(_, member)| member).enumerate().collect();
    order.sort_by_key(|(_, member)| (member.time, member.run, member.place, member.id));
    let most = LIKE.min(order.len()).max(1) as f32;
    for (index, member) in order {
        let Some(vector) = member.vector else { continue };
        let mut like = [0.0f32; LIKE];
        for older in &told {
            let mut cosine = vector.cosine(*older);
            // Kept in descending order: what is larger takes the place, and what was there moves on.
            for known in &mut like {
                if cosine > *known {
                    std::mem::swap(known, &mut cosine);
                }
            }
        }
        features.set(index, Feature::Repeats, like.iter().sum::<f32>() / most);
        if best.contains(&index) {
            told.push(vector);
        }
    }
}

/// The best candidates by what was measured so far.
fn best(scene: &Scene<'_>, features: &Features) -> HashSet<usize> {
    let weights = Weights::of(scene.level);
    let mut scores: Vec<(usize, f32)> =
        features.rows().iter().enumerate().map(|(index, row)| (index, weights.score(row))).collect();
    scores.sort_by(|a, b| b.1.total_cmp(&a.1));
    scores.into_iter().take(BEST).map(|(index, _)| index).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pool::Member;
    use crate::stages::testing::{self, measured, turn, values};

    #[test]
    fn what_was_said_before_repeats_and_what_is_first_does_not() {
        let at = |place, vector: [f32; 2]| Member { vector: Some(testing::vector(&vector)), ..turn(place, "x") };
        let members = vec![at(3, [1.0, 0.0]), at(0, [1.0, 0.0]), at(1, [0.0, 1.0]), at(2, [0.6, 0.8]), turn(4, "x")];
        let (features, _) = measured("repetition", "x", members, None, &[]);
        // In the order of time: 0 is new, 1 is unlike it, 2 is like both, 3 is like 0 and 2.
        assert_eq!(values(&features, Feature::Repeats), [0.53, 0.0, 0.0, 0.47, 0.0]);
    }
}
