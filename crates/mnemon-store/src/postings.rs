//! Search by terms: BM25 over the passages of one scope.
//!
//! FTS5 keeps the postings, and they are scored here. Its own `bm25()` looks up the length of every passage that it
//! meets, and counts the passages of every scope: it takes four times as long, and what others wrote would change the
//! order of what is found here.

use std::collections::HashSet;
use std::fmt::Write;

use crate::{PassageId, ScopeRow, Snapshot, StoreError};

/// More terms than a question has. A pasted page would make the search slow and its ranking no better.
const MAX_TERMS: usize = 64;

/// How soon a repeated term stops to count (Robertson & Zaragoza, "The Probabilistic Relevance Framework", 2009).
const K1: f64 = 1.2;
/// How much a long passage is held against it (the same).
const B: f64 = 0.75;

/// The bits of a row of the index that hold the length of its passage: see the schema.
const LENGTH_BITS: u32 = 10;
const MAX_LENGTH: i64 = (1 << LENGTH_BITS) - 1;

/// A passage that has terms of the question.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct TermHit {
    /// The passage.
    pub passage: PassageId,
    /// BM25 with the counts of its scope, above 0; comparable within one scope and question only.
    pub score: f64,
}

impl Snapshot<'_> {
    /// How many passages a scope has. One row is read.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn passage_count(&self, scope: ScopeRow) -> Result<u64, StoreError> {
        Ok(self.lengths(scope)?.0)
    }

    /// How many passages of a scope have a term. Reads the postings of the term.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn term_frequency(&self, scope: ScopeRow, term: u32) -> Result<u64, StoreError> {
        let mut statement = self.conn.prepare_cached("SELECT doc FROM passage_term WHERE term = ?1")?;
        let mut rows = statement.query([token(scope.0, term)])?;
        Ok(rows.next()?.map(|row| row.get(0)).transpose()?.unwrap_or(0))
    }

    /// The passages of a scope that match best, best first; of equal ones the newer first. One matching term is enough
    /// to be found, and a term counts once however often it is asked for. At most 64 terms are looked at.
    ///
    /// Cost: about 0.15 µs for each passage that has a term, once for each term.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn term_search(&self, scope: ScopeRow, terms: &[u32], limit: usize) -> Result<Vec<TermHit>, StoreError> {
        let (passages, total) = self.lengths(scope)?;
        let average = (total as f64 / passages.max(1) as f64).max(1.0);
        let mut seen = HashSet::new();
        let mut hits: Vec<TermHit> = Vec::new();
        let mut postings = Vec::new();
        for &term in terms.iter().filter(|term| seen.insert(**term)).take(MAX_TERMS) {
            self.read_postings(scope, term, &mut postings)?;
            let weight = idf(passages as f64, postings.len() as f64);
            hits.extend(postings.iter().map(|posting| {
                let norm = K1 * (1.0 - B + B * f64::from(posting.length) / average);
                let count = f64::from(posting.count);
                TermHit { passage: posting.passage, score: weight * count * (K1 + 1.0) / (count + norm) }
            }));
        }
        Ok(best(hits, limit))
    }

    /// The passages that have a term, in the order of their ids.
    fn read_postings(&self, scope: ScopeRow, term: u32, postings: &mut Vec<Posting>) -> Result<(), StoreError> {
        postings.clear();
        let mut statement = self.conn.prepare_cached("SELECT doc FROM passage_posting WHERE term = ?1")?;
        let mut rows = statement.query([token(scope.0, term)])?;
        while let Some(row) = rows.next()? {
            let row: i64 = row.get(0)?;
            let (passage, length) = (row >> LENGTH_BITS, (row & MAX_LENGTH) as u32);
            match postings.last_mut() {
                Some(last) if last.passage == passage => last.count += 1,
                _ => postings.push(Posting { passage, length, count: 1 }),
            }
        }
        Ok(())
    }

    /// The passages of a scope, and the terms of all of them.
    fn lengths(&self, scope: ScopeRow) -> Result<(u64, u64), StoreError> {
        let mut statement = self.conn.prepare_cached("SELECT passages, passage_terms FROM scope WHERE id = ?1")?;
        let mut rows = statement.query([scope.0])?;
        match rows.next()? {
            Some(row) => Ok((row.get(0)?, row.get(1)?)),
            None => Ok((0, 0)),
        }
    }
}

/// A passage that has a term.
struct Posting {
    passage: PassageId,
    /// How many terms the passage has.
    length: u32,
    /// How often this one.
    count: u32,
}

/// The row of a passage in the index of terms.
pub(crate) fn index_row(passage: PassageId, terms: usize) -> i64 {
    (passage << LENGTH_BITS) | i64::try_from(terms).unwrap_or(MAX_LENGTH).min(MAX_LENGTH)
}

/// What the index of terms holds for a passage.
pub(crate) fn index_text(scope: i64, terms: &[u32]) -> String {
    let mut text = String::with_capacity(terms.len() * 16);
    for &term in terms {
        write_token(&mut text, scope, term);
        text.push(' ');
    }
    text
}

fn token(scope: i64, term: u32) -> String {
    let mut text = String::with_capacity(24);
    write_token(&mut text, scope, term);
    text
}

fn write_token(text: &mut String, scope: i64, term: u32) {
    // Writing to a string cannot fail.
    let _ = write!(text, "{scope:x}z{term:08x}");
}

/// How much a term says that `having` of `all` passages have: never below 0, so that no match counts against anybody.
fn idf(all: f64, having: f64) -> f64 {
    (1.0 + (all - having + 0.5).max(0.0) / (having + 0.5)).ln()
}

/// Adds up the scores of each passage, and keeps the best.
fn best(mut hits: Vec<TermHit>, limit: usize) -> Vec<TermHit> {
    // One ordered run a term, which a stable sort merges.
    hits.sort_by_key(|hit| hit.passage);
    hits.dedup_by(|next, sum| {
        let same = next.passage == sum.passage;
        if same {
            sum.score += next.score;
        }
        same
    });
    let order = |a: &TermHit, b: &TermHit| b.score.total_cmp(&a.score).then(b.passage.cmp(&a.passage));
    if limit > 0 && limit < hits.len() {
        hits.select_nth_unstable_by(limit - 1, order);
    }
    hits.truncate(limit);
    hits.sort_unstable_by(order);
    hits
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_are_words_that_no_other_scope_has() {
        assert_eq!(index_text(12, &[0x1a2b_3c4d, 0x2b]), "cz1a2b3c4d cz0000002b ");
        assert_ne!(token(0x1, 0x2), token(0x12, 0x2));
    }

    #[test]
    fn the_length_stands_beside_the_id_and_ends_at_its_bits() {
        let check = |passage: PassageId, terms: usize, length: i64| {
            let row = index_row(passage, terms);
            assert_eq!((row >> LENGTH_BITS, row & MAX_LENGTH), (passage, length));
        };
        check(1, 0, 0);
        check(7, 60, 60);
        check(1 << 40, 1023, 1023);
        check(7, 1_000_000, 1023);
    }

    #[test]
    fn the_best_are_those_with_the_highest_sums_and_the_newer_of_equal_ones() {
        let hit = |passage, score| TermHit { passage, score };
        let hits = vec![hit(1, 1.0), hit(2, 3.0), hit(4, 0.5), hit(1, 1.5), hit(3, 2.5)];
        let all = [hit(2, 3.0), hit(3, 2.5), hit(1, 2.5), hit(4, 0.5)];
        for limit in 0..6 {
            assert_eq!(best(hits.clone(), limit), all[..limit.min(4)]);
        }
    }
}
