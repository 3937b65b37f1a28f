//! Late interaction: each piece of the question looks for its best piece in a memory.
//!
//! A vector is the mean of a text; a text that says two things is near to neither. Here every piece keeps its own
//! vector, made with the turns around it in view, and a memory is as good as the pieces it has for those of the question.
//!
//! Khattab and Zaharia, *ColBERT: Efficient and Effective Passage Search via Contextualized Late Interaction over BERT*
//! (2020), on the last layer of a model that was not trained for it.

use super::{Nearness, Scene};
use crate::features::{Feature, Features, of_largest, standardised};
use crate::late::{QuestionTokens, TokenCodes};
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
    let width = question.len();
    // The best matches of each member, row after row; a mean for each candidate.
    let mut best = vec![0.0f32; codes.len() * width];
    let (mut known, mut means) = (vec![false; codes.len()], Vec::with_capacity(scene.pool.candidates().len()));
    let rows = best.chunks_exact_mut(width).zip(&mut known);
    for ((member, codes), (row, known)) in scene.pool.members().iter().zip(&codes).zip(rows) {
        let Some(codes) = codes else {
            means.extend(member.candidate.then_some(None));
            continue;
        };
        if member.candidate {
            let matched = question.compare(codes);
            *known = matched.is_some();
            means.push(matched.as_ref().map(|matched| matched.mean));
            row.iter_mut().zip(matched.iter().flat_map(|matched| &matched.best)).for_each(|(to, from)| *to = *from);
        } else {
            *known = question.best_matches(codes, row);
        }
    }
    let matches = Matches { best, known, width };
    let fit = |matches: &[f32]| matches.iter().zip(&weights).map(|(m, weight)| m * weight).sum::<f32>() / all;

    let (mut own, mut window) = (Vec::new(), Vec::new());
    for &index in scene.pool.candidates() {
        let matched = matches.of(index);
        own.push(matched.map(fit));
        window.push(matched.map(|matched| fit(&in_window(scene.pool, index, matched, &matches))));
    }
    nearness.tokens = own.iter().flatten().copied().reduce(f32::max);
    set_standardised(features, Feature::TokensOwn, &own);
    set_standardised(features, Feature::TokensWindow, &window);
    let mut shares: Vec<f32> = means.iter().map(|cosine| cosine.unwrap_or(0.0)).collect();
    of_largest(&mut shares);
    for (index, (share, known)) in shares.into_iter().zip(&means).enumerate() {
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
    let asked: Vec<u16> = question.pieces().collect();
    // Most pieces of a member are none of the question's: one bit of 64 tells of most of them.
    let bit = |piece: u16| 1u64 << (piece & 63);
    let bits = asked.iter().fold(0, |bits, piece| bits | bit(*piece));
    let mut frequencies = vec![0.0f32; asked.len()];
    let mut there = vec![false; asked.len()];
    for codes in codes.iter().flatten() {
        there.fill(false);
        for piece in codes.pieces().filter(|piece| bits & bit(*piece) != 0) {
            asked.iter().zip(&mut there).for_each(|(asked, there)| *there |= *asked == piece);
        }
        frequencies.iter_mut().zip(&there).for_each(|(frequency, there)| *frequency += f32::from(u8::from(*there)));
    }
    let members = codes.iter().flatten().count() as f32;
    let rarity = |frequency: f32| ((members - frequency + 0.5) / (frequency + 0.5)).ln_1p();
    frequencies.into_iter().map(rarity).collect()
}

/// How each member matches each piece of the question.
struct Matches {
    best: Vec<f32>,
    known: Vec<bool>,
    width: usize,
}

impl Matches {
    /// Of the member at `index`, if its pieces are known.
    fn of(&self, index: usize) -> Option<&[f32]> {
        self.known.get(index).filter(|known| **known)?;
        self.best.get(index * self.width..(index + 1) * self.width)
    }
}

/// The best match of each piece of the question in a member or, at a discount, in its neighbours.
fn in_window(pool: &Pool<'_>, index: usize, own: &[f32], matches: &Matches) -> Vec<f32> {
    let mut best = own.to_vec();
    for (offset, weight) in WINDOW {
        let Some((beside, neighbour)) = pool.neighbour(index, offset) else { continue };
        let weight = weight * neighbour.lends();
        if let Some(matched) = matches.of(beside) {
            best.iter_mut().zip(matched).for_each(|(best, matched)| *best = best.max(weight * matched));
        }
    }
    best
}
