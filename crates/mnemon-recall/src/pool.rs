//! The pool: the passages that recall looks at for one question.

use mnemon_core::{Role, Timestamp};

use crate::cues::Cues;
use crate::terms::Term;
use crate::vector::Vector;

/// A passage, with what its memory knows. It borrows from wherever the passages are kept.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Member<'a> {
    /// Its row.
    pub id: i64,
    /// The sequence in which its neighbours stand: the session of a turn, the memory of a stretch.
    pub run: i64,
    /// Its place in that sequence. Neighbours are one apart.
    pub place: i64,
    /// Who said it, for turns.
    pub said: Option<Said<'a>>,
    /// When it happened or was said, or else was stored.
    pub time: Timestamp,
    /// The words of its text.
    pub words: u32,
    /// What it shows at a glance.
    pub cues: Cues,
    /// The terms that say what it is about, repeats kept.
    pub terms: &'a [Term],
    /// Its vector, where it has one.
    pub vector: Option<Vector<'a>>,
    /// Whether it may be an answer. Other members are there as neighbours of those that may.
    pub candidate: bool,
}

/// Who said something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Said<'a> {
    /// As a language model names it.
    pub role: Role,
    /// By name, where the name is known.
    pub speaker: Option<&'a str>,
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
pub struct Pool<'a> {
    members: Vec<Member<'a>>,
    candidates: Vec<usize>,
    /// For each member those that stand up to [`REACH`] places before it and after it, or [`NOBODY`].
    around: Vec<[u32; 2 * REACH]>,
}

/// How far the stages look for neighbours, in places.
const REACH: usize = 3;
/// No index of a member.
const NOBODY: u32 = u32::MAX;

impl<'a> Pool<'a> {
    /// A pool of these members. Of two at one place the first counts as the neighbour of others.
    #[must_use]
    pub fn new(members: Vec<Member<'a>>) -> Self {
        let candidates = members.iter().enumerate().filter(|(_, member)| member.candidate).map(|(i, _)| i).collect();
        let around = around(&members);
        Self { members, candidates, around }
    }

    /// The members, in the order in which they were given.
    #[must_use]
    pub fn members(&self) -> &[Member<'a>] {
        &self.members
    }

    /// The indexes of those that may be an answer, ascending.
    #[must_use]
    pub fn candidates(&self) -> &[usize] {
        &self.candidates
    }

    pub(crate) fn get(&self, index: usize) -> Option<&Member<'a>> {
        self.members.get(index)
    }

    /// The candidates themselves with their indexes, in the order of [`Self::candidates`].
    pub(crate) fn each_candidate(&self) -> impl Iterator<Item = (usize, &Member<'a>)> {
        self.candidates.iter().filter_map(|&index| Some((index, self.members.get(index)?)))
    }

    /// The member that stands `offset` places (-3 to 3, but 0) after that of `index` in its run.
    pub(crate) fn neighbour(&self, index: usize, offset: i64) -> Option<(usize, &Member<'a>)> {
        let neighbour = *self.around.get(index)?.get(slot(offset)?)? as usize;
        Some((neighbour, self.members.get(neighbour)?))
    }
}

/// Where in the row of a member its neighbour at `offset` stands.
fn slot(offset: i64) -> Option<usize> {
    let slot = offset + REACH as i64 - i64::from(offset > 0);
    (offset != 0).then_some(usize::try_from(slot).ok()).flatten()
}

fn around(members: &[Member<'_>]) -> Vec<[u32; 2 * REACH]> {
    let mut around = vec![[NOBODY; 2 * REACH]; members.len()];
    let mut order: Vec<u32> = (0..members.len() as u32).collect();
    let stands = |index: u32| members.get(index as usize).map(|member| (member.run, member.place));
    if !order.is_sorted_by_key(|index| stands(*index)) {
        order.sort_by_key(|index| stands(*index));
    }
    let mut set = |of: u32, offset: i64, neighbour: u32| {
        if let Some(row) = around.get_mut(of as usize)
            && let Some(cell) = slot(offset).and_then(|slot| row.get_mut(slot))
            && *cell == NOBODY
        {
            *cell = neighbour;
        }
    };
    for (at, &before) in order.iter().enumerate() {
        let Some((run, place)) = stands(before) else { continue };
        for &after in order.iter().skip(at + 1) {
            let Some((other, there)) = stands(after) else { continue };
            let offset = there.saturating_sub(place);
            if other != run || offset > REACH as i64 {
                break;
            }
            set(before, offset, after);
            set(after, -offset, before);
        }
    }
    around
}

impl<'a> Member<'a> {
    pub(crate) fn has(&self, cue: Cues) -> bool {
        self.cues.has(cue)
    }

    pub(crate) fn role(&self) -> Option<Role> {
        self.said.as_ref().map(|said| said.role)
    }

    /// The name to compare speakers by: the speaker, else the role.
    pub(crate) fn speaker(&self) -> Option<&'a str> {
        self.said.map(|said| said.speaker.unwrap_or(said.role.as_str()))
    }

    /// How much a neighbour lends to its neighbours: a short remark is read with what stands around it, a long text has
    /// little to say about the turn beside it. 1 up to 50 words, then falling with the length.
    pub(crate) fn lends(&self) -> f32 {
        const FULL: f32 = 50.0;
        (FULL / (self.words.max(1) as f32)).min(1.0)
    }
}
