//! Candidates: the passages that may answer, and what stands around them.

use std::collections::BTreeMap;

use mnemon_core::{Timestamp, Trust};
use mnemon_index::Search;
use mnemon_recall::{Member, Pool, Question, Statistics, Term};
use mnemon_store::{RowId, ScopeRow, Snapshot, TextQuery};

use super::query::Period;
use crate::LongTermError;
use crate::resident::{Passage, Shelf};

/// How many candidates each way of searching brings. Their neighbours come in addition: about 300 in all in a conversation
/// of 600 turns, which hold 98.7 % of the evidence of LoCoMo 0-4; up to 500 in one of 100,000.
const EACH_WAY: usize = 150;
/// Of so many of the best of each way the neighbours are candidates too: a question is often near to what was asked, and
/// its answer stands beside that.
const WITH_NEIGHBOURS: usize = 30;
/// Neighbours up to so many places away become candidates.
const NEAR: i64 = 2;
/// Neighbours up to so many places away are read with a candidate. The stages look no further.
const WINDOW: i64 = 3;
/// So many words of a question that no passage is known by are looked for in whole texts, for so many hits each.
const UNKNOWN_WORDS: usize = 4;
const UNKNOWN_HITS: usize = 20;
/// Where not every memory is allowed, so many are looked at for those hits.
const UNKNOWN_LOOKED_AT: usize = 1_000;

/// Where a question is asked. Passages go by their numbers on the shelf.
pub(super) struct Place<'a> {
    pub(super) snapshot: &'a Snapshot<'a>,
    pub(super) scope: ScopeRow,
    pub(super) shelf: &'a Shelf,
    pub(super) allowed: Allowed<'a>,
}

/// Which passages may be an answer at all.
pub(super) struct Allowed<'a> {
    pub(super) period: Period,
    /// What holds then.
    pub(super) now: Option<Timestamp>,
    pub(super) least_trust: Option<Trust>,
    /// Whether summaries that the engine made are wanted.
    pub(super) summaries: bool,
    /// Memories that are not wanted.
    pub(super) excluded: &'a [RowId],
    /// The only memories that are wanted, ascending, unless all are.
    pub(super) matching: Option<Vec<RowId>>,
}

impl Allowed<'_> {
    fn all(&self) -> bool {
        let times = self.period == Period::default() && self.now.is_none();
        self.summaries && self.excluded.is_empty() && times && self.least_trust.is_none() && self.matching.is_none()
    }

    fn has(&self, passage: &Passage) -> bool {
        let holds = || passage.until.is_none_or(|until| self.now.is_none_or(|now| now < until));
        let is_believed = || self.least_trust.is_none_or(|least| passage.trust >= least);
        let matches = || self.matching.as_ref().is_none_or(|rows| rows.binary_search(&passage.memory).is_ok());
        let is_wanted = !self.excluded.contains(&passage.memory)
            && self.period.has(passage.time)
            && (self.summaries || !passage.is_made);
        is_wanted && holds() && is_believed() && matches()
    }
}

/// What was found for a question.
#[derive(Debug, Default)]
pub(super) struct Found {
    /// The candidates and their neighbours, ascending.
    taken: Vec<Taken>,
    pub(super) statistics: Statistics,
    /// Words of the question that stand in a text beyond its head, by passage: its words after all.
    more_terms: BTreeMap<u32, Vec<Term>>,
}

/// A passage of the pool.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Taken {
    number: u32,
    candidate: bool,
    /// Whether the stages compare its vector.
    vector: bool,
}

impl Place<'_> {
    /// The passages whose vectors are nearest, the nearest first.
    pub(super) fn nearest(&self, vector: &[f32]) -> Result<Vec<u32>, LongTermError> {
        let Some((_, index)) = self.shelf.vectors() else { return Ok(Vec::new()) };
        // Not all of the place: a connection belongs to one thread.
        let (shelf, allowed) = (self.shelf, &self.allowed);
        let filter = |id| {
            let passage = shelf.number(id).and_then(|number| shelf.passage(number));
            passage.is_some_and(|passage| allowed.has(passage))
        };
        let mut search = Search::new(vector, EACH_WAY);
        if !allowed.all() {
            search.allowed = Some(&filter);
        }
        Ok(index.search(&search)?.into_iter().filter_map(|candidate| shelf.number(candidate.id)).collect())
    }

    /// The passages whose words match best, added to the nearest ones, and all of them with their neighbours.
    pub(super) fn gather(
        &self,
        question: &Question,
        nearest: &[u32],
        after: &mut dyn FnMut(&'static str),
    ) -> Result<Found, LongTermError> {
        let terms = self.shelf.terms();
        let mut statistics = Statistics {
            passages: self.shelf.len() as u64,
            frequencies: question.terms().iter().map(|term| terms.frequency(*term)).collect(),
        };
        let matching: Vec<u32> = terms
            .search(question.terms(), EACH_WAY, |number| self.may_answer(number))
            .iter()
            .map(|hit| hit.document)
            .collect();
        let more_terms = self.elsewhere(question, &mut statistics)?;
        after("words");
        let taken = self.take(nearest, &matching, &more_terms);
        Ok(Found { taken, statistics, more_terms })
    }

    fn may_answer(&self, number: u32) -> bool {
        self.allowed.all() || self.shelf.passage(number).is_some_and(|passage| self.allowed.has(passage))
    }

    /// Passages that have a word of the question beyond their head, with that word: where it stands in no head, it would
    /// not be found otherwise.
    fn elsewhere(
        &self,
        question: &Question,
        statistics: &mut Statistics,
    ) -> Result<BTreeMap<u32, Vec<Term>>, LongTermError> {
        let mut found: BTreeMap<u32, Vec<Term>> = BTreeMap::new();
        let words = question.terms().iter().zip(question.words()).zip(&mut statistics.frequencies);
        let unknown = words.filter(|(_, frequency)| **frequency == 0);
        for ((term, text), frequency) in unknown.take(UNKNOWN_WORDS) {
            let limit = if self.allowed.all() { UNKNOWN_HITS } else { UNKNOWN_LOOKED_AT };
            let mut hits = 0;
            for hit in self.snapshot.text_search(&TextQuery { text, scope: self.scope, limit })? {
                if hits == UNKNOWN_HITS {
                    break;
                }
                // Every stretch of a text that was split is known by all of its words.
                if let [passage] = self.snapshot.passages_of(&[hit.row])?[..]
                    && let Some(number) = self.shelf.number(passage).filter(|number| self.may_answer(*number))
                {
                    found.entry(number).or_default().push(*term);
                    *frequency += 1;
                    hits += 1;
                }
            }
        }
        Ok(found)
    }

    /// The passages that were found and those around them.
    fn take(&self, nearest: &[u32], matching: &[u32], elsewhere: &BTreeMap<u32, Vec<Term>>) -> Vec<Taken> {
        let found = nearest.iter().chain(matching).chain(elsewhere.keys()).copied();
        let mut taken: Vec<Taken> = found.map(|number| Taken { number, candidate: true, vector: true }).collect();
        let neighbour = |number, candidate| Taken { number, candidate, vector: candidate };
        let best = [nearest, matching].into_iter().flat_map(|way| way.iter().take(WITH_NEIGHBOURS));
        for &number in best {
            let near = self.shelf.before(number, NEAR).chain(self.shelf.after(number, NEAR));
            taken.extend(near.map(|number| neighbour(number, self.may_answer(number))));
        }
        only_once(&mut taken);
        let candidates: Vec<u32> = taken.iter().filter(|taken| taken.candidate).map(|taken| taken.number).collect();
        for number in candidates {
            let around = self.shelf.before(number, WINDOW).chain(self.shelf.after(number, WINDOW));
            taken.extend(around.map(|number| neighbour(number, false)));
            taken.extend(self.compared(number).map(|number| Taken { number, candidate: false, vector: true }));
        }
        only_once(&mut taken);
        taken
    }

    /// The neighbours of a candidate whose vectors the stages compare.
    fn compared(&self, number: u32) -> impl Iterator<Item = u32> {
        self.shelf.before(number, 2).chain(self.shelf.after(number, 1))
    }

    /// The vectors of the pieces of these passages. What is read stays on the shelf while there is room.
    pub(super) fn pieces<'p>(
        &self,
        passages: &'p [&'p Passage],
        wanted: &[usize],
    ) -> Result<Pieces<'p>, LongTermError> {
        let mut pieces = Pieces { passages, beyond: BTreeMap::new() };
        let Some((model, _)) = self.shelf.vectors() else { return Ok(pieces) };
        let mut tokens = Vec::new();
        for &member in wanted {
            let Some(passage) = passages.get(member).filter(|passage| passage.tokens().is_none()) else { continue };
            if self.snapshot.read_token_vectors(*model, passage.id, &mut tokens)?
                && let Err(tokens) = self.shelf.keep_tokens(passage, std::mem::take(&mut tokens))
            {
                pieces.beyond.insert(member, tokens);
            }
        }
        Ok(pieces)
    }
}

/// The vectors of the pieces of members of a pool.
pub(super) struct Pieces<'a> {
    passages: &'a [&'a Passage],
    /// Those that the shelf has no room for.
    beyond: BTreeMap<usize, Vec<u8>>,
}

impl Pieces<'_> {
    pub(super) fn of(&self, member: usize) -> Option<&[u8]> {
        let kept = self.passages.get(member).and_then(|passage| passage.tokens());
        kept.or_else(|| self.beyond.get(&member).map(Vec::as_slice))
    }
}

impl Found {
    /// Words that stand in a text beyond its head make longer lists of terms, one for each passage that has such.
    pub(super) fn longer_terms(&self, shelf: &Shelf) -> BTreeMap<u32, Vec<Term>> {
        let longer = |(number, more): (&u32, &Vec<Term>)| {
            let terms = shelf.passage(*number).map(|passage| shelf.terms_of(passage)).unwrap_or_default();
            (*number, terms.iter().chain(more).copied().collect())
        };
        self.more_terms.iter().map(longer).collect()
    }

    /// The passages of the pool, each with its passage on the shelf.
    pub(super) fn pool<'a>(
        &'a self,
        shelf: &'a Shelf,
        longer_terms: &'a BTreeMap<u32, Vec<Term>>,
    ) -> (Pool<'a>, Vec<&'a Passage>) {
        let passages = self.taken.iter().filter_map(|taken| Some((taken, shelf.passage(taken.number)?)));
        let member = |(taken, passage): (&'a Taken, &'a Passage)| {
            let member = shelf.member(passage, taken.vector);
            let terms = longer_terms.get(&taken.number).map_or(member.terms, Vec::as_slice);
            Member { terms, candidate: taken.candidate, ..member }
        };
        let members = passages.clone().map(member).collect();
        (Pool::new(members), passages.map(|(_, passage)| passage).collect())
    }
}

/// Each passage once, ascending, and as what it was taken for at most.
fn only_once(taken: &mut Vec<Taken>) {
    taken.sort_unstable_by_key(|taken| taken.number);
    taken.dedup_by(|next, kept| {
        let same = next.number == kept.number;
        if same {
            kept.candidate |= next.candidate;
            kept.vector |= next.vector;
        }
        same
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_taken_twice_is_kept_once_with_all_that_it_was_taken_for() {
        let taken = |number, candidate, vector| Taken { number, candidate, vector };
        let mut all = vec![taken(3, false, false), taken(1, false, true), taken(3, true, true), taken(1, false, false)];
        only_once(&mut all);
        assert_eq!(all, [taken(1, false, true), taken(3, true, true)]);
    }
}
