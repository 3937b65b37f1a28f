//! Small pools for the tests of the stages.

use mnemon_core::{Role, Timestamp};

use super::{Nearness, STAGES, Scene, View};
use crate::cues::Cues;
use crate::features::{Feature, Features};
use crate::pool::{Member, Pool, Said, Statistics};
use crate::question::Question;
use crate::terms::{count_words, terms};
use crate::vector::Vector;
use crate::weights::Level;

/// A turn of Ann at a place of session 1, that is a candidate.
pub(crate) fn turn(place: i64, text: &str) -> Member<'static> {
    Member {
        id: place,
        run: 1,
        place,
        said: Some(Said { role: Role::User, speaker: Some("Ann") }),
        time: "2021-03-03T16:05:00Z".parse().unwrap(),
        words: count_words(text) as u32,
        cues: Cues::of(text),
        terms: terms(text).collect::<Vec<_>>().leak(),
        vector: None,
        candidate: true,
    }
}

pub(crate) fn by(role: Role, speaker: Option<&'static str>, member: Member<'static>) -> Member<'static> {
    Member { said: Some(Said { role, speaker }), ..member }
}

/// A vector of the direction of `values`, to a hundredth.
pub(crate) fn vector(values: &[f32]) -> Vector<'static> {
    let largest = values.iter().fold(0.0f32, |largest, value| largest.max(value.abs()));
    let codes: Vec<i8> = values.iter().map(|value| (value / largest * 127.0).round() as i8).collect();
    let norm = codes.iter().map(|code| f32::from(*code).powi(2)).sum::<f32>().sqrt();
    Vector::new(codes.leak(), 1.0 / norm)
}

/// What one stage of the first look alone measures of each candidate, before it the features of `given`.
pub(super) fn measured(
    stage: &str,
    question: &str,
    members: Vec<Member<'_>>,
    vector: Option<&[f32]>,
    given: &[(usize, Feature, f32)],
) -> (Features, Nearness) {
    let stage = STAGES.iter().find(|known| known.name == stage).unwrap();
    with_view(question, members, vector, |view| {
        let mut features = Features::new(view.scene.pool.candidates().len());
        given.iter().for_each(|(index, feature, value)| features.set(*index, *feature, *value));
        let mut nearness = Nearness::default();
        (stage.measure)(view, &mut features, &mut nearness);
        (features, nearness)
    })
}

/// Does something with a view of these members.
pub(super) fn with_view<T>(
    question: &str,
    members: Vec<Member<'_>>,
    vector: Option<&[f32]>,
    look: impl FnOnce(&View<'_>) -> T,
) -> T {
    let speakers = ["Ann".to_owned(), "Bo Miller".to_owned()];
    let question = Question::new(question, &speakers, Timestamp::UNIX_EPOCH);
    let frequency = |term: &u32| members.iter().filter(|member| member.terms.contains(term)).count() as u64;
    let statistics =
        Statistics { passages: members.len() as u64, frequencies: question.terms().iter().map(frequency).collect() };
    let pool = Pool::new(members);
    let (question, pool, statistics) = (&question, &pool, &statistics);
    let scene = Scene { question, vector, tokens: None, pool, statistics, level: Level::Fast, calibrated: false };
    look(&View::new(&scene))
}

/// The values of one feature, rounded to a hundredth.
pub(super) fn values(features: &Features, feature: Feature) -> Vec<f32> {
    (0..features.rows().len()).map(|index| (features.get(index, feature) * 100.0).round() / 100.0).collect()
}
