//! Expressions of time in a question, and the spans of time that they mean.
