//! Late interaction: each piece of the question looks for its best piece in a memory.
//!
//! A vector is the mean of a text; a text that says two things is near to neither. Here every piece keeps its own
//! vector, made with the turns around it in view, and a memory is as good as the pieces it has for those of the question.
//!
//! Khattab and Zaharia, *ColBERT: Efficient and Effective Passage Search via Contextualized Late Interaction over BERT*
//! (2020), on the last layer of a model that was not trained for it.

use std::collections::{HashMap, HashSet};

use super::{Nearness, Scene};
use crate::features::{Feature, Features, of_largest, standardised};
use crate::late::{QuestionTokens, TokenCodes, TokenMatches};
use crate::pool::{Member, Pool};

/// What the pieces of a neighbour count, by its place relative to the candidate.
const WINDOW: [(i64, f32); 6] = [(-1, 0.9), (1, 0.85), (-2, 0.85), (2, 0.8), (-3, 0.75), (3, 0.7)];

pub(super) fn measure(scene: &Scene<'_>, features: &mut Features, nearness: &mut Nearness) {
    let Some(question) = scene.tokens.filter(|tokens| !tokens.is_empty()) else { return };
    let codes: Vec<Option<TokenCodes<'_>>> = scene.pool.members().iter().map(codes).collect();
    let weights = weights(question, &codes);
    let all = weights.iter().sum::<f32>();
    if all <= 0.0 {
        return;
    }
    let matches: Vec<Option<TokenMatches>> = codes.iter().map(|codes| question.compare(codes.as_ref()?)).collect();
    let fit = |matches: &[f32]| matches.iter().zip(&weights).map(|(m, weight)| m * weight).sum::<f32>() / all;

    let (mut own, mut window, mut mean) = (Vec::new(), Vec::new(), Vec::new());
    for &index in scene.pool.candidates() {
        let matched = matches.get(index).and_then(Option::as_ref);
        own.push(matched.map(|matched| fit(&matched.best)));
        window.push(matched.map(|matched| fit(&in_window(scene.pool, index, &matched.best, &matches))));
        mean.push(matched.map(|matched| matched.mean));
    }
    nearness.tokens = own.iter().flatten().copied().reduce(f32::max);
    set_standardised(features, Feature::TokensOwn, &own);
    set_standardised(features, Feature::TokensWindow, &window);
    let mut shares: Vec<f32> = mean.iter().map(|cosine| cosine.unwrap_or(0.0)).collect();
    of_largest(&mut shares);
    for (index, (share, known)) in shares.into_iter().zip(&mean).enumerate() {
        // As near as its vector says, where its pieces are not known.
        let vector = features.get(index, Feature::Vector);
        features.set(index, Feature::TokensMean, if known.is_some() { share } else { vector });
    }
}

/// Candidates whose pieces are not known stand in the middle.
fn set_standardised(features: &mut Features, feature: Feature, values: &[Option<f32>]) {
    let mut known: Vec<f32> = values.iter().flatten().copied().collect();
    standardised(&mut known);
    let mut known = known.into_iter();
    for (index, value) in values.iter().enumerate() {
        let value = value.and_then(|_| known.next()).unwrap_or(0.0);
        features.set(index, feature, value);
    }
}

fn codes<'a>(member: &Member<'a>) -> Option<TokenCodes<'a>> {
    TokenCodes::parse(member.tokens?).ok()
}

/// What each piece of the question is worth: the rarer among the members of the pool, the more.
fn weights(question: &QuestionTokens, codes: &[Option<TokenCodes<'_>>]) -> Vec<f32> {
    let asked: HashSet<u16> = question.pieces().collect();
    let mut frequencies: HashMap<u16, f32> = HashMap::new();
    for codes in codes.iter().flatten() {
        let there: HashSet<u16> = codes.pieces().filter(|piece| asked.contains(piece)).collect();
        there.into_iter().for_each(|piece| *frequencies.entry(piece).or_default() += 1.0);
    }
    let members = codes.iter().flatten().count() as f32;
    let rarity = |frequency: f32| ((members - frequency + 0.5) / (frequency + 0.5)).ln_1p();
    question.pieces().map(|piece| rarity(frequencies.get(&piece).copied().unwrap_or(0.0))).collect()
}

/// The best match of each piece of the question in a member or, at a discount, in its neighbours.
fn in_window(pool: &Pool<'_>, index: usize, own: &[f32], matches: &[Option<TokenMatches>]) -> Vec<f32> {
    let mut best = own.to_vec();
    for (offset, weight) in WINDOW {
        let Some((beside, neighbour)) = pool.neighbour(index, offset) else { continue };
        let weight = weight * neighbour.lends();
        if let Some(matched) = matches.get(beside).and_then(Option::as_ref) {
            best.iter_mut().zip(&matched.best).for_each(|(best, matched)| *best = best.max(weight * matched));
        }
    }
    best
}
