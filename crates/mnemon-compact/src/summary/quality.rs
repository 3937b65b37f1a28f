//! How much of what matters is in a summary.

use std::collections::BTreeMap;

use ndarray::{Array2, ArrayView1};
use serde::{Deserialize, Serialize};

use crate::cues::Finder;
use crate::salience::{Candidate, Salience};
use crate::sentences::sentences;
use crate::terms::{Details, terms};
use crate::{CompactError, Cues, Vectors};

/// How much of what matters is in a summary, each from 0 to 1.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub struct Quality {
    /// For each sentence of the source the cosine with the sentence of the summary that is nearest to it (0 where it is
    /// negative), averaged with what the sentences are worth as weights. With no embedder, over bags of words.
    pub meaning: f32,
    /// The share of the names, numbers and dates of the source that are in the summary, each weighed by the number of
    /// sentences that have it; 1 when there are none.
    pub details: f32,
    /// The mean of both.
    pub score: f32,
}

/// Measures a summary against the texts that it was made from.
///
/// A sentence taken out of a summary leaves a set of sentences and details that is smaller, so each of the three numbers
/// can only fall. It says nothing about whether what a model wrote is true.
///
/// # Errors
/// When the embedder fails.
///
/// ```
/// let source = ["I moved to Oslo in 2021. The boat is red."];
/// let whole = mnemon_compact::quality(&source, "I moved to Oslo in 2021. The boat is red.", None)?;
/// let part = mnemon_compact::quality(&source, "The boat is red.", None)?;
/// assert!(whole.score > 0.99 && part.score < whole.score);
/// # Ok::<(), mnemon_compact::CompactError>(())
/// ```
pub fn quality(sources: &[&str], summary: &str, vectors: Option<Vectors<'_>>) -> Result<Quality, CompactError> {
    let source: Vec<&str> = sources.iter().flat_map(|text| sentences(text)).collect();
    let written = sentences(summary);
    if source.is_empty() {
        return Ok(Quality { meaning: 1.0, details: 1.0, score: 1.0 });
    }

    let mut wanted: BTreeMap<String, f32> = BTreeMap::new();
    for sentence in &source {
        for detail in Details::of(sentence).iter() {
            *wanted.entry(detail.to_owned()).or_default() += 1.0;
        }
    }
    // A name may begin a sentence of the summary, where it is none by its capital.
    let found = normal(summary);
    let total: f32 = wanted.values().sum();
    let kept: f32 = wanted.iter().filter(|(detail, _)| has_word(&found, detail)).map(|(_, count)| count).sum();
    let details = if total > 0.0 { kept / total } else { 1.0 };

    let nearest = match vectors {
        Some(vectors) => nearest_rows(&vectors.rows(&source)?, &vectors.rows(&written)?),
        None => nearest_bags(&source, &written),
    };
    let candidates: Vec<Candidate<'_>> =
        source.iter().map(|text| Candidate { text, cost: 1, weight: 1.0, line: None }).collect();
    let salience = Salience::new(&candidates, &Finder::new(&Cues::default()), None);
    let (mut sum, mut weights) = (0.0f64, 0.0f64);
    for (index, nearest) in nearest.into_iter().enumerate() {
        // A sentence of stop words alone still counts for something.
        let weight = f64::from(salience.worth(index)) + 0.01;
        sum += weight * f64::from(nearest.min(1.0));
        weights += weight;
    }
    let meaning = if weights > 0.0 { (sum / weights) as f32 } else { 1.0 };
    Ok(Quality { meaning, details, score: f32::midpoint(meaning, details) })
}

/// Lower case, without thousands separators.
fn normal(text: &str) -> String {
    let mut normal = String::with_capacity(text.len());
    let mut chars = text.chars().peekable();
    let mut before = ' ';
    while let Some(c) = chars.next() {
        let is_separator =
            c == ',' && before.is_ascii_digit() && chars.peek().is_some_and(|next| next.is_ascii_digit());
        if !is_separator {
            normal.extend(c.to_lowercase());
        }
        before = c;
    }
    normal
}

fn has_word(text: &str, word: &str) -> bool {
    text.match_indices(word).any(|(at, found)| {
        let before = text.get(..at).and_then(|text| text.chars().next_back());
        let after = text.get(at + found.len()..).and_then(|text| text.chars().next());
        !before.is_some_and(char::is_alphanumeric) && !after.is_some_and(char::is_alphanumeric)
    })
}

/// For each row the largest dot product with one of the others, 0 where none is above.
fn nearest_rows(from: &Array2<f32>, to: &Array2<f32>) -> Vec<f32> {
    let nearest = |row: ArrayView1<'_, f32>| to.outer_iter().map(|other| row.dot(&other)).fold(0.0f32, f32::max);
    from.outer_iter().map(nearest).collect()
}

/// Terms hashed into a bag of this many.
const BAG: usize = 512;

/// The same of the bags of words of texts. Only those that share a term are compared.
fn nearest_bags(from: &[&str], to: &[&str]) -> Vec<f32> {
    let mut texts_with: Vec<Vec<(usize, f32)>> = vec![Vec::new(); BAG];
    for (number, text) in to.iter().enumerate() {
        for (place, value) in bag(text) {
            if let Some(texts) = texts_with.get_mut(place) {
                texts.push((number, value));
            }
        }
    }
    let mut products = vec![0.0f32; to.len()];
    let mut nearest = Vec::with_capacity(from.len());
    for text in from {
        let bag = bag(text);
        let shared = || bag.iter().filter_map(|(place, value)| Some((texts_with.get(*place)?, value)));
        for (texts, value) in shared() {
            for (number, other) in texts {
                if let Some(product) = products.get_mut(*number) {
                    *product += value * other;
                }
            }
        }
        let mut largest = 0.0f32;
        for (texts, _) in shared() {
            for (number, _) in texts {
                if let Some(product) = products.get_mut(*number) {
                    largest = largest.max(std::mem::take(product));
                }
            }
        }
        nearest.push(largest);
    }
    nearest
}

/// What a text has of each place of a bag, at unit length.
fn bag(text: &str) -> BTreeMap<usize, f32> {
    let mut bag: BTreeMap<usize, f32> = BTreeMap::new();
    for term in terms(text) {
        *bag.entry((fnv(&term) % BAG as u64) as usize).or_default() += 1.0;
    }
    let length = bag.values().map(|value| value * value).sum::<f32>().sqrt();
    bag.values_mut().for_each(|value| *value /= length);
    bag
}

/// FNV-1a, 64 bits: the score is stored with summaries, so the hash must be the same in each version.
fn fnv(term: &str) -> u64 {
    term.bytes().fold(0xCBF2_9CE4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01B3))
}

#[cfg(test)]
mod tests {
    use super::*;

    const SOURCE: [&str; 3] = [
        "I moved to Oslo on 3 May 2021. My sister Ann came along.",
        "Wow! How is it there?",
        "We decided to buy the red boat for $1,200. Who pays the harbour fee?",
    ];

    fn score(summary: &str) -> f32 {
        quality(&SOURCE, summary, None).unwrap().score
    }

    #[test]
    fn it_falls_with_each_sentence_that_is_taken_away() {
        let mut summary: Vec<&str> = SOURCE.iter().flat_map(|text| sentences(text)).collect();
        let mut before = score(&summary.join(" "));
        assert!(before > 0.99);
        while summary.pop().is_some() {
            let after = score(&summary.join(" "));
            // A question of stop words says nothing.
            assert!(after < before || (after - before).abs() < 1e-6 && summary.len() == 3, "{after} of {summary:?}");
            before = after;
        }
        assert_eq!(before, 0.0);
    }

    #[test]
    fn bags_that_share_a_term_are_compared_as_all_would_be() {
        let words = ["boat", "mast", "sail", "rope", "Oslo", "tree", "wind", "12", "rain", "harbour", "the"];
        let text =
            |i: usize| (0..1 + i % 6).map(|j| words[(i * 5 + j * (i + 2)) % words.len()]).collect::<Vec<_>>().join(" ");
        let (from, to): (Vec<String>, Vec<String>) = ((0..40).map(text).collect(), (25..60).map(text).collect());
        let (from, to): (Vec<&str>, Vec<&str>) =
            (from.iter().map(String::as_str).collect(), to.iter().map(String::as_str).collect());
        let cosine = |a: &BTreeMap<usize, f32>, b: &BTreeMap<usize, f32>| -> f32 {
            a.iter().filter_map(|(place, value)| Some(value * b.get(place)?)).sum()
        };
        for (text, nearest) in from.iter().zip(nearest_bags(&from, &to)) {
            let expected = to.iter().map(|other| cosine(&bag(text), &bag(other))).fold(0.0f32, f32::max);
            assert!((nearest - expected).abs() < 1e-6, "{text}: {nearest} and {expected}");
        }
    }

    #[test]
    fn facts_weigh_more_than_small_talk() {
        assert!(score("I moved to Oslo on 3 May 2021.") > 3.0 * score("Wow! How is it there?"));
        let quality = quality(&SOURCE, "oslo and ann paid $1200", None).unwrap();
        assert!(quality.details > 0.4 && quality.meaning < 0.7);
        assert_eq!(super::quality(&[], "x", None).unwrap().score, 1.0);
    }
}
