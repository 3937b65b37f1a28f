//! Neighbours: an answer is found by what was asked just before it.

use super::{Nearness, View, text};
use crate::cues::Cues;
use crate::features::{Feature, Features};

pub(super) fn measure(view: &View<'_>, features: &mut Features, nearness: &mut Nearness) {
    let scene = view.scene;
    let words = text::own_scores(view);
    let best_words = words.iter().copied().fold(0.0, f32::max);
    let best_cosine = nearness.cosine.unwrap_or(0.0);
    for (index, (own, member)) in scene.pool.each_candidate().enumerate() {
        let Some((before, asked)) = scene.pool.neighbour(own, -1) else { continue };
        let other = asked.said.is_some() && asked.speaker() != member.speaker();
        if !other || !asked.has(Cues::ASKS) {
            continue;
        }
        if best_words > 0.0 {
            features.set(index, Feature::AnswersWords, words.get(before).copied().unwrap_or(0.0) / best_words);
        }
        if let Some(cosine) = view.cosine(before)
            && best_cosine > 0.0
        {
            features.set(index, Feature::AnswersVector, (cosine / best_cosine).clamp(0.0, 1.0));
        }
    }
}

#[cfg(test)]
mod tests {
    use mnemon_core::Role;

    use super::*;
    use crate::pool::Member;
    use crate::stages::testing::{by, measured, turn, values, vector};

    #[test]
    fn an_answer_is_found_by_its_question() {
        let asks = |place| Member {
            vector: Some(vector(&[0.6, 0.8])),
            candidate: false,
            ..turn(place, "Which ferry was it?")
        };
        let members = vec![
            asks(0),
            by(Role::Assistant, None, turn(1, "The one at noon")),
            asks(10),
            turn(11, "I ask again"),
            turn(20, "The ferry was late"),
            by(Role::Assistant, None, Member { vector: Some(vector(&[1.0, 0.0])), ..turn(21, "Oh") }),
        ];
        let scene = |members| {
            let mut nearness = 0.0;
            let (features, _) = measured("neighbours", "ferry", members, Some(&[1.0, 0.0]), &[]);
            nearness += features.get(0, Feature::AnswersVector);
            (values(&features, Feature::AnswersWords), nearness)
        };
        let (words, _) = scene(members);
        // After another's question; after one's own; after what is no question.
        assert_eq!(words, [1.0, 0.0, 0.0, 0.0]);
    }
}
