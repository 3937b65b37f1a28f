//! The file that is searched: made once a machine, and anew whenever what is stored would be different.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use mnemon_bench::made::{Composed, SESSION, Talk};
use mnemon_core::{Kind, NewTurn, Placement, Scope};
use mnemon_embed::SentenceTransformer;
use mnemon_long_term::{Append, Embed, Level, LongTerm};
use mnemon_recall::{ANALYSIS, Source, analyse};
use mnemon_store::{Durability, NewSession, SCHEMA_VERSION, Store, StoreOptions};

/// What is made here. Another way to make it gets another number.
const EDITION: u32 = 1;
/// So many turns are read by the model; the vectors of all others are composed of theirs.
const READ: usize = 3_000;

/// The store of a talk.
pub(crate) fn store(
    talk: &Talk,
    scope: &Scope,
    model: &Arc<SentenceTransformer>,
) -> Result<Arc<Store>, Box<dyn std::error::Error>> {
    let path = path(talk);
    if !path.exists() {
        make(talk, scope, model, &path)?;
    }
    Ok(Arc::new(Store::open(path, StoreOptions::default())?))
}

fn path(talk: &Talk) -> PathBuf {
    let turns = talk.sessions() * SESSION;
    Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("recall-{turns}-{EDITION}-{ANALYSIS}-{SCHEMA_VERSION}.db"))
}

/// Stores the talk as an engine that listens would, session by session, and gives it its name when it is whole.
fn make(
    talk: &Talk,
    scope: &Scope,
    model: &Arc<SentenceTransformer>,
    path: &Path,
) -> Result<(), Box<dyn std::error::Error>> {
    let making = path.with_extension("making");
    if making.exists() {
        std::fs::remove_file(&making)?;
    }
    let texts = |number| talk.session(number).iter().map(embedded).collect();
    let read: Vec<Vec<String>> = (0..READ / SESSION).map(texts).collect();
    let composed = Arc::new(Composed::new(Arc::clone(model), &read, &mut |_| {})?);
    let mut options = StoreOptions::default();
    options.durability = Durability::Normal;
    let memory = LongTerm::new(Arc::new(Store::open(&making, options)?), Some(composed), Level::Thorough);
    for number in 0..talk.sessions() {
        let now = talk.begins(number);
        let new = NewSession { imported: true, ..NewSession::unnamed(now) };
        let session = memory.store().write(|tx| tx.start_session(tx.ensure_scope(scope)?, &new, now))?;
        let turns = talk.session(number);
        let written = memory.append(&Append {
            scope,
            session: &session,
            turns: &turns,
            placement: Placement::LongTerm,
            embed: Embed::Now,
            now,
        })?;
        if let Some(degraded) = written.degraded {
            return Err(degraded.to_string().into());
        }
    }
    // The last connection writes the log back into the file.
    drop(memory);
    std::fs::rename(making, path)?;
    Ok(())
}

/// What the engine embeds of a turn.
fn embedded(turn: &NewTurn) -> String {
    let source = Source { kind: Kind::Turn, speaker: turn.speaker.as_deref(), text: &turn.text, caption: None };
    analyse(&source).pop().map_or_else(String::new, |passage| passage.embedded.into_owned())
}
