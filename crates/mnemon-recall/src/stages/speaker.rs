//! Speakers: who is asked about, and who said it.

use mnemon_core::Role;

use super::{Nearness, View};
use crate::features::{Feature, Features};
use crate::pool::Pool;

pub(super) fn measure(view: &View<'_>, features: &mut Features, _: &mut Nearness) {
    let scene = view.scene;
    let asks = scene.question.asks;
    let talks = assistant_talks(scene.pool);
    for (index, (_, member)) in scene.pool.each_candidate().enumerate() {
        let mut flag = |feature, yes: bool| features.set(index, feature, f32::from(u8::from(yes)));
        let user = member.role() == Some(Role::User);
        let assistant = member.role() == Some(Role::Assistant);
        // Of two people who are named, either may be the one who tells.
        if let [named] = scene.question.speakers() {
            flag(Feature::Speaker, member.speaker().is_some_and(|name| name.eq_ignore_ascii_case(named)));
        }
        flag(Feature::UserSpeaks, asks.about_me && !asks.about_you && user);
        flag(Feature::AssistantSpeaks, asks.about_you && assistant);
        features.set(index, Feature::AssistantTalks, if assistant { talks } else { 0.0 });
    }
}

/// From 0, where the turns of assistants are no longer than those of users, to 1, where they are four times as long. Two
/// people who chat are equals, whatever roles an importer gave them; a model that lectures says much that nobody asks for.
fn assistant_talks(pool: &Pool<'_>) -> f32 {
    let median = |role| {
        let of_role = pool.members().iter().filter(|member| member.role() == Some(role));
        let mut words: Vec<u32> = of_role.map(|member| member.words).collect();
        words.sort_unstable();
        let middle = words.len() / 2;
        words.get(middle).map(|words_| {
            // The mean of the two in the middle, as usual.
            let below = if words.len().is_multiple_of(2) { words.get(middle - 1).unwrap_or(words_) } else { words_ };
            (f64::from(*words_) + f64::from(*below)) / 2.0
        })
    };
    match (median(Role::Assistant), median(Role::User)) {
        (Some(assistant), Some(user)) => ((assistant.max(1.0) / user.max(1.0)).log2() / 2.0).clamp(0.0, 1.0) as f32,
        _ => 0.0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pool::Member;
    use crate::stages::testing::{by, measured, turn, values};

    fn people() -> Vec<Member<'static>> {
        vec![turn(0, "I have two cats"), by(Role::Assistant, Some("Bo Miller"), turn(1, "I have one dog"))]
    }

    fn chat() -> Vec<Member<'static>> {
        let answer = "words and more words ".repeat(20);
        vec![by(Role::User, None, turn(0, "I have two cats")), by(Role::Assistant, None, turn(1, &answer))]
    }

    #[track_caller]
    fn check(question: &str, members: Vec<Member<'static>>, feature: Feature, expected: [f32; 2]) {
        let (features, _) = measured("speaker", question, members, None, &[]);
        assert_eq!(values(&features, feature), expected, "{question}");
    }

    #[test]
    fn who_is_named_is_who_tells() {
        check("What pets has Bo?", people(), Feature::Speaker, [0.0, 1.0]);
        check("What pets have Ann and Bo?", people(), Feature::Speaker, [0.0, 0.0]);
        check("What pets are there?", people(), Feature::Speaker, [0.0, 0.0]);
    }

    #[test]
    fn i_am_the_user_and_you_are_the_assistant() {
        check("What pets do I have?", chat(), Feature::UserSpeaks, [1.0, 0.0]);
        check("What did you suggest to me?", chat(), Feature::UserSpeaks, [0.0, 0.0]);
        check("What did you suggest to me?", chat(), Feature::AssistantSpeaks, [0.0, 1.0]);
        check("What pets does Ann think I have?", chat(), Feature::UserSpeaks, [0.0, 0.0]);
    }

    #[test]
    fn assistants_talk_where_their_turns_are_longer() {
        check("x", chat(), Feature::AssistantTalks, [0.0, 1.0]);
        check("x", people(), Feature::AssistantTalks, [0.0, 0.0]);
    }
}
