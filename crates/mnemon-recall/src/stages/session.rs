//! Sessions: where one turn of a conversation fits, the others are more likely to.

use std::collections::HashMap;

use super::{Nearness, View};
use crate::features::{Feature, Features};

pub(super) fn measure(view: &View<'_>, features: &mut Features, _: &mut Nearness) {
    let scene = view.scene;
    let mut best: HashMap<i64, f32> = HashMap::new();
    let fit = |features: &Features, index| {
        0.5 * features.get(index, Feature::Vector) + 0.5 * features.get(index, Feature::Words)
    };
    for (index, (_, member)) in scene.pool.each_candidate().enumerate() {
        let best = best.entry(member.run).or_insert(0.0);
        *best = best.max(fit(features, index));
    }
    for (index, (_, member)) in scene.pool.each_candidate().enumerate() {
        features.set(index, Feature::Session, best.get(&member.run).copied().unwrap_or(0.0));
    }
}

#[cfg(test)]
mod tests {
    use crate::features::Feature;
    use crate::pool::Member;
    use crate::stages::testing::{measured, turn, values};

    #[test]
    fn the_best_of_a_session_speaks_for_it() {
        let members = vec![turn(0, "a"), turn(9, "b"), Member { run: 2, ..turn(0, "c") }];
        let given = [(0, Feature::Words, 1.0), (1, Feature::Vector, 0.5), (2, Feature::Words, 0.4)];
        let (features, _) = measured("session", "x", members, None, &given);
        assert_eq!(values(&features, Feature::Session), [0.5, 0.5, 0.2]);
    }
}
