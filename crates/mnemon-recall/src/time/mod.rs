//! Expressions of time in a question, and the spans of time that they mean.
//!
//! [`expressions`] finds dates and resolves them against the time at which the question is asked; [`anchors`] finds
//! events that date something ("before the trip"), which only a search can resolve; [`agreement`] says how well the
//! time of a memory fits the dates. Nothing here reads the machine's clock or looks at a memory's text.
//!
//! The way of a question: [`token`] cuts it into words, [`parse`] (with [`calendar`], [`measure`] and [`reader`]) makes
//! [`phrase`]s of them by the tables of [`words`] (those of [`english`]), [`resolve`] turns a phrase into days of the
//! calendar, and [`expression`] puts them into a time zone.

mod agreement;
mod anchor;
mod calendar;
mod english;
mod expression;
mod measure;
mod parse;
mod phrase;
mod reader;
mod resolve;
mod span;
#[cfg(test)]
mod tests;
mod token;
mod words;

pub use agreement::agreement;
pub use anchor::{Anchor, anchors};
pub use expression::{TimeExpression, expressions};
pub use span::{Grain, Relation, TimeSpan};
pub use words::TimeWords;
