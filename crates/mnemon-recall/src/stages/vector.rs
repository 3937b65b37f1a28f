//! Vectors: the cosine of question and memory.

use super::{Nearness, View};
use crate::features::{Feature, Features, of_largest};
use crate::vector::Vector;

/// How much of a neighbour's vector is mixed into a candidate's, by its place relative to the candidate.
const CONTEXT: [(i64, f32); 3] = [(-1, 0.5), (1, 0.3), (-2, 0.2)];

pub(super) fn measure(view: &View<'_>, features: &mut Features, nearness: &mut Nearness) {
    let scene = view.scene;
    if scene.vector.is_none() {
        return;
    }
    let cosines = view.of_candidates();
    nearness.cosine = cosines.iter().flatten().copied().reduce(f32::max);
    set(features, Feature::Vector, &cosines);
    let in_context = scene.pool.candidates().iter().map(|&index| in_context(view, index));
    set(features, Feature::VectorContext, &in_context.collect::<Vec<_>>());
}

/// A memory that has no vector yet is held to be as near as its words say.
fn set(features: &mut Features, feature: Feature, cosines: &[Option<f32>]) {
    let mut shares: Vec<f32> = cosines.iter().map(|cosine| cosine.unwrap_or(0.0)).collect();
    of_largest(&mut shares);
    for (index, (share, cosine)) in shares.into_iter().zip(cosines).enumerate() {
        let words = features.get(index, Feature::Words);
        features.set(index, feature, if cosine.is_some() { share } else { words });
    }
}

/// The cosine of the question and the sum of a candidate and its neighbours, which is made of the inner products of all.
fn in_context(view: &View<'_>, index: usize) -> Option<f32> {
    let pool = view.scene.pool;
    let own = (1.0, view.cosine(index)?, pool.get(index)?.vector?);
    let neighbour = |(offset, weight): &(i64, f32)| {
        let (beside, neighbour) = pool.neighbour(index, *offset)?;
        Some((weight * neighbour.lends(), view.cosine(beside)?, neighbour.vector?))
    };
    let parts: Vec<(f32, f32, Vector<'_>)> = std::iter::once(own).chain(CONTEXT.iter().filter_map(neighbour)).collect();
    let near: f32 = parts.iter().map(|(weight, cosine, _)| weight * cosine).sum();
    let mut square = 0.0;
    for (at, (a, _, one)) in parts.iter().enumerate() {
        // All are of unit length.
        square += a * a;
        square += parts.iter().skip(at + 1).map(|(b, _, other)| 2.0 * a * b * one.cosine(*other)).sum::<f32>();
    }
    (square > 0.0).then(|| near / square.sqrt())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pool::Member;
    use crate::stages::testing::{self, measured, turn, values};

    fn at(place: i64, vector: Option<[f32; 2]>) -> Member<'static> {
        Member { vector: vector.map(|values| testing::vector(&values)), ..turn(place, "word") }
    }

    #[test]
    fn near_is_relative_to_the_nearest() {
        let members = vec![at(0, Some([0.6, 0.8])), at(10, Some([0.8, -0.6])), at(20, Some([-1.0, 0.0]))];
        let (features, nearness) = measured("vector", "word", members, Some(&[1.0, 0.0]), &[]);
        assert_eq!(values(&features, Feature::Vector), [0.75, 1.0, 0.0]);
        assert!((nearness.cosine.unwrap() - 0.8).abs() < 0.01);
    }

    #[test]
    fn what_has_no_vector_is_as_near_as_its_words() {
        let members = vec![at(0, Some([0.6, 0.8])), at(10, None)];
        let given = [(1, Feature::Words, 0.9)];
        let (features, _) = measured("vector", "word", members, Some(&[1.0, 0.0]), &given);
        assert_eq!(values(&features, Feature::Vector), [1.0, 0.9]);
        let (features, nearness) = measured("vector", "word", vec![at(0, Some([1.0, 0.0]))], None, &given);
        assert_eq!((values(&features, Feature::Vector), nearness.cosine), (vec![0.0], None));
    }

    #[test]
    fn neighbours_pull_a_memory_towards_them() {
        let members = vec![at(0, Some([1.0, 0.0])), at(1, Some([0.0, 1.0])), at(9, Some([0.0, 1.0]))];
        let (features, _) = measured("vector", "word", members, Some(&[1.0, 0.0]), &[]);
        let context = values(&features, Feature::VectorContext);
        assert!(context[0] == 1.0 && context[1] > 0.4 && context[2] == 0.0, "{context:?}");
    }
}
