//! Vectors: the cosine of question and memory.

use super::{Nearness, Scene, dot};
use crate::features::{Feature, Features, of_largest};
use crate::pool::{Member, Pool};
use crate::weights::Level;

/// How much of a neighbour's vector is mixed into a candidate's, by its place relative to the candidate.
const CONTEXT: [(i64, f32); 3] = [(-1, 0.5), (1, 0.3), (-2, 0.2)];

pub(super) fn measure(scene: &Scene<'_>, features: &mut Features, nearness: &mut Nearness) {
    let Some(question) = scene.vector else { return };
    let cosines: Vec<Option<f32>> =
        scene.pool.each_candidate().map(|(_, member)| Some(dot(question, member.vector.as_deref()?))).collect();
    nearness.cosine = cosines.iter().flatten().copied().reduce(f32::max);
    set(features, Feature::Vector, &cosines);
    // Late interaction reads a memory among its neighbours already.
    if scene.level == Level::Fast {
        let in_context = scene.pool.each_candidate().map(|(_, member)| in_context(question, scene.pool, member));
        set(features, Feature::VectorContext, &in_context.collect::<Vec<_>>());
    }
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

fn in_context(question: &[f32], pool: &Pool, member: &Member) -> Option<f32> {
    let mut mixed = member.vector.clone()?;
    for (offset, weight) in CONTEXT {
        if let Some((_, neighbour)) = pool.neighbour(member, offset)
            && let Some(vector) = &neighbour.vector
        {
            let weight = weight * neighbour.lends();
            mixed.iter_mut().zip(vector).for_each(|(value, add)| *value += weight * add);
        }
    }
    let norm = dot(&mixed, &mixed).sqrt();
    (norm > 0.0).then(|| dot(question, &mixed) / norm)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stages::testing::{measured, turn, values};

    fn at(place: i64, vector: Option<[f32; 2]>) -> Member {
        Member { vector: vector.map(Vec::from), ..turn(place, "word") }
    }

    #[test]
    fn near_is_relative_to_the_nearest() {
        let members = vec![at(0, Some([0.6, 0.8])), at(10, Some([0.8, -0.6])), at(20, Some([-1.0, 0.0]))];
        let (features, nearness) = measured("vector", "word", members, Some(&[1.0, 0.0]), &[]);
        assert_eq!(values(&features, Feature::Vector), [0.75, 1.0, 0.0]);
        assert_eq!(nearness.cosine, Some(0.8));
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
