//! From memories to passages: analysing what is written, and storing it with its vectors.

use std::collections::HashMap;

use mnemon_core::{Kind, Memory, NewMemory, NewTurn, Purpose, TextRun};
use mnemon_recall::{ANALYSIS, Passage, Source, analyse};
use mnemon_store::{NewPassage, PassageId, PassageRow, RowId, StoreError, WriteTx};

use crate::embedding::Checked;
use crate::long_term::Meaning;
use crate::pieces::Coded;

/// As many passages of one memory are embedded while its writer waits: about a second of work. A book is stored at once
/// and embedded by [`LongTerm::embed_pending`](crate::LongTerm::embed_pending) from there on.
const AT_ONCE: usize = 64;

pub(crate) fn of_turn(turn: &NewTurn) -> Source<'_> {
    Source { kind: Kind::Turn, speaker: turn.speaker.as_deref(), text: &turn.text, caption: turn.caption.as_deref() }
}

pub(crate) fn of_new(new: &NewMemory) -> Source<'_> {
    Source { kind: new.kind, speaker: None, text: &new.text, caption: new.caption.as_deref() }
}

/// Of a memory that is stored. The same as when it was new, so that analysing it later gives the same passages.
pub(crate) fn of_memory(memory: &Memory) -> Source<'_> {
    let speaker = memory.turn.as_ref().and_then(|turn| turn.speaker.as_deref());
    Source { kind: memory.kind, speaker, text: &memory.text, caption: memory.caption.as_deref() }
}

/// Memories as passages, and what the model made of these. Made outside of any transaction, because both take time.
pub(crate) struct Analysed<'a> {
    /// One entry a memory.
    memories: Vec<Vec<Passage<'a>>>,
    /// One entry for each of the first [`AT_ONCE`] passages of a memory, of all memories in order; empty when nothing was
    /// embedded.
    checked: Checked,
    /// The same for their pieces.
    coded: Coded,
}

impl<'a> Analysed<'a> {
    /// Analyses memories that stand each for itself, and embeds them when there is a model to do it with.
    pub(crate) fn apart(sources: impl Iterator<Item = Source<'a>>, meaning: Option<&Meaning>) -> Self {
        let memories: Vec<Vec<Passage<'a>>> = sources.map(|source| analyse(&source)).collect();
        let runs = memories.iter().map(|passages| {
            let texts: Vec<&str> = at_once(passages).collect();
            TextRun { own: 0..texts.len(), texts }
        });
        let coded = meaning.map_or_else(Coded::default, |meaning| meaning.code(&runs.collect::<Vec<_>>()));
        Self { checked: embed_passages(&memories, meaning), coded, memories }
    }

    /// The same for turns that follow one another, `before` them the one that was said last.
    pub(crate) fn in_a_row(
        sources: impl Iterator<Item = Source<'a>>,
        before: Option<&str>,
        meaning: Option<&Meaning>,
    ) -> Self {
        let memories: Vec<Vec<Passage<'a>>> = sources.map(|source| analyse(&source)).collect();
        let texts: Vec<&str> =
            before.into_iter().chain(memories.iter().flat_map(|passages| at_once(passages))).collect();
        let own = usize::from(before.is_some())..texts.len();
        let run = TextRun { texts, own };
        let coded = meaning.map_or_else(Coded::default, |meaning| meaning.code(&[run]));
        Self { checked: embed_passages(&memories, meaning), coded, memories }
    }

    /// Why not all of it could be embedded.
    pub(crate) fn problem(self) -> Option<String> {
        self.checked.problem.or(self.coded.problem)
    }

    /// Stores the passages of the memories, and their vectors: of each memory that has a row, in order. `None` leaves
    /// out a memory that is stored already.
    pub(crate) fn put(
        &self,
        tx: &WriteTx<'_>,
        rows: impl Iterator<Item = Option<RowId>>,
        meaning: Option<&Meaning>,
    ) -> Result<(), StoreError> {
        let mut first = 0;
        for (row, passages) in rows.zip(&self.memories) {
            let numbers = first..first + passages.len().min(AT_ONCE);
            first = numbers.end;
            let Some(row) = row else { continue };
            let new: Vec<NewPassage<'_>> = passages.iter().map(new_passage).collect();
            let ids = tx.put_passages(row, ANALYSIS, &new)?;
            let vector = |number: usize| self.checked.vectors.get(number)?.as_deref();
            let pieces = |number: usize| self.coded.pieces.get(number)?.as_deref();
            let stored = || ids.iter().copied().zip(numbers.clone());
            put_vectors(tx, stored().filter_map(|(id, number)| Some((id, vector(number)?))), meaning)?;
            put_pieces(tx, stored().filter_map(|(id, number)| Some((id, pieces(number)?))), meaning)?;
        }
        Ok(())
    }
}

fn embed_passages(memories: &[Vec<Passage<'_>>], meaning: Option<&Meaning>) -> Checked {
    meaning.map_or_else(Checked::default, |meaning| {
        let texts: Vec<&str> = memories.iter().flat_map(|passages| at_once(passages)).collect();
        meaning.embed(&texts, Purpose::Passage)
    })
}

/// What is embedded of a memory while its writer waits.
fn at_once<'a>(passages: &'a [Passage<'_>]) -> impl Iterator<Item = &'a str> {
    passages.iter().take(AT_ONCE).map(|passage| &*passage.embedded)
}

fn new_passage<'a>(passage: &'a Passage<'_>) -> NewPassage<'a> {
    NewPassage {
        start: passage.range.start,
        end: passage.range.end,
        words: passage.words,
        cues: passage.cues.bits(),
        terms: &passage.terms,
    }
}

/// Stores vectors of passages. Returns how many of these were still there.
pub(crate) fn put_vectors<'a>(
    tx: &WriteTx<'_>,
    vectors: impl Iterator<Item = (RowId, &'a [f32])>,
    meaning: Option<&Meaning>,
) -> Result<u64, StoreError> {
    let mut vectors = vectors.peekable();
    let Some(meaning) = meaning.filter(|_| vectors.peek().is_some()) else { return Ok(0) };
    let model = tx.ensure_model(meaning.embedder.model(), meaning.dimension)?;
    let mut stored = 0;
    for (passage, vector) in vectors {
        stored += u64::from(tx.put_vector(model, passage, vector)?);
    }
    Ok(stored)
}

/// Stores the coded pieces of passages. Returns how many of these were still there.
pub(crate) fn put_pieces<'a>(
    tx: &WriteTx<'_>,
    pieces: impl Iterator<Item = (PassageId, &'a [u8])>,
    meaning: Option<&Meaning>,
) -> Result<u64, StoreError> {
    let mut pieces = pieces.peekable();
    let Some(meaning) = meaning.filter(|_| pieces.peek().is_some()) else { return Ok(0) };
    let model = tx.ensure_model(meaning.embedder.model(), meaning.dimension)?;
    let mut stored = 0;
    for (passage, pieces) in pieces {
        stored += u64::from(tx.put_token_vectors(model, passage, pieces)?);
    }
    Ok(stored)
}

/// What of stored passages is embedded. `memories` holds the memory of each; a passage that does not fit its text is
/// left out.
pub(crate) fn embedded<'a>(
    passages: &'a [PassageRow],
    memories: &'a HashMap<RowId, Memory>,
) -> impl Iterator<Item = (RowId, String)> {
    passages.iter().filter_map(|passage| {
        let source = of_memory(memories.get(&passage.memory)?);
        let text = source.text.get(passage.start as usize..passage.end as usize)?;
        let caption = source.caption.filter(|_| passage.ordinal == 0);
        // A turn is never split, and a passage is not split again.
        let whole = analyse(&Source { kind: Kind::Turn, text, caption, ..source }).pop()?;
        Some((passage.id, whole.embedded.into_owned()))
    })
}

#[cfg(test)]
mod tests {
    use mnemon_core::{Scope, Timestamp};
    use mnemon_store::Store;

    use super::*;

    /// What is embedded at once and what is embedded later are the same texts, whatever a memory has.
    fn check(kind: Kind, text: &str, caption: Option<&str>) {
        let new = NewMemory { caption: caption.map(str::to_owned), ..NewMemory::new(kind, text) };
        let store = Store::open_in_memory().unwrap();
        let now = Analysed::apart([of_new(&new)].into_iter(), None);
        let at_once: Vec<&str> = now.memories.iter().flatten().map(|passage| &*passage.embedded).collect();
        let later = store.write(|tx| -> Result<_, StoreError> {
            let row = tx.add_memory(&Scope::default(), &new, Timestamp::UNIX_EPOCH)?.row;
            now.put(tx, [Some(row)].into_iter(), None)?;
            let memories: HashMap<RowId, Memory> = tx.memories(&[row])?.into_iter().collect();
            let passages = tx.passages(&tx.passages_of(&[row])?)?;
            Ok(embedded(&passages, &memories).map(|(_, text)| text).collect::<Vec<_>>())
        });
        assert_eq!(later.unwrap(), at_once);
    }

    #[test]
    fn a_passage_is_embedded_alike_now_and_later() {
        let long = (0..200).map(|n| format!("Sentence {n} of a document. ")).collect::<String>();
        check(Kind::Note, "look", None);
        check(Kind::Note, "", Some("a cat"));
        check(Kind::Document, &long, Some("a cat"));
    }
}
