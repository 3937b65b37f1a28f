//! Late interaction: each piece of the question looks for its best piece in a memory.
//!
//! A vector is the mean of a text; a text that says two things is near to neither. Here every piece keeps its own
//! vector, made with the turns around it in view, and a memory is as good as the pieces it has for those of the question. It is a closer look: only at the best that the other
//! stages found.
//!
//! Khattab and Zaharia, *ColBERT: Efficient and Effective Passage Search via Contextualized Late Interaction over BERT*
//! (2020), on the last layer of a model that was not trained for it.

use std::collections::{HashMap, HashSet};

use super::{Nearness, View};
use crate::features::{Feature, Features, of_largest, standardised};
use crate::late::{QuestionTokens, TokenCodes};
use crate::pool::Pool;

/// What the pieces of a neighbour count, by its place relative to the candidate.
const WINDOW: [(i64, f32); 6] = [(-1, 0.9), (1, 0.85), (-2, 0.85), (2, 0.8), (-3, 0.75), (3, 0.7)];

/// The members whose pieces are compared where these candidates, by their indexes among the candidates, are looked at:
/// themselves and their neighbours. Ascending.
pub(crate) fn members(pool: &Pool<'_>, candidates: &[usize]) -> Vec<usize> {
    let mut members = Vec::new();
    for &index in candidates.iter().filter_map(|candidate| pool.candidates().get(*candidate)) {
        members.push(index);
        members.extend(WINDOW.iter().filter_map(|(offset, _)| Some(pool.neighbour(index, *offset)?.0)));
    }
    members.sort_unstable();
    members.dedup();
    members
}

/// Looks at these candidates, by their indexes among the candidates. False, and nothing is measured, where there is
/// nothing to compare.
pub(crate) fn measure<'t>(
    view: &View<'_>,
    candidates: &[usize],
    tokens: &dyn Fn(usize) -> Option<&'t [u8]>,
    features: &mut Features,
    nearness: &mut Nearness,
) -> bool {
    let scene = view.scene;
    let Some(question) = scene.tokens.filter(|tokens| !tokens.is_empty()) else { return false };
    let members = members(scene.pool, candidates);
    let codes: Vec<Option<TokenCodes<'_>>> =
        members.iter().map(|&index| TokenCodes::parse(tokens(index)?).ok()).collect();
    let weights = weights(question, &codes);
    let all = weights.iter().sum::<f32>();
    if all <= 0.0 || codes.iter().all(Option::is_none) {
        return false;
    }
    let looked_at = |index: &usize| scene.pool.candidates().get(*index).copied();
    let is_looked_at: HashSet<usize> = candidates.iter().filter_map(looked_at).collect();
    let mut matches = Matches::new(scene.pool.members().len(), question.len());
    let mut means: HashMap<usize, f32> = HashMap::with_capacity(candidates.len());
    for (&index, codes) in members.iter().zip(&codes) {
        let Some(codes) = codes else { continue };
        let row = matches.add(index);
        if is_looked_at.contains(&index) {
            match question.compare(codes) {
                Some(matched) => {
                    row.iter_mut().zip(&matched.best).for_each(|(to, from)| *to = *from);
                    means.insert(index, matched.mean);
                }
                None => matches.forget(index),
            }
        } else if !question.best_matches(codes, row) {
            matches.forget(index);
        }
    }
    let fit = |matches: &[f32]| matches.iter().zip(&weights).map(|(m, weight)| m * weight).sum::<f32>() / all;

    let mut measured: Vec<Measured> = Vec::with_capacity(candidates.len());
    for &candidate in candidates {
        let Some(index) = looked_at(&candidate) else { continue };
        let own = matches.of(index);
        measured.push(Measured {
            candidate,
            own: own.map(fit),
            window: own.map(|own| fit(&in_window(scene.pool, index, own, &matches))),
            mean: means.get(&index).copied(),
        });
    }
    nearness.tokens = measured.iter().filter_map(|measured| measured.own).reduce(f32::max);
    set_standardised(features, Feature::TokensOwn, &measured, |measured| measured.own);
    set_standardised(features, Feature::TokensWindow, &measured, |measured| measured.window);
    let mut shares: Vec<f32> = measured.iter().map(|measured| measured.mean.unwrap_or(0.0)).collect();
    of_largest(&mut shares);
    for (share, measured) in shares.into_iter().zip(&measured) {
        // As near as its vector says, where its pieces are not known.
        let vector = features.get(measured.candidate, Feature::Vector);
        features.set(measured.candidate, Feature::TokensMean, if measured.mean.is_some() { share } else { vector });
    }
    true
}

/// What was found out about a candidate.
struct Measured {
    candidate: usize,
    own: Option<f32>,
    window: Option<f32>,
    mean: Option<f32>,
}

/// Candidates whose pieces are not known stand in the middle; those that were not looked at are like the last that were.
fn set_standardised(
    features: &mut Features,
    feature: Feature,
    measured: &[Measured],
    value: impl Fn(&Measured) -> Option<f32>,
) {
    let mut known: Vec<f32> = measured.iter().filter_map(&value).collect();
    standardised(&mut known);
    let least = known.iter().copied().fold(0.0, f32::min);
    (0..features.rows().len()).for_each(|candidate| features.set(candidate, feature, least));
    let mut known = known.into_iter();
    for measured in measured {
        let value = value(measured).and_then(|_| known.next()).unwrap_or(0.0);
        features.set(measured.candidate, feature, value);
    }
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

/// How members match each piece of the question.
struct Matches {
    /// A row for each member that was compared.
    best: Vec<f32>,
    width: usize,
    /// Where the row of each member begins, or [`NOWHERE`].
    starts: Vec<u32>,
}

/// No place of a row.
const NOWHERE: u32 = u32::MAX;

impl Matches {
    fn new(members: usize, width: usize) -> Self {
        Self { best: Vec::new(), width, starts: vec![NOWHERE; members] }
    }

    /// A row of zeros for the member at `index`.
    fn add(&mut self, index: usize) -> &mut [f32] {
        let start = self.best.len();
        self.best.resize(start + self.width, 0.0);
        self.starts.iter_mut().skip(index).take(1).for_each(|at| *at = start as u32);
        self.best.get_mut(start..).unwrap_or_default()
    }

    /// Its pieces are not known after all.
    fn forget(&mut self, index: usize) {
        self.starts.iter_mut().skip(index).take(1).for_each(|at| *at = NOWHERE);
    }

    /// Of the member at `index`, if its pieces are known.
    fn of(&self, index: usize) -> Option<&[f32]> {
        let start = *self.starts.get(index).filter(|start| **start != NOWHERE)? as usize;
        self.best.get(start..start + self.width)
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
