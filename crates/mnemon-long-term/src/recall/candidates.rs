//! Candidates: the passages that may answer, and what stands around them.

use std::collections::{BTreeMap, HashSet};

use mnemon_index::{Search, VectorIndex};
use mnemon_recall::{Cues, Level, Member, Pool, Question, Said, Statistics, Term, is_name};
use mnemon_store::{ModelRow, PassageId, PassageRow, RowId, ScopeRow, Snapshot, TextQuery};

use super::query::Period;
use crate::LongTermError;

/// How many candidates each way of searching brings. Their neighbours come in addition: about 300 in all, which hold
/// 98.7 % of the evidence of LoCoMo 0-4.
const EACH_WAY: usize = 150;
/// Of so many of the best of each way the neighbours are candidates too: a question is often near to what was asked, and
/// its answer stands beside that.
const WITH_NEIGHBOURS: usize = 40;
/// Neighbours up to so many places away become candidates.
const NEAR: i64 = 2;
/// Neighbours up to so many places away are read with a candidate. The stages look no further.
const WINDOW: i64 = 3;
/// So many words of a question that no passage is known by are looked for in whole texts, for so many hits each.
const UNKNOWN_WORDS: usize = 4;
const UNKNOWN_HITS: usize = 20;

/// Where a question is asked.
pub(super) struct Place<'a> {
    snapshot: &'a Snapshot<'a>,
    scope: ScopeRow,
    level: Level,
    allowed: Allowed,
}

/// Which passages may be an answer at all.
struct Allowed {
    excluded: HashSet<PassageId>,
    /// The passages of the period that is asked about; `None` when it is all time.
    within: Option<HashSet<PassageId>>,
}

impl Allowed {
    fn has(&self, passage: PassageId) -> bool {
        !self.excluded.contains(&passage) && self.within.as_ref().is_none_or(|within| within.contains(&passage))
    }
}

/// What was found for a question.
pub(super) struct Found {
    /// The candidates and their neighbours.
    pub(super) pool: Pool,
    /// The same passages as they are stored, in the order of the pool. Their terms have moved there.
    pub(super) rows: Vec<PassageRow>,
    pub(super) statistics: Statistics,
}

impl<'a> Place<'a> {
    pub(super) fn new(
        snapshot: &'a Snapshot<'a>,
        scope: ScopeRow,
        level: Level,
        period: Period,
        exclude: &[RowId],
    ) -> Result<Self, LongTermError> {
        let within = match (period.from, period.to) {
            (None, None) => None,
            (from, to) => Some(snapshot.passages_between(scope, from, to)?.into_iter().collect()),
        };
        let excluded = snapshot.passages_of(exclude)?.into_iter().collect();
        Ok(Self { snapshot, scope, level, allowed: Allowed { excluded, within } })
    }

    /// The passages whose vectors are nearest, the nearest first.
    pub(super) fn nearest(&self, index: &VectorIndex, vector: &[f32]) -> Result<Vec<PassageId>, LongTermError> {
        // Not all of the place: a connection belongs to one thread.
        let allowed = &self.allowed;
        let allowed = |passage| allowed.has(passage);
        let partitions = [self.scope.partition()];
        let mut search = Search::new(vector, EACH_WAY);
        search.partitions = Some(&partitions);
        search.allowed = Some(&allowed);
        Ok(index.search(&search)?.into_iter().map(|candidate| candidate.id).collect())
    }

    /// The passages whose words match best, added to the nearest ones, and all of them with their neighbours.
    pub(super) fn gather(
        &self,
        question: &Question,
        nearest: Vec<PassageId>,
        model: Option<ModelRow>,
        after: &mut dyn FnMut(&'static str),
    ) -> Result<Found, LongTermError> {
        let mut statistics = self.statistics(question)?;
        let matching = self.matching(question, &statistics)?;
        let elsewhere = self.elsewhere(question, &mut statistics)?;
        after("words");
        let mut rows = self.rows(&nearest, &matching, &elsewhere)?;
        let mut members: Vec<Member> = rows.iter_mut().map(|(row, candidate)| member(row, *candidate)).collect();
        for member in &mut members {
            // A word that stands in a text beyond its head is one of its words after all.
            member.terms.extend(elsewhere.get(&member.id).into_iter().flatten());
        }
        if let Some(model) = model {
            self.read_vectors(model, &mut members)?;
        }
        after("reading");
        Ok(Found { pool: Pool::new(members), rows: rows.into_iter().map(|(row, _)| row).collect(), statistics })
    }

    fn statistics(&self, question: &Question) -> Result<Statistics, LongTermError> {
        let frequency = |term: &Term| self.snapshot.term_frequency(self.scope, *term);
        Ok(Statistics {
            passages: self.snapshot.passage_count(self.scope)?,
            frequencies: question.terms().iter().map(frequency).collect::<Result<_, _>>()?,
        })
    }

    fn matching(&self, question: &Question, statistics: &Statistics) -> Result<Vec<PassageId>, LongTermError> {
        let frequencies = question.terms().iter().zip(&statistics.frequencies);
        let known: Vec<Term> = frequencies.filter(|(_, count)| **count > 0).map(|(term, _)| *term).collect();
        // A period may hold few of the best; all are looked at then.
        let limit = if self.allowed.within.is_some() { usize::MAX } else { EACH_WAY + self.allowed.excluded.len() };
        let hits = self.snapshot.term_search(self.scope, &known, limit)?;
        let allowed = hits.into_iter().map(|hit| hit.passage).filter(|passage| self.allowed.has(*passage));
        Ok(allowed.take(EACH_WAY).collect())
    }

    /// Passages that have a word of the question beyond their head, with that word: where it stands in no head, it would
    /// not be found otherwise.
    fn elsewhere(
        &self,
        question: &Question,
        statistics: &mut Statistics,
    ) -> Result<BTreeMap<PassageId, Vec<Term>>, LongTermError> {
        let mut found: BTreeMap<PassageId, Vec<Term>> = BTreeMap::new();
        let words = question.terms().iter().zip(question.words()).zip(&mut statistics.frequencies);
        let unknown = words.filter(|(_, frequency)| **frequency == 0);
        for ((term, text), frequency) in unknown.take(UNKNOWN_WORDS) {
            for hit in self.snapshot.text_search(&TextQuery { text, scope: self.scope, limit: UNKNOWN_HITS })? {
                // Every stretch of a text that was split is known by all of its words.
                if let [passage] = self.snapshot.passages_of(&[hit.row])?[..]
                    && self.allowed.has(passage)
                {
                    found.entry(passage).or_default().push(*term);
                    *frequency += 1;
                }
            }
        }
        Ok(found)
    }

    /// The passages that were found and those around them, in the order of their runs, each with whether it may answer.
    fn rows(
        &self,
        nearest: &[PassageId],
        matching: &[PassageId],
        elsewhere: &BTreeMap<PassageId, Vec<Term>>,
    ) -> Result<Vec<(PassageRow, bool)>, LongTermError> {
        let best: HashSet<PassageId> =
            [nearest, matching].iter().flat_map(|way| way.iter().take(WITH_NEIGHBOURS)).copied().collect();
        let mut found: HashSet<PassageId> = HashSet::new();
        let ids = nearest.iter().chain(matching).chain(elsewhere.keys()).copied();
        let ids: Vec<PassageId> = ids.filter(|id| found.insert(*id)).collect();
        // The stretches of each run that are read: around each passage, and around the neighbours of the best.
        let mut around: BTreeMap<i64, Vec<(i64, i64)>> = BTreeMap::new();
        let mut near_best: HashSet<(i64, i64)> = HashSet::new();
        for row in self.snapshot.passages(&ids)? {
            let mut reach = WINDOW;
            if best.contains(&row.id) {
                reach += NEAR;
                near_best.extend((-NEAR..=NEAR).map(|offset| (row.run, row.place + offset)));
            }
            around.entry(row.run).or_default().push((row.place - reach, row.place + reach));
        }
        let mut rows = Vec::new();
        for (run, stretches) in around {
            for (from, to) in joined(stretches) {
                for row in self.snapshot.passages_of_run(run, from, to)? {
                    let near_best = near_best.contains(&(run, row.place)) && self.allowed.has(row.id);
                    let candidate = found.contains(&row.id) || near_best;
                    rows.push((row, candidate));
                }
            }
        }
        Ok(rows)
    }

    fn read_vectors(&self, model: ModelRow, members: &mut [Member]) -> Result<(), LongTermError> {
        let wanted = self.wanted_vectors(members);
        let mut vector = Vec::with_capacity(model.dimension());
        let mut tokens = Vec::new();
        for (member, wanted) in members.iter_mut().zip(wanted) {
            if wanted && self.snapshot.read_vector(model, member.id, &mut vector)? {
                member.vector = Some(vector.clone());
            }
            if self.level == Level::Thorough && self.snapshot.read_token_vectors(model, member.id, &mut tokens)? {
                member.tokens = Some(std::mem::take(&mut tokens));
            }
        }
        Ok(())
    }

    /// Which members' vectors the stages compare: candidates, what was asked before them, and at the fast level the turns
    /// around them.
    fn wanted_vectors(&self, members: &[Member]) -> Vec<bool> {
        let candidates: HashSet<(i64, i64)> =
            members.iter().filter(|member| member.candidate).map(|member| (member.run, member.place)).collect();
        let beside = |member: &Member, offset: i64| candidates.contains(&(member.run, member.place + offset));
        let wanted = |member: &Member| match self.level {
            Level::Fast => [0, 1, 2, -1].into_iter().any(|offset| beside(member, offset)),
            Level::Thorough => member.candidate || (member.cues.has(Cues::ASKS) && beside(member, 1)),
        };
        members.iter().map(wanted).collect()
    }
}

/// Stretches of places without overlaps, ascending.
fn joined(mut stretches: Vec<(i64, i64)>) -> Vec<(i64, i64)> {
    stretches.sort_unstable();
    let mut joined: Vec<(i64, i64)> = Vec::new();
    for (from, to) in stretches {
        match joined.last_mut() {
            Some(last) if from <= last.1 + 1 => last.1 = last.1.max(to),
            _ => joined.push((from, to)),
        }
    }
    joined
}

fn member(row: &mut PassageRow, candidate: bool) -> Member {
    Member {
        id: row.id,
        run: row.run,
        place: row.place,
        said: row.role.map(|role| Said { role, speaker: row.speaker.take().filter(|name| is_name(name)) }),
        time: row.time,
        words: row.words,
        cues: Cues::from_bits(row.cues),
        terms: std::mem::take(&mut row.terms),
        vector: None,
        tokens: None,
        candidate,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stretches_are_joined_where_they_touch() {
        assert_eq!(joined(vec![]), []);
        assert_eq!(joined(vec![(5, 9), (1, 3), (4, 4), (12, 14), (2, 2)]), [(1, 9), (12, 14)]);
    }
}
