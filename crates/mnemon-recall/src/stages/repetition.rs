//! Repetition: what was said before steps back behind where it was said first.

use super::View;
use crate::features::{Feature, Features};
use crate::vector::{Known, Vector};
use crate::weights::Weights;

/// So many of the older candidates that are most like it are looked at.
const LIKE: usize = 3;
/// Only so many of the best candidates count as said before. The others are hardly about it.
const BEST: usize = 100;

pub(crate) fn measure(view: &View<'_>, weights: &Weights, features: &mut Features) {
    let scene = view.scene;
    let mut counts = vec![false; features.rows().len()];
    for candidate in weights.best(features, BEST) {
        counts.iter_mut().skip(candidate).take(1).for_each(|counts| *counts = true);
    }
    let mut order: Vec<_> = scene.pool.each_candidate().map(|(_, member)| member).enumerate().collect();
    order.sort_by_key(|(_, member)| (member.time, member.run, member.place, member.id));
    let most = LIKE.min(order.len()).max(1) as f32;
    let counts = |index: &usize| counts.get(*index).copied().unwrap_or(false);
    let told = Known::new(order.iter().filter(|(index, _)| counts(index)).filter_map(|(_, member)| member.vector));
    let (indexes, vectors): (Vec<usize>, Vec<Vector<'_>>) =
        order.iter().filter_map(|(index, member)| Some((*index, member.vector?))).unzip();
    let mut before = 0;
    told.compare(&vectors, |at, cosines| {
        let Some(&index) = indexes.get(at) else { return };
        let mut like = [0.0f32; LIKE];
        for &cosine in cosines.iter().take(before) {
            let mut cosine = cosine;
            // Kept in descending order: what is larger takes the place, and what was there moves on.
            for known in &mut like {
                if cosine > *known {
                    std::mem::swap(known, &mut cosine);
                }
            }
        }
        features.set(index, Feature::Repeats, like.iter().sum::<f32>() / most);
        before += usize::from(counts(&index));
    });
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pool::Member;
    use crate::stages::testing::{self, turn, values};
    use crate::weights::Level;

    #[test]
    fn what_was_said_before_repeats_and_what_is_first_does_not() {
        let at = |place, vector: [f32; 2]| Member { vector: Some(testing::vector(&vector)), ..turn(place, "x") };
        let members = vec![at(3, [1.0, 0.0]), at(0, [1.0, 0.0]), at(1, [0.0, 1.0]), at(2, [0.6, 0.8]), turn(4, "x")];
        let features = testing::with_view("x", members, None, |view| {
            let mut features = Features::new(view.scene.pool.candidates().len());
            measure(view, &Weights::of(Level::Fast), &mut features);
            features
        });
        // In the order of time: 0 is new, 1 is unlike it, 2 is like both, 3 is like 0 and 2.
        assert_eq!(values(&features, Feature::Repeats), [0.53, 0.0, 0.0, 0.47, 0.0]);
    }
}
