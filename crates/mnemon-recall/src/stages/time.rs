//! Time: dates in the question against the time of a memory.

use super::{Nearness, View};
use crate::cues::Cues;
use crate::features::{Feature, Features};
use crate::time::agreement;

pub(super) fn measure(view: &View<'_>, features: &mut Features, _: &mut Nearness) {
    let scene = view.scene;
    for (index, (_, member)) in scene.pool.each_candidate().enumerate() {
        features.set(index, Feature::Date, agreement(scene.question.dates(), member.time));
        let names_time = scene.question.asks.when && member.has(Cues::TIME);
        features.set(index, Feature::NamesTime, f32::from(u8::from(names_time)));
    }
}

#[cfg(test)]
mod tests {
    use crate::features::Feature;
    use crate::stages::testing::{measured, turn, values};

    #[test]
    fn a_date_in_the_question_finds_its_day() {
        let mut later = turn(9, "We met last week");
        later.time = "2021-06-17T09:00:00Z".parse().unwrap();
        let (features, _) =
            measured("time", "When in June 2021 did we meet?", vec![turn(0, "We met"), later], None, &[]);
        assert_eq!(values(&features, Feature::Date), [0.0, 1.0], "date");
        assert_eq!(values(&features, Feature::NamesTime), [0.0, 1.0]);
    }
}
