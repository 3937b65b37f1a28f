//! The stages: each measures some features of every candidate, and knows nothing of the others but what it names.

mod cues;
pub(crate) mod late_interaction;
mod neighbours;
pub(crate) mod repetition;
mod session;
mod speaker;
#[cfg(test)]
pub(crate) mod testing;
mod text;
mod time;
mod vector;

use serde::Serialize;

use crate::features::Features;
use crate::late::QuestionTokens;
use crate::pool::{Member, Pool, Statistics};
use crate::question::Question;
use crate::vector::Asked;
use crate::weights::Level;
use text::Counts;

/// What is asked, and of what.
#[derive(Debug, Clone, Copy)]
pub struct Scene<'a> {
    /// The question.
    pub question: &'a Question,
    /// Its vector, of unit length, where a model made one.
    pub vector: Option<&'a [f32]>,
    /// Its pieces, where the model gives them.
    pub tokens: Option<&'a QuestionTokens>,
    /// The candidates and their neighbours.
    pub pool: &'a Pool<'a>,
    /// The scope as a whole.
    pub statistics: &'a Statistics,
    /// How much work to do.
    pub level: Level,
    /// Whether the cosines of the model are those that the relevance was fitted for; see
    /// [`Weights::are_calibrated_for`](crate::Weights::are_calibrated_for).
    pub calibrated: bool,
}

/// What the stages found out beside the features: how near anything comes to the question, in absolute terms.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize)]
pub struct Nearness {
    /// The largest cosine of the question and a candidate.
    pub cosine: Option<f32>,
    /// The largest share of the question's pieces, by weight, that a candidate has, each as far as its cosine goes.
    pub tokens: Option<f32>,
    /// Among how many passages that is: of many, one is nearer by chance than of few.
    pub passages: u64,
    /// The largest share of the question's words, by weight, that a candidate has; names of speakers do not count.
    /// `None` when the question has no other words.
    pub words: Option<f32>,
}

/// A scene, and what several stages look at in it.
pub(crate) struct View<'a> {
    pub(crate) scene: &'a Scene<'a>,
    /// How often each member has each term of the question.
    counts: Counts<'a>,
    /// The cosine of the question and each member, where both have a vector.
    cosines: Vec<Option<f32>>,
}

impl<'a> View<'a> {
    pub(crate) fn new(scene: &'a Scene<'a>) -> Self {
        let asked = scene.vector.map(Asked::new);
        let cosine = |member: &Member<'_>| Some(asked.as_ref()?.dot(member.vector?));
        Self {
            scene,
            counts: Counts::of(scene.question.terms(), scene.pool),
            cosines: scene.pool.members().iter().map(cosine).collect(),
        }
    }

    /// The cosine of the question and a member.
    pub(crate) fn cosine(&self, member: usize) -> Option<f32> {
        self.cosines.get(member).copied().flatten()
    }

    /// The cosines of the question and the candidates, in their order.
    pub(crate) fn of_candidates(&self) -> Vec<Option<f32>> {
        self.scene.pool.candidates().iter().map(|&member| self.cosine(member)).collect()
    }
}

/// A stage of the ranking.
pub(crate) struct Stage {
    pub(crate) name: &'static str,
    pub(crate) measure: fn(&View<'_>, &mut Features, &mut Nearness),
}

/// The stages of the first look, in the order in which they run: a stage may read what the ones before it measured.
pub(crate) const STAGES: [Stage; 7] = [
    Stage { name: "text", measure: text::measure },
    Stage { name: "vector", measure: vector::measure },
    Stage { name: "neighbours", measure: neighbours::measure },
    Stage { name: "session", measure: session::measure },
    Stage { name: "speaker", measure: speaker::measure },
    Stage { name: "time", measure: time::measure },
    Stage { name: "cues", measure: cues::measure },
];
