//! Ranking: which of the candidate memories answer a question, and whether any does.
//!
//! [`analyse`] turns a memory into passages when it is stored; [`Question`] reads a question; [`Draft`] runs the stages over
//! a [`Pool`] of candidates and their neighbours and combines what they measure by fitted [`Weights`].
//!
//! Pure functions over values: no storage, no model, no clock, no threads. Where candidates come from is not its business.

mod analysis;
mod cues;
mod features;
mod lanes;
mod language;
mod late;
mod pool;
mod question;
mod ranking;
mod redundancy;
mod stages;
mod terms;
mod time;
mod vector;
mod weights;

pub use analysis::{ANALYSIS, Passage, Source, analyse, is_name};
pub use cues::Cues;
pub use features::{Feature, Features, Row};
pub use late::{CodesError, QuestionTokens, Rotation, TokenCodes, TokenMatches, encode};
pub use pool::{Member, Pool, Said, Statistics};
pub use question::Question;
pub use ranking::{Contribution, Draft, Ranked, Ranking, redundant};
pub use redundancy::same_said;
pub use stages::{Nearness, Scene};
pub use terms::{Term, is_content, terms};
pub use time::{Anchor, Grain, Relation, TimeExpression, TimeSpan, TimeWords, agreement, anchors, expressions};
pub use vector::Vector;
pub use weights::{Level, ParseLevelError, Weights};
