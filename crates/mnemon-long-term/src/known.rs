//! What was embedded before: a text that is stored again, in the same scope, is not embedded again.

use std::collections::HashMap;

use mnemon_core::{Kind, Memory};
use mnemon_store::{ModelRow, PassageRow, RowId, ScopeRow, Snapshot, StoreError, content_hash};

use crate::passage;

/// As many passages of equal hash are looked at. All are nearly always of one text, and the oldest of them was embedded.
const LOOKED_AT: usize = 4;

/// What the model made of an equal text. A vector depends on nothing but its text, so it is copied.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Known {
    pub(crate) vector: Option<Vec<f32>>,
    /// The coded pieces, of a text that is alone in its window.
    pub(crate) pieces: Option<Vec<u8>>,
}

impl Known {
    /// Looks for a passage of the scope of which the same text was embedded, and, where the text is to be read alone, for
    /// the pieces of one that was. One seek when there is none.
    pub(crate) fn find(
        snapshot: &Snapshot<'_>,
        scope: ScopeRow,
        model: ModelRow,
        text: &str,
        is_alone: bool,
    ) -> Result<Self, StoreError> {
        let ids = snapshot.passages_of_content(scope, content_hash(text), LOOKED_AT)?;
        for row in snapshot.passages(&ids)? {
            let memories: HashMap<RowId, Memory> = snapshot.memories(&[row.memory])?.into_iter().collect();
            let row = [row];
            if passage::embedded(&row, &memories).next().is_none_or(|(_, embedded)| embedded != text) {
                continue;
            }
            let [row] = row;
            let mut vector = Vec::new();
            if is_there(snapshot.read_vector(model, row.id, &mut vector))? {
                let pieces = if is_alone { alone(snapshot, model, &row)? } else { None };
                return Ok(Self { vector: Some(vector), pieces });
            }
        }
        Ok(Self::default())
    }
}

/// The pieces of a passage that was alone in its window: the only one of a memory that is no turn.
fn alone(snapshot: &Snapshot<'_>, model: ModelRow, row: &PassageRow) -> Result<Option<Vec<u8>>, StoreError> {
    let mut bytes = Vec::new();
    let is_alone = row.kind != Kind::Turn && snapshot.passages_of(&[row.memory])?.len() == 1;
    let found = is_alone && snapshot.read_token_vectors(model, row.id, &mut bytes)?;
    Ok(found.then_some(bytes))
}

/// A damaged vector is none: what is written now is not about it.
fn is_there(read: Result<bool, StoreError>) -> Result<bool, StoreError> {
    match read {
        Err(StoreError::BadRow { .. }) => Ok(false),
        read => read,
    }
}

/// Texts, each once.
#[derive(Debug, Default)]
pub(crate) struct Distinct<'a> {
    pub(crate) texts: Vec<&'a str>,
    places: HashMap<&'a str, usize>,
}

impl<'a> Distinct<'a> {
    pub(crate) fn new(texts: impl Iterator<Item = &'a str>) -> Self {
        let mut distinct = Self::default();
        for text in texts {
            if !distinct.places.contains_key(text) {
                distinct.places.insert(text, distinct.texts.len());
                distinct.texts.push(text);
            }
        }
        distinct
    }

    pub(crate) fn place(&self, text: &str) -> Option<usize> {
        self.places.get(text).copied()
    }
}
