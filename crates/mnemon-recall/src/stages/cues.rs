//! Cues: what a memory shows at a glance, where the question asks for it.

use mnemon_core::Role;

use super::{Nearness, View};
use crate::cues::Cues;
use crate::features::{Feature, Features};

/// A text of more words is long.
const LONG: f32 = 80.0;
/// So many turns open a session.
const OPENING: i64 = 2;

pub(super) fn measure(view: &View<'_>, features: &mut Features, _: &mut Nearness) {
    let scene = view.scene;
    let asks = scene.question.asks;
    for (index, (_, member)) in scene.pool.each_candidate().enumerate() {
        let mut flag = |feature, yes: bool| features.set(index, feature, f32::from(u8::from(yes)));
        let user = member.role() == Some(Role::User);
        flag(Feature::NamesNumber, asks.quantity && member.has(Cues::NUMBER));
        flag(Feature::IsQuestion, member.has(Cues::ENDS_AS_QUESTION));
        flag(Feature::FirstPerson, member.has(Cues::FIRST_PERSON));
        flag(Feature::Opening, member.said.is_some() && member.place < OPENING);
        flag(Feature::StandingOrder, asks.for_help && user && member.has(Cues::STANDING_ORDER));
        flag(Feature::Preference, asks.for_help && user && member.has(Cues::PREFERENCE));
        features.set(index, Feature::Length, (member.words.max(1) as f32 / LONG).ln().max(0.0));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stages::testing::{by, measured, turn, values};

    #[track_caller]
    fn check(question: &str, feature: Feature, expected: [f32; 4]) {
        let members = vec![
            turn(0, "Always use metres. I prefer them."),
            by(Role::Assistant, None, turn(1, "Always use metres. I prefer them.")),
            turn(2, "There were three of them?"),
            turn(3, &"word ".repeat(160)),
        ];
        let (features, _) = measured("cues", question, members, None, &[]);
        assert_eq!(values(&features, feature), expected, "{question} {feature:?}");
    }

    #[test]
    fn cues_count_where_they_are_asked_for() {
        check("How many are there?", Feature::NamesNumber, [0.0, 0.0, 1.0, 0.0]);
        check("Who is there?", Feature::NamesNumber, [0.0; 4]);
        check("x", Feature::IsQuestion, [0.0, 0.0, 1.0, 0.0]);
        check("x", Feature::FirstPerson, [1.0, 1.0, 0.0, 0.0]);
        check("x", Feature::Opening, [1.0, 1.0, 0.0, 0.0]);
        check("x", Feature::Length, [0.0, 0.0, 0.0, 0.69]);
        check("How should I write lengths?", Feature::StandingOrder, [1.0, 0.0, 0.0, 0.0]);
        check("How should I write lengths?", Feature::Preference, [1.0, 0.0, 0.0, 0.0]);
        check("What did I say about lengths?", Feature::StandingOrder, [0.0; 4]);
    }
}
