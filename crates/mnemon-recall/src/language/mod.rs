//! What is particular to a language, as data.
