use proptest::prelude::*;

use super::minimize::Objective;
use super::*;

/// Random numbers from a seed (splitmix64), between -1 and 1.
struct Random(u64);

impl Random {
    fn next(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) >> 11) as f64 / (1u64 << 52) as f64 - 1.0
    }

    fn rows(&mut self, rows: usize, features: usize) -> Vec<Vec<f32>> {
        (0..rows).map(|_| (0..features).map(|_| self.next() as f32).collect()).collect()
    }
}

/// Questions whose one piece of evidence is drawn with the probability that these weights give it: the model that the
/// loss is the likelihood of.
fn drawn(weights: &[f64], questions: usize, seed: u64) -> Vec<Example> {
    let mut random = Random(seed);
    let draw = |at: usize| {
        let rows = random.rows(12, weights.len());
        let odds: Vec<f64> = rows.iter().map(|row| score(row, weights).exp()).collect();
        let mut left = (random.next() + 1.0) / 2.0 * odds.iter().sum::<f64>();
        let evidence = odds.iter().position(|odds| {
            left -= odds;
            left <= 0.0
        });
        Example { conversation: at % 5, weight: 1.0, rows, evidence: vec![evidence.unwrap_or(0)], evidence_total: 1 }
    };
    (0..questions).map(draw).collect()
}

fn all(examples: &[Example]) -> Vec<&Example> {
    examples.iter().collect()
}

proptest! {
    #[test]
    fn the_gradient_is_the_slope_of_the_loss(seed: u64, evidence in 1usize..4, l2 in 0.0f64..3.0) {
        let mut random = Random(seed);
        let examples: Vec<Example> = (0..3)
            .map(|at| Example {
                conversation: at,
                weight: 0.5 + at as f64,
                rows: random.rows(9, 4),
                evidence: (0..evidence).collect(),
                evidence_total: evidence + at,
            })
            .collect();
        let loss = Loss::new(&all(&examples), 4, l2);
        let weights: Vec<f64> = (0..4).map(|_| 3.0 * random.next()).collect();
        let mut gradient = vec![0.0; 4];
        loss.at(&weights, &mut gradient);
        let mut unused = vec![0.0; 4];
        for feature in 0..4 {
            let mut around = |step: f64| {
                let mut weights = weights.clone();
                weights[feature] += step;
                loss.at(&weights, &mut unused)
            };
            let slope = (around(1e-5) - around(-1e-5)) / 2e-5;
            prop_assert!((slope - gradient[feature]).abs() < 1e-7, "{slope} and {}", gradient[feature]);
        }
    }
}

#[test]
fn the_loss_is_that_of_the_formula() {
    let example = Example {
        conversation: 0,
        weight: 2.0,
        rows: vec![vec![1.0], vec![0.0], vec![-1.0]],
        evidence: vec![0],
        evidence_total: 2,
    };
    let e = 1.0f64.exp();
    let expected = -(e * e / (e * e + 1.0 + 1.0 / (e * e))).ln() + 0.5 * 3.0 * 4.0;
    let mut gradient = [0.0];
    let loss = Loss::new(&[&example], 1, 3.0).at(&[2.0], &mut gradient);
    assert!((loss - expected).abs() < 1e-12, "{loss} and {expected}");
    // Scores that would overflow.
    let loss = Loss::new(&[&example], 1, 0.0).at(&[-1e4], &mut gradient);
    assert_eq!((loss, gradient), (2e4, [-2.0]));
}

#[test]
fn weights_that_made_the_data_are_found() {
    let weights = [2.0, -1.0, 0.0, 3.0];
    let examples = drawn(&weights, 4_000, 7);
    let found = fit(&all(&examples), 4, 0.0);
    for (found, weight) in found.iter().zip(weights) {
        assert!((found - weight).abs() < 0.15, "{found} for {weight}");
    }
    assert_eq!(fit(&all(&examples), 4, 0.0), found, "the same data gives the same weights");
    let held = fit(&all(&examples), 4, 4_000.0);
    assert!(held.iter().zip(&found).all(|(held, found)| held.abs() < found.abs() + 0.05), "{held:?}");
    assert!(held[3] < 0.5 * found[3], "a ridge makes weights smaller: {held:?}");
}

#[test]
fn one_conversation_is_left_out_at_a_time() {
    // What the first conversation teaches is the opposite of what the others do.
    let mut examples = drawn(&[3.0], 400, 11);
    for example in examples.iter_mut().filter(|example| example.conversation == 0) {
        example.rows.iter_mut().flatten().for_each(|feature| *feature *= -1.0);
    }
    let weights = leave_one_out(&examples, 1, 1.0);
    assert_eq!(weights.keys().copied().collect::<Vec<_>>(), [0, 1, 2, 3, 4]);
    for (left_out, fitted) in &weights {
        let others: Vec<&Example> = examples.iter().filter(|it| it.conversation != *left_out).collect();
        assert_eq!(fitted, &fit(&others, 1, 1.0));
    }
    assert!(weights[&0][0] > 2.4 && weights[&1][0] < 2.0, "{weights:?}");
    // Whatever is in the conversation that is left out, its own weights stay as they are.
    examples.iter_mut().filter(|it| it.conversation == 0).for_each(|it| it.evidence = vec![0]);
    assert_eq!(leave_one_out(&examples, 1, 1.0)[&0], weights[&0]);
    assert_ne!(leave_one_out(&examples, 1, 1.0)[&1], weights[&1]);
}

#[test]
fn weights_of_questions_count() {
    let example = |weight, rows: &[[f32; 2]]| Example {
        conversation: 0,
        weight,
        rows: rows.iter().map(|row| row.to_vec()).collect(),
        evidence: vec![0],
        evidence_total: 1,
    };
    let (a, b) = (example(3.0, &[[1.0, 0.0], [0.0, 1.0]]), example(1.0, &[[0.0, 1.0], [1.0, 0.0]]));
    let found = fit(&[&a, &b], 2, 1e-9);
    // Three against one: the odds of the first feature over the second.
    assert!((found[0] - found[1] - 3.0f64.ln()).abs() < 1e-4, "{found:?}");
    let same = [example(1.0, &[[1.0, 0.0], [0.0, 1.0]]), b.clone()];
    let three = [&same[0], &same[0], &same[0], &same[1]];
    let repeated = fit(&three, 2, 1e-9);
    assert!((repeated[0] - repeated[1] - (found[0] - found[1])).abs() < 1e-4);
}

#[test]
fn what_teaches_nothing_changes_nothing() {
    let taught = drawn(&[1.0, 2.0], 50, 3);
    let mut rest: Vec<Example> = taught.clone();
    let empty = Example { weight: 1.0, evidence_total: 1, ..Example::default() };
    let only_evidence = Example { rows: vec![vec![1.0, 1.0]], evidence: vec![0], ..empty.clone() };
    let no_evidence = Example { rows: vec![vec![1.0, 1.0], vec![0.0, 0.0]], evidence: vec![9], ..empty.clone() };
    let no_weight = Example { weight: f64::NAN, rows: vec![vec![1.0], vec![]], evidence: vec![0], ..empty.clone() };
    rest.extend([empty, only_evidence, no_evidence, no_weight]);
    assert_eq!(fit(&all(&rest), 2, 1.0), fit(&all(&taught), 2, 1.0));
    assert!(fit(&[], 2, 1.0).iter().all(|weight| weight.abs() < 1e-6));
    assert_eq!(fit(&[], 2, 0.0), [1.0, 1.0]);
    assert_eq!(fit(&all(&taught), 0, 1.0), [] as [f64; 0]);
}

#[test]
fn rows_rank_by_their_score() {
    let rows = vec![vec![1.0, 0.0], vec![0.0, 1.0], vec![0.0, 1.0], vec![f32::NAN, 2.0], vec![]];
    assert_eq!(ranked(&rows, &[1.0, 2.0]), [3, 1, 2, 0, 4]);
    assert_eq!(ranked(&rows, &[1.0, -2.0]), [0, 4, 1, 2, 3]);
    assert_eq!(ranked(&[], &[1.0]), [] as [usize; 0]);
}
