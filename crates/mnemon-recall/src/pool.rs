//! The pool: the passages that recall looks at for one question.

use std::collections::HashMap;

use mnemon_core::{Role, Timestamp};

use crate::cues::Cues;
use crate::terms::Term;

/// A passage, with what its memory knows.
#[derive(Debug, Clone, PartialEq)]
pub struct Member {
    /// Its row.
    pub id: i64,
    /// The sequence in which its neighbours stand: the session of a turn, the memory of a stretch.
    pub run: i64,
    /// Its place in that sequence. Neighbours are one apart.
    pub place: i64,
    /// Who said it, for turns.
    pub said: Option<Said>,
    /// When it happened or was said, or else was stored.
    pub time: Timestamp,
    /// The words of its text.
    pub words: u32,
    /// What it shows at a glance.
    pub cues: Cues,
    /// The terms that say what it is about, repeats kept.
    pub terms: Vec<Term>,
    /// Its vector, of unit length, where it has one.
    pub vector: Option<Vec<f32>>,
    /// The vectors of its pieces, coded, where it has any.
    pub tokens: Option<Vec<u8>>,
    /// Whether it may be an answer. Other members are there as neighbours of those that may.
    pub candidate: bool,
}

/// Who said something.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Said {
    /// As a language model names it.
    pub role: Role,
    /// By name, where the name is known.
    pub speaker: Option<String>,
}

/// What is known of a scope as a whole.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Statistics {
    /// How many passages it has.
    pub passages: u64,
    /// In how many of them each term of the question stands, in the order of the question's terms.
    pub frequencies: Vec<u64>,
}

/// Candidates and their neighbours. A member goes by its index.
#[derive(Debug, Clone, Default)]
pub struct Pool {
    members: Vec<Member>,
    candidates: Vec<usize>,
    places: HashMap<(i64, i64), usize>,
}

impl Pool {
    /// A pool of these members. Of two at one place the first counts as the neighbour of others.
    #[must_use]
    pub fn new(members: Vec<Member>) -> Self {
        let mut places = HashMap::with_capacity(members.len());
        for (index, member) in members.iter().enumerate() {
            places.entry((member.run, member.place)).or_insert(index);
        }
        let candidates = members.iter().enumerate().filter(|(_, member)| member.candidate).map(|(i, _)| i).collect();
        Self { members, candidates, places }
    }

    /// The members, in the order in which they were given.
    #[must_use]
    pub fn members(&self) -> &[Member] {
        &self.members
    }

    /// The indexes of those that may be an answer, ascending.
    #[must_use]
    pub fn candidates(&self) -> &[usize] {
        &self.candidates
    }

    pub(crate) fn get(&self, index: usize) -> Option<&Member> {
        self.members.get(index)
    }

    /// The candidates themselves, in the order of [`Self::candidates`].
    pub(crate) fn each_candidate(&self) -> impl Iterator<Item = (usize, &Member)> {
        self.candidates.iter().filter_map(|&index| Some((index, self.members.get(index)?)))
    }

    /// The member that stands `offset` places after another in its run.
    pub(crate) fn neighbour(&self, member: &Member, offset: i64) -> Option<(usize, &Member)> {
        let index = *self.places.get(&(member.run, member.place.checked_add(offset)?))?;
        Some((index, self.members.get(index)?))
    }
}

impl Member {
    pub(crate) fn has(&self, cue: Cues) -> bool {
        self.cues.has(cue)
    }

    pub(crate) fn role(&self) -> Option<Role> {
        self.said.as_ref().map(|said| said.role)
    }

    /// The name to compare speakers by: the speaker, else the role.
    pub(crate) fn speaker(&self) -> Option<&str> {
        self.said.as_ref().map(|said| said.speaker.as_deref().unwrap_or(said.role.as_str()))
    }

    /// How much a neighbour lends to its neighbours: a short remark is read with what stands around it, a long text has
    /// little to say about the turn beside it. 1 up to 50 words, then falling with the length.
    pub(crate) fn lends(&self) -> f32 {
        const FULL: f32 = 50.0;
        (FULL / (self.words.max(1) as f32)).min(1.0)
    }
}
