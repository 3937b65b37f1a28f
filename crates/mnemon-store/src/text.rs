//! Full-text search: in the whole text of memories that have more words than their terms say.

use std::collections::{HashMap, HashSet};
use std::sync::LazyLock;

use mnemon_core::is_unsegmented;
use rusqlite::params;

use crate::grams::{GramTerm, gram_terms};
use crate::{RowId, ScopeRow, Snapshot, StoreError};

/// More terms than a question has. A pasted page would make the query slow and its ranking no better.
const MAX_TERMS: usize = 64;

static STOP_WORDS: LazyLock<HashSet<&str>> =
    LazyLock::new(|| include_str!("stop_words/en.txt").split_ascii_whitespace().collect());

/// A question to the text index.
#[derive(Debug, Clone, Copy)]
pub struct TextQuery<'a> {
    /// Any text: it has no syntax, and no text is an error. One matching word is enough to be found.
    pub text: &'a str,
    /// Only memories of this scope.
    pub scope: ScopeRow,
    /// At most so many hits.
    pub limit: usize,
}

/// A memory that has words of the question.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct TextHit {
    /// Its row.
    pub row: RowId,
    /// BM25, above 0; comparable within one answer only.
    pub score: f64,
}

impl Snapshot<'_> {
    /// The memories that match best, best first; of equal ones the newer first. It looks in those that have more words
    /// than the terms of their passages say ([`NewPassage::is_longer`](crate::NewPassage)); by these terms all are found, in
    /// an index over [`Snapshot::each_passage`].
    ///
    /// Words are compared by their stem (Porter) and without accents. Words of unsegmented scripts are found by their
    /// pairs of characters. Words that are in every English text are left out as long as others remain.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn text_search(&self, query: &TextQuery<'_>) -> Result<Vec<TextHit>, StoreError> {
        let words = word_terms(query.text);
        let mut grams = gram_terms(query.text);
        let mut scores: HashMap<RowId, f64> = HashMap::new();
        if !words.is_empty() {
            let sql = "SELECT memory.id, -bm25(memory_words, 1.0, 1.0, 0.5) AS score
                       FROM memory_words JOIN memory ON memory.id = memory_words.rowid
                       WHERE memory_words MATCH ?1 AND memory.scope_id = ?2
                       ORDER BY score DESC, memory.id DESC LIMIT ?3";
            self.run(sql, query, &match_expression(words.iter().map(|word| (word.as_str(), false))), &mut scores)?;
            grams.extend(words.into_iter().map(|text| GramTerm { text, prefix: false }));
        }
        if !grams.is_empty() {
            grams.truncate(MAX_TERMS);
            let sql = "SELECT memory.id, -bm25(memory_grams) AS score
                       FROM memory_grams JOIN memory ON memory.id = memory_grams.rowid
                       WHERE memory_grams MATCH ?1 AND memory.scope_id = ?2
                       ORDER BY score DESC, memory.id DESC LIMIT ?3";
            let terms = grams.iter().map(|term| (term.text.as_str(), term.prefix));
            self.run(sql, query, &match_expression(terms), &mut scores)?;
        }
        let mut hits: Vec<TextHit> = scores.into_iter().map(|(row, score)| TextHit { row, score }).collect();
        hits.sort_by(|a, b| b.score.total_cmp(&a.score).then(b.row.cmp(&a.row)));
        hits.truncate(query.limit);
        Ok(hits)
    }

    fn run(
        &self,
        sql: &str,
        query: &TextQuery<'_>,
        expression: &str,
        scores: &mut HashMap<RowId, f64>,
    ) -> Result<(), StoreError> {
        let mut statement = self.conn.prepare_cached(sql)?;
        let limit = i64::try_from(query.limit).unwrap_or(i64::MAX);
        let mut rows = statement.query(params![expression, query.scope.0, limit])?;
        while let Some(row) = rows.next()? {
            *scores.entry(row.get(0)?).or_default() += row.get::<_, f64>(1)?;
        }
        Ok(())
    }
}

/// The words of a text as the tokenizer of the index sees them, each once, in lower case.
fn word_terms(text: &str) -> Vec<String> {
    let mut seen = HashSet::new();
    let mut terms: Vec<String> = text
        .split(|c: char| !c.is_alphanumeric() || is_unsegmented(c))
        .filter(|word| !word.is_empty())
        .map(str::to_lowercase)
        .filter(|word| seen.insert(word.clone()))
        .take(4 * MAX_TERMS)
        .collect();
    if terms.iter().any(|word| !STOP_WORDS.contains(word.as_str())) {
        terms.retain(|word| !STOP_WORDS.contains(word.as_str()));
    }
    terms.truncate(MAX_TERMS);
    terms
}

/// Any of the terms. Quoted, so that nothing in them is syntax: they are letters and digits, never quotes.
fn match_expression<'a>(terms: impl Iterator<Item = (&'a str, bool)>) -> String {
    let mut expression = String::new();
    for (term, prefix) in terms {
        if !expression.is_empty() {
            expression.push_str(" OR ");
        }
        expression.push('"');
        expression.push_str(term);
        expression.push('"');
        if prefix {
            expression.push('*');
        }
    }
    expression
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_question_becomes_its_words() {
        let check = |text: &str, words: &[&str]| assert_eq!(word_terms(text), words, "{text:?}");
        check("When did Caroline's group meet?", &["caroline", "group", "meet"]);
        check("Who are you?", &["who", "are", "you"]);
        check("  \0\"-*()^ ", &[]);
        check("NEAR(a b) AND text:x", &["near", "b", "text", "x"]);
        check("東京 tower 東京", &["tower"]);
        assert_eq!(word_terms(&(0..500).map(|n| format!("w{n} ")).collect::<String>()).len(), MAX_TERMS);
    }

    #[test]
    fn terms_cannot_close_their_quotes() {
        let hostile = "\"x\" OR memory_words MATCH 'y' -- \u{201c}q\u{201d}";
        for word in word_terms(hostile) {
            assert!(word.chars().all(char::is_alphanumeric), "{word:?}");
        }
    }
}
