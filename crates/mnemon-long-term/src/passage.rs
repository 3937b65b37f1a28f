//! From memories to passages: analysing what is written, and storing it with its vectors.

use std::collections::HashMap;

use mnemon_core::{Kind, Memory, NewMemory, NewTurn, Purpose, TextRun};
use mnemon_recall::{ANALYSIS, Passage, Source, analyse};
use mnemon_store::{
    Added, ModelRow, NewPassage, PassageRow, RowId, ScopeRow, Snapshot, StoreError, WriteTx, content_hash,
};
use rayon::prelude::*;

use crate::known::{Distinct, Known};
use crate::long_term::Meaning;
use crate::pieces::Coded;

/// As many passages of one memory are embedded while its writer waits: about a second of work. A book is stored at once
/// and embedded by [`LongTerm::embed_pending`](crate::LongTerm::embed_pending) from there on.
const AT_ONCE: usize = 64;

/// As many memories are worth more than one thread: about a millisecond of analysis.
const SHARED_OUT: usize = 64;

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
#[derive(Default)]
pub(crate) struct Analysed<'a> {
    /// One entry a memory.
    memories: Vec<Vec<Passage<'a>>>,
    /// One entry for each of the first [`AT_ONCE`] passages of a memory, of all memories in order; empty when nothing was
    /// looked up.
    known: Vec<Known>,
    /// The same for what was embedded.
    vectors: Vec<Option<Vec<f32>>>,
    /// The same for their pieces.
    pieces: Vec<Option<Vec<u8>>>,
    problem: Option<String>,
}

/// How the texts of memories are read for the vectors of their pieces.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Reading<'a> {
    /// Each memory for itself.
    Apart,
    /// Turns that follow one another.
    InARow {
        /// What is embedded of the turn that was said last before them.
        before: Option<&'a str>,
    },
}

/// The memory that passages are stored for.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Owner<'a> {
    /// Added in this transaction, if it is new.
    Added(&'a Added),
    /// Stored before; its passages are replaced. `None` leaves it out.
    Stored(Option<RowId>),
}

impl<'a> Analysed<'a> {
    /// Analyses memories, many of them on all threads.
    pub(crate) fn new(sources: impl Iterator<Item = Source<'a>>) -> Self {
        let sources: Vec<Source<'a>> = sources.collect();
        let memories = match sources.len() {
            0..SHARED_OUT => sources.iter().map(analyse).collect(),
            _ => sources.par_iter().with_min_len(SHARED_OUT / 2).map(analyse).collect(),
        };
        Self { memories, ..Self::default() }
    }

    /// Looks for texts of the same scope that were embedded before. Those of `self` are read each for itself when
    /// `reading` says so; then the vectors of their pieces are looked for too.
    pub(crate) fn look_up(
        &mut self,
        snapshot: &Snapshot<'_>,
        scope: ScopeRow,
        meaning: &Meaning,
        reading: Reading<'_>,
    ) -> Result<(), StoreError> {
        let Some(model) = meaning.row(snapshot)? else { return Ok(()) };
        for passages in &self.memories {
            let is_alone = matches!(reading, Reading::Apart) && passages.len() == 1 && meaning.pieces.is_some();
            for text in at_once(passages) {
                self.known.push(Known::find(snapshot, scope, model, text, is_alone)?);
            }
        }
        Ok(())
    }

    /// Embeds what is not known, each text once.
    pub(crate) fn embed(&mut self, meaning: &Meaning, reading: Reading<'_>) {
        let texts: Vec<&str> = self.memories.iter().flat_map(|passages| at_once(passages)).collect();
        let known = |number: usize| self.known.get(number).and_then(|known| known.vector.as_ref());
        let unknown = texts.iter().enumerate().filter(|(number, _)| known(*number).is_none()).map(|(_, text)| *text);
        let distinct = Distinct::new(unknown);
        let checked = meaning.embed(&distinct.texts, Purpose::Passage);
        let made = |text: &str| checked.vectors.get(distinct.place(text)?)?.clone();
        let vectors = texts.iter().enumerate().map(|(number, text)| known(number).cloned().or_else(|| made(text)));
        let vectors = vectors.collect();
        let coded = match reading {
            Reading::Apart => self.code_apart(meaning),
            Reading::InARow { before } => {
                let own = usize::from(before.is_some());
                let texts: Vec<&str> = before.into_iter().chain(texts).collect();
                meaning.code(&[TextRun { own: own..texts.len(), texts }])
            }
        };
        self.vectors = vectors;
        self.pieces = coded.pieces;
        self.problem = checked.problem.or(coded.problem);
    }

    /// The pieces of memories that are read each for itself: of those that are alone in their window, each text once.
    fn code_apart(&self, meaning: &Meaning) -> Coded {
        let mut runs = Vec::new();
        let mut alone: HashMap<&str, usize> = HashMap::new();
        // Where the pieces of each passage are among those that are made; `None` where they are known.
        let mut places = Vec::new();
        let mut made = 0;
        for passages in &self.memories {
            let texts: Vec<&str> = at_once(passages).collect();
            if let ([text], [_]) = (&texts[..], &passages[..]) {
                let is_known = self.known.get(places.len()).is_some_and(|known| known.pieces.is_some());
                if is_known || alone.contains_key(text) {
                    places.push(alone.get(text).copied().filter(|_| !is_known));
                    continue;
                }
                alone.insert(text, made);
            }
            places.extend((made..made + texts.len()).map(Some));
            made += texts.len();
            runs.push(TextRun { own: 0..texts.len(), texts });
        }
        let coded = meaning.code(&runs);
        let pieces = places.iter().enumerate().map(|(number, place)| match place {
            Some(place) => coded.pieces.get(*place).cloned().flatten(),
            None => self.known.get(number).and_then(|known| known.pieces.clone()),
        });
        Coded { pieces: pieces.collect(), problem: coded.problem }
    }

    /// Why not all of it could be embedded.
    pub(crate) fn problem(self) -> Option<String> {
        self.problem
    }

    /// Whether the model made anything of any of it.
    pub(crate) fn has_vectors(&self) -> bool {
        self.vectors.iter().any(Option::is_some) || self.pieces.iter().any(Option::is_some)
    }

    /// Stores the passages of the memories, of each that has an owner, in order; and their vectors, where a model is given.
    pub(crate) fn put<'o>(
        &self,
        tx: &WriteTx<'_>,
        owners: impl Iterator<Item = Owner<'o>>,
        model: Option<ModelRow>,
    ) -> Result<(), StoreError> {
        let mut first = 0;
        for (owner, passages) in owners.zip(&self.memories) {
            let numbers = first..first + passages.len().min(AT_ONCE);
            first = numbers.end;
            let new: Vec<NewPassage<'_>> = passages.iter().map(new_passage).collect();
            let ids = match owner {
                Owner::Added(added) => tx.put_first_passages(added, ANALYSIS, &new)?,
                Owner::Stored(Some(row)) => tx.put_passages(row, ANALYSIS, &new)?,
                Owner::Stored(None) => continue,
            };
            let Some(model) = model else { continue };
            let is_new = matches!(owner, Owner::Added(_));
            for (id, number) in ids.into_iter().zip(numbers) {
                match self.vectors.get(number).and_then(Option::as_deref) {
                    Some(vector) if is_new => tx.put_first_vector(model, id, vector)?,
                    Some(vector) => tx.put_vector(model, id, vector).map(|_| ())?,
                    None => {}
                }
                match self.pieces.get(number).and_then(Option::as_deref) {
                    Some(pieces) if is_new => tx.put_first_token_vectors(model, id, pieces)?,
                    Some(pieces) => tx.put_token_vectors(model, id, pieces).map(|_| ())?,
                    None => {}
                }
            }
        }
        Ok(())
    }
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
        is_longer: passage.is_longer,
        content: content_hash(&passage.embedded),
    }
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
        let now = Analysed::new([of_new(&new)].into_iter());
        let at_once: Vec<&str> = now.memories.iter().flatten().map(|passage| &*passage.embedded).collect();
        let later = store.write(|tx| -> Result<_, StoreError> {
            let added = tx.add_memory(&Scope::default(), &new, Timestamp::UNIX_EPOCH)?;
            now.put(tx, [Owner::Added(&added)].into_iter(), None)?;
            let row = added.row;
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
