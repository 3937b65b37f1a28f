//! Search by terms: BM25 over postings in memory.

use std::cmp::Ordering;
use std::collections::{BinaryHeap, HashMap, hash_map};
use std::hash::{BuildHasherDefault, Hasher};
use std::sync::{Mutex, PoisonError};

/// More terms than a question has. A pasted page would make the search slow and its ranking no better.
const MAX_TERMS: usize = 64;

/// How soon a repeated term stops to count (Robertson & Zaragoza, "The Probabilistic Relevance Framework", 2009).
const K1: f32 = 1.2;
/// How much a long document is held against it (the same).
const B: f32 = 0.75;
/// Documents of more terms count as of so many.
const MAX_LENGTH: usize = 1023;

/// Lists shorter than this are read whole whatever they can still change.
const LONG_LIST: usize = 2048;

/// Which documents have a term, for terms that are hashes of 32 bits.
///
/// Documents go by numbers, which are given in the order in which they come. It is a cache: its owner keeps the terms of
/// each document, and makes the index anew when many documents are gone.
///
/// Memory: 5 bytes for each different term of a document, and about 40 bytes a term.
#[derive(Debug, Default)]
pub struct TermIndex {
    /// The list of each term.
    lists: HashMap<u32, List, BuildHasherDefault<TermHasher>>,
    /// The postings of documents that were there when the index was made, list after list.
    documents: Vec<u32>,
    counts: Vec<u8>,
    lengths: Vec<Length>,
    live: usize,
    total_length: u64,
    /// Sums of scores, all 0, that a search borrows.
    sums: SumsPool,
}

/// The postings of a term.
#[derive(Debug, Default)]
struct List {
    /// Where they begin in [`TermIndex::documents`], and how many are there.
    start: u32,
    len: u32,
    /// How many documents that have the term are live.
    live: u32,
    /// The postings of documents that came later.
    later: Vec<(u32, u8)>,
}

/// How many terms a document has; the highest bit says that it is gone.
#[derive(Debug, Clone, Copy)]
struct Length(u16);

impl Length {
    const GONE: u16 = 1 << 15;

    fn is_live(self) -> bool {
        self.0 & Self::GONE == 0
    }

    fn terms(self) -> usize {
        usize::from(self.0 & !Self::GONE)
    }
}

/// A document that has terms of the question.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct TermHit {
    /// Its number.
    pub document: u32,
    /// BM25, above 0; comparable within one index and question only.
    pub score: f32,
}

impl TermIndex {
    /// An index over documents, each by its terms, repeats kept; they are numbered from 0. The iterator is run twice.
    ///
    /// At most 2^32 - 1 terms in all: what comes after is left out.
    #[must_use]
    pub fn new<'a>(documents: impl Iterator<Item = &'a [u32]> + Clone) -> Self {
        let mut index = Self::default();
        let mut distinct = Vec::new();
        for terms in documents.clone() {
            for (term, _) in count(terms, &mut distinct) {
                index.lists.entry(*term).or_default().live += 1;
            }
        }
        let mut start = 0u32;
        for list in index.lists.values_mut() {
            list.start = start;
            start = start.saturating_add(list.live);
        }
        index.documents = vec![0; start as usize];
        index.counts = vec![0; start as usize];
        for (number, terms) in (0..).zip(documents) {
            for (term, count) in count(terms, &mut distinct) {
                let Some(list) = index.lists.get_mut(term) else { continue };
                let at = list.start.saturating_add(list.len) as usize;
                if let (Some(document), Some(place)) = (index.documents.get_mut(at), index.counts.get_mut(at)) {
                    (*document, *place) = (number, *count);
                    list.len += 1;
                }
            }
            index.note(terms.len());
        }
        index
    }

    /// Adds a document; returns its number.
    pub fn push(&mut self, terms: &[u32]) -> u32 {
        let number = self.lengths.len() as u32;
        for (term, count) in count(terms, &mut Vec::new()) {
            let list = self.lists.entry(*term).or_default();
            list.later.push((number, *count));
            list.live += 1;
        }
        self.note(terms.len());
        number
    }

    /// Takes a document out, whose terms these are. It is not found any more; its postings stay.
    pub fn remove(&mut self, document: u32, terms: &[u32]) {
        let Some(length) = self.lengths.get_mut(document as usize).filter(|length| length.is_live()) else { return };
        length.0 |= Length::GONE;
        self.live -= 1;
        self.total_length = self.total_length.saturating_sub(terms.len() as u64);
        for (term, _) in count(terms, &mut Vec::new()) {
            if let hash_map::Entry::Occupied(mut list) = self.lists.entry(*term) {
                list.get_mut().live = list.get().live.saturating_sub(1);
            }
        }
    }

    /// How many documents there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.live
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.live == 0
    }

    /// How many documents have a term.
    #[must_use]
    pub fn frequency(&self, term: u32) -> u64 {
        self.lists.get(&term).map_or(0, |list| u64::from(list.live))
    }

    /// The documents that match best and are allowed, best first; of equal ones the one with the higher number. One
    /// matching term is enough to be found, and a term counts once however often it is asked for. At most 64 terms are
    /// looked at.
    ///
    /// Cost: 0.24 ms for a question to 100,000 turns of a chat, on a busy machine. It grows with how many documents have each
    /// term; a common word is only looked up for
    /// documents that can still be among the best.
    #[must_use]
    pub fn search(&self, terms: &[u32], limit: usize, allowed: impl Fn(u32) -> bool) -> Vec<TermHit> {
        if limit == 0 {
            return Vec::new();
        }
        let mut asked: Vec<(f32, &List)> = Vec::new();
        let mut seen: Vec<u32> = Vec::new();
        for term in terms {
            if seen.len() == MAX_TERMS || seen.contains(term) {
                continue;
            }
            seen.push(*term);
            if let Some(list) = self.lists.get(term).filter(|list| list.live > 0) {
                asked.push((idf(self.live as f32, list.live as f32) * (K1 + 1.0), list));
            }
        }
        asked.sort_by(|a, b| b.0.total_cmp(&a.0));
        let mut most: f32 = asked.iter().map(|(weight, _)| weight).sum();
        let norms = self.norms();
        let allowed = |document: u32| self.is_live(document) && allowed(document);
        let mut found = Found { sums: self.sums.take(self.lengths.len()), touched: Vec::new() };
        for (weight, list) in asked {
            // A document that has none of the terms so far can come to this at most.
            let may_enter = list.len() < LONG_LIST
                || found.touched.len() < limit
                || found.least_of_best(limit, allowed).is_none_or(|least| least <= most);
            let gain = |document: u32, count: u8| {
                let norm = self.lengths.get(document as usize).and_then(|length| norms.get(length.terms()));
                let count = f32::from(count);
                weight * count / (count + norm.copied().unwrap_or(K1))
            };
            if may_enter {
                self.postings(list).for_each(|(document, count)| found.add(document, gain(document, count)));
            } else if found.touched.len() * 16 < list.len() {
                let Found { sums, touched } = &mut found;
                for &document in &*touched {
                    if let (Some(count), Some(sum)) = (self.count_in(list, document), sums.get_mut(document as usize)) {
                        *sum += gain(document, count);
                    }
                }
            } else {
                self.postings(list).for_each(|(document, count)| found.add_if_touched(document, gain(document, count)));
            }
            most -= weight;
        }
        let hits = found.best(limit, allowed);
        self.sums.give_back(found.sums);
        hits
    }

    /// Bytes held, in part estimated.
    #[must_use]
    pub fn memory_bytes(&self) -> usize {
        let later: usize = self.lists.values().map(|list| list.later.capacity() * size_of::<(u32, u8)>()).sum();
        self.lists.capacity() * (size_of::<(u32, List)>() + 1)
            + self.documents.capacity() * 4
            + self.counts.capacity()
            + self.lengths.capacity() * 2
            + later
    }

    fn note(&mut self, terms: usize) {
        self.lengths.push(Length(terms.min(MAX_LENGTH) as u16));
        self.live += 1;
        self.total_length += terms as u64;
    }

    fn is_live(&self, document: u32) -> bool {
        self.lengths.get(document as usize).is_some_and(|length| length.is_live())
    }

    /// What BM25 divides by beside the count, for each length.
    fn norms(&self) -> Vec<f32> {
        let average = (self.total_length as f32 / self.live.max(1) as f32).max(1.0);
        (0..=MAX_LENGTH).map(|length| K1 * (1.0 - B + B * length as f32 / average)).collect()
    }

    fn postings<'a>(&'a self, list: &'a List) -> impl Iterator<Item = (u32, u8)> + 'a {
        let (documents, counts) = self.first_postings(list);
        documents.iter().copied().zip(counts.iter().copied()).chain(list.later.iter().copied())
    }

    fn first_postings(&self, list: &List) -> (&[u32], &[u8]) {
        let range = list.start as usize..list.start as usize + list.len as usize;
        (self.documents.get(range.clone()).unwrap_or_default(), self.counts.get(range).unwrap_or_default())
    }

    /// How often a document has the term of a list.
    fn count_in(&self, list: &List, document: u32) -> Option<u8> {
        let (documents, counts) = self.first_postings(list);
        match documents.binary_search(&document) {
            Ok(at) => counts.get(at).copied(),
            Err(_) => {
                let at = list.later.binary_search_by_key(&document, |posting| posting.0).ok()?;
                Some(list.later.get(at)?.1)
            }
        }
    }
}

impl List {
    fn len(&self) -> usize {
        self.len as usize + self.later.len()
    }
}

/// What a search has come to.
struct Found {
    /// The score of each document, 0 for those that were not met.
    sums: Vec<f32>,
    /// Those that were.
    touched: Vec<u32>,
}

impl Found {
    #[inline]
    fn add(&mut self, document: u32, gain: f32) {
        if let Some(sum) = self.sums.get_mut(document as usize) {
            if *sum == 0.0 {
                self.touched.push(document);
            }
            *sum += gain;
        }
    }

    #[inline]
    fn add_if_touched(&mut self, document: u32, gain: f32) {
        if let Some(sum) = self.sums.get_mut(document as usize)
            && *sum != 0.0
        {
            *sum += gain;
        }
    }

    /// The score of the last of the best `limit` documents so far.
    fn least_of_best(&self, limit: usize, allowed: impl Fn(u32) -> bool) -> Option<f32> {
        let mut best = Best::new(limit);
        for &document in &self.touched {
            let score = self.sums.get(document as usize).copied().unwrap_or(0.0);
            best.offer(TermHit { document, score }, &allowed);
        }
        best.least()
    }

    /// The best documents, and all sums 0 again.
    fn best(&mut self, limit: usize, allowed: impl Fn(u32) -> bool) -> Vec<TermHit> {
        let mut best = Best::new(limit);
        for &document in &self.touched {
            let score = self.sums.get_mut(document as usize).map_or(0.0, std::mem::take);
            best.offer(TermHit { document, score }, &allowed);
        }
        best.hits()
    }
}

/// The best of the documents that were offered so far.
struct Best {
    limit: usize,
    /// The worst on top.
    heap: BinaryHeap<Entry>,
}

/// A hit; the better it is, the smaller.
struct Entry(TermHit);

impl Best {
    fn new(limit: usize) -> Self {
        Self { limit, heap: BinaryHeap::new() }
    }

    /// Takes a hit that is among the best so far. Of no other it is asked whether it is allowed.
    #[inline]
    fn offer(&mut self, hit: TermHit, allowed: impl Fn(u32) -> bool) {
        let is_full = self.heap.len() >= self.limit;
        if is_full && self.heap.peek().is_none_or(|worst| Entry(hit) >= *worst) || !allowed(hit.document) {
            return;
        }
        if !is_full {
            self.heap.push(Entry(hit));
        } else if let Some(mut worst) = self.heap.peek_mut() {
            *worst = Entry(hit);
        }
    }

    /// The score of the worst, where there are as many as are wanted.
    fn least(&self) -> Option<f32> {
        self.heap.peek().filter(|_| self.heap.len() >= self.limit).map(|worst| worst.0.score)
    }

    /// The best first.
    fn hits(self) -> Vec<TermHit> {
        self.heap.into_sorted_vec().into_iter().map(|entry| entry.0).collect()
    }
}

impl Ord for Entry {
    fn cmp(&self, other: &Self) -> Ordering {
        other.0.score.total_cmp(&self.0.score).then(other.0.document.cmp(&self.0.document))
    }
}

impl PartialOrd for Entry {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Entry {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Entry {}

/// Sums of scores for as many searches as run at once.
#[derive(Debug, Default)]
struct SumsPool(Mutex<Vec<Vec<f32>>>);

impl SumsPool {
    fn take(&self, len: usize) -> Vec<f32> {
        let mut sums = self.0.lock().unwrap_or_else(PoisonError::into_inner).pop().unwrap_or_default();
        sums.resize(len, 0.0);
        sums
    }

    fn give_back(&self, sums: Vec<f32>) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(sums);
    }
}

/// The different terms of a document, each with how often it has it.
fn count<'a>(terms: &[u32], distinct: &'a mut Vec<(u32, u8)>) -> &'a [(u32, u8)] {
    distinct.clear();
    let mut sorted: Vec<u32> = terms.to_vec();
    sorted.sort_unstable();
    for term in sorted {
        match distinct.last_mut() {
            Some((last, count)) if *last == term => *count = count.saturating_add(1),
            _ => distinct.push((term, 1)),
        }
    }
    distinct
}

/// How much a term says that `having` of `all` documents have: never below 0, so that no match counts against anybody.
fn idf(all: f32, having: f32) -> f32 {
    (1.0 + (all - having + 0.5).max(0.0) / (having + 0.5)).ln()
}

/// Terms are hashes already; a product spreads their bits.
#[derive(Debug, Default)]
struct TermHasher(u64);

impl Hasher for TermHasher {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        bytes.iter().for_each(|byte| self.write_u32(u32::from(*byte)));
    }

    fn write_u32(&mut self, term: u32) {
        self.0 = (self.0 ^ u64::from(term)).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The definition.
    fn reference(documents: &[Option<Vec<u32>>], asked: &[u32], limit: usize) -> Vec<(u32, f64)> {
        let live: Vec<&Vec<u32>> = documents.iter().flatten().collect();
        let average = (live.iter().map(|terms| terms.len()).sum::<usize>() as f64 / live.len().max(1) as f64).max(1.0);
        let mut asked = asked.to_vec();
        asked.sort_unstable();
        asked.dedup();
        let having = |term: &u32| live.iter().filter(|terms| terms.contains(term)).count() as f64;
        let asked: Vec<(u32, f64)> = asked.into_iter().map(|term| (term, having(&term))).collect();
        let mut hits: Vec<(u32, f64)> = Vec::new();
        for (number, terms) in (0..).zip(documents) {
            let Some(terms) = terms else { continue };
            let mut score = 0.0;
            for (term, having) in &asked {
                let count = terms.iter().filter(|known| *known == term).count() as f64;
                let norm = 1.2 * (0.25 + 0.75 * terms.len() as f64 / average);
                score +=
                    (1.0 + (live.len() as f64 - having + 0.5) / (having + 0.5)).ln() * count * 2.2 / (count + norm);
            }
            if score > 0.0 {
                hits.push((number, score));
            }
        }
        hits.sort_by(|a, b| b.1.total_cmp(&a.1).then(b.0.cmp(&a.0)));
        hits.truncate(limit);
        hits
    }

    #[track_caller]
    fn check(index: &TermIndex, documents: &[Option<Vec<u32>>], asked: &[u32], limit: usize) {
        let hits = index.search(asked, limit, |_| true);
        let expected = reference(documents, asked, limit);
        assert_eq!(hits.len(), expected.len(), "{asked:?}");
        for (hit, (_, score)) in hits.iter().zip(&expected) {
            assert!((f64::from(hit.score) - score).abs() < 1e-4 * score, "{hits:?} {expected:?}");
        }
        // Scores that differ by rounding only may change places.
        let sure = |hits: &mut Vec<u32>| hits.sort_unstable();
        let least = expected.last().map_or(0.0, |(_, score)| *score) * 1.0001;
        let mut found: Vec<u32> =
            hits.iter().filter(|hit| f64::from(hit.score) > least).map(|hit| hit.document).collect();
        let mut right: Vec<u32> =
            expected.iter().filter(|(_, score)| *score > least).map(|(number, _)| *number).collect();
        sure(&mut found);
        sure(&mut right);
        assert_eq!(found, right);
    }

    fn documents(most: usize) -> impl Strategy<Value = Vec<Vec<u32>>> {
        prop::collection::vec(prop::collection::vec(0u32..12, 0..8), 0..most)
    }

    proptest! {
        #[test]
        fn hits_are_those_of_the_definition(
            first in documents(30),
            later in documents(20),
            gone in prop::collection::vec(any::<prop::sample::Index>(), 0..10),
            asked in prop::collection::vec(0u32..14, 0..6),
            limit in 0usize..20,
        ) {
            let mut index = TermIndex::new(first.iter().map(Vec::as_slice));
            let mut documents: Vec<Option<Vec<u32>>> = first.into_iter().map(Some).collect();
            for terms in later {
                prop_assert_eq!(index.push(&terms) as usize, documents.len());
                documents.push(Some(terms));
            }
            let gone: Vec<usize> = match documents.len() {
                0 => Vec::new(),
                len => gone.iter().map(|gone| gone.index(len)).collect(),
            };
            for number in gone {
                if let Some(terms) = documents[number].take() {
                    index.remove(number as u32, &terms);
                }
            }
            prop_assert_eq!(index.len(), documents.iter().flatten().count());
            for term in 0..14 {
                let having = documents.iter().flatten().filter(|terms| terms.contains(&term)).count();
                prop_assert_eq!(index.frequency(term), having as u64);
            }
            check(&index, &documents, &asked, limit);
            // The sums that were borrowed are all 0 again.
            check(&index, &documents, &asked, limit);
        }
    }

    /// Of common words only what can still change anything is read, and the answer is the same.
    #[test]
    fn long_lists_are_skipped_without_a_difference() {
        let mut state = 7u64;
        let mut random = move |below: u64| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 33) % below
        };
        let documents: Vec<Option<Vec<u32>>> = (0..12_000)
            .map(|_| {
                let term = |_| {
                    let below = 1 << random(10);
                    random(below) as u32
                };
                Some((0..6).map(term).collect())
            })
            .collect();
        let (first, later) = documents.split_at(9_000);
        let mut index = TermIndex::new(first.iter().flatten().map(Vec::as_slice));
        for terms in later.iter().flatten() {
            index.push(terms);
        }
        for asked in [vec![0, 1, 300], vec![0, 500, 501], vec![0, 1, 2, 3], vec![400, 0]] {
            check(&index, &documents, &asked, 10);
        }
    }

    #[test]
    fn what_is_not_allowed_is_not_found() {
        let documents: [&[u32]; 3] = [&[1], &[1, 2], &[2]];
        let index = TermIndex::new(documents.into_iter());
        let found = |terms: &[u32], not: u32| -> Vec<u32> {
            index.search(terms, 9, |document| document != not).into_iter().map(|hit| hit.document).collect()
        };
        assert_eq!(found(&[1, 2], 9), [1, 2, 0]);
        assert_eq!(found(&[1, 2], 1), [2, 0]);
        assert_eq!(found(&[3], 9), []);
    }
}
