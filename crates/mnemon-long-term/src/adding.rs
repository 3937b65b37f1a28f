//! Adding to long-term memory: memories, turns of a session, and a whole import.

use mnemon_core::{Memory, NewMemory, NewTurn, Placement, Scope, SessionId, Timestamp};
use mnemon_recall::analyse;
use mnemon_store::{Added, ModelRow, ScopeRow, Snapshot, StoreError, WriteTx};

use crate::forgetting::settle_slot;
use crate::models::Serving;
use crate::passage::{self, Analysed, Owner, Reading};
use crate::{Embed, LongTerm, LongTermError, Written};

/// The session that turns are appended to.
pub trait Conversation: Sync {
    /// The session, if it has begun.
    ///
    /// # Errors
    /// When the file cannot be read.
    fn find(&self, snapshot: &Snapshot<'_>, scope: ScopeRow) -> Result<Option<SessionId>, StoreError>;

    /// The session, begun now if need be.
    ///
    /// # Errors
    /// When it does not exist and cannot begin, and when the file cannot be written.
    fn ensure(&self, tx: &WriteTx<'_>, scope: ScopeRow, now: Timestamp) -> Result<SessionId, StoreError>;
}

/// A session that exists.
impl Conversation for SessionId {
    fn find(&self, _: &Snapshot<'_>, _: ScopeRow) -> Result<Option<SessionId>, StoreError> {
        Ok(Some(*self))
    }

    fn ensure(&self, _: &WriteTx<'_>, _: ScopeRow, _: Timestamp) -> Result<SessionId, StoreError> {
        Ok(*self)
    }
}

/// Turns to append to a session.
#[derive(Clone, Copy)]
pub struct Append<'a> {
    /// Whose they are.
    pub scope: &'a Scope,
    /// The conversation.
    pub session: &'a dyn Conversation,
    /// What was said, in order.
    pub turns: &'a [NewTurn],
    /// Where they are active.
    pub placement: Placement,
    /// When they are embedded.
    pub embed: Embed,
    /// The time of storage.
    pub now: Timestamp,
}

/// Where turns were appended, for what else belongs into the same transaction.
#[derive(Debug, Clone, Copy)]
pub struct Appended<'a> {
    /// The row of their scope.
    pub scope: ScopeRow,
    /// Their session.
    pub session: SessionId,
    /// One entry for each turn, in order.
    pub added: &'a [Added],
}

/// A part of an import: what is stored in one scope, and embedded later.
#[derive(Clone, Copy)]
pub enum Part<'a> {
    /// Turns of a session, active in long-term memory at once.
    Turns {
        /// Whose they are.
        scope: &'a Scope,
        /// The conversation.
        session: &'a dyn Conversation,
        /// What was said, in order.
        turns: &'a [NewTurn],
    },
    /// Memories that are no turns.
    Memories {
        /// Whose they are.
        scope: &'a Scope,
        /// What is remembered.
        memories: &'a [NewMemory],
    },
}

impl Part<'_> {
    /// How many memories it has.
    #[must_use]
    pub fn len(&self) -> usize {
        match self {
            Self::Turns { turns, .. } => turns.len(),
            Self::Memories { memories, .. } => memories.len(),
        }
    }

    /// Whether it has none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl LongTerm {
    /// Adds memories that are not turns, all or none. They are durable and can be found when this returns.
    ///
    /// # Errors
    /// When the store refuses one of them or cannot be written. A model that fails is no error: the memories are stored
    /// and found by their words.
    pub fn add(
        &self,
        scope: &Scope,
        memories: &[NewMemory],
        embed: Embed,
        now: Timestamp,
    ) -> Result<Written, LongTermError> {
        let (added, degraded) = self.embed_and_store(
            embed,
            || Analysed::new(memories.iter().map(passage::of_new)),
            |snapshot, analysed, serving| {
                let Some((scope, meaning)) = snapshot.scope_id(scope)?.zip(serving.meaning.as_ref()) else {
                    return Ok(());
                };
                analysed.look_up(snapshot, scope, meaning, Reading::Apart)
            },
            |()| Reading::Apart,
            |tx, analysed, row| put_memories(tx, scope, memories, (analysed, row), now),
        )?;
        Ok(Written { added, degraded })
    }

    /// Appends turns to a session, all or none.
    ///
    /// # Errors
    /// As [`LongTerm::add`], and when the session is not in the scope.
    pub fn append(&self, append: &Append<'_>) -> Result<Written, LongTermError> {
        self.append_and(append, |_, _| Ok(())).map(|(written, ())| written)
    }

    /// The same, and `then` in the same transaction, which one sync of the disk makes durable.
    ///
    /// # Errors
    /// As [`LongTerm::append`], and what `then` returns.
    pub fn append_and<T>(
        &self,
        append: &Append<'_>,
        then: impl FnOnce(&WriteTx<'_>, Appended<'_>) -> Result<T, StoreError>,
    ) -> Result<(Written, T), LongTermError> {
        let ((added, value), degraded) = self.embed_and_store(
            append.embed,
            || Analysed::new(append.turns.iter().map(passage::of_turn)),
            |snapshot, analysed, serving| prepare(snapshot, append, serving, analysed),
            |before| Reading::InARow { before: before.as_deref() },
            |tx, analysed, row| {
                let scope = tx.ensure_scope(append.scope)?;
                let session = append.session.ensure(tx, scope, append.now)?;
                let added = tx.append_turns(scope, session, append.turns, append.placement, append.now)?;
                analysed.put(tx, added.iter().map(Owner::Added), row)?;
                let appended = Appended { scope, session, added: &added };
                let value = then(tx, appended)?;
                Ok((added, value))
            },
        )?;
        Ok((Written { added, degraded }, value))
    }

    /// Stores an import, to be embedded later. Each group of parts is one transaction, and while it is stored the next one
    /// is analysed. `stored` is told what was added, part after part, when a group is durable.
    ///
    /// # Errors
    /// When the store refuses something or cannot be written. The groups before it stay.
    pub fn import<'a>(
        &self,
        groups: impl IntoIterator<Item = Vec<Part<'a>>>,
        now: Timestamp,
        stored: &mut dyn FnMut(&[Vec<Added>]),
    ) -> Result<(), LongTermError> {
        let mut groups = groups.into_iter();
        let mut ready = None;
        loop {
            let next = groups.next();
            let (done, prepared) = rayon::join(
                || ready.take().map(|group| self.put_group(group, now)).transpose(),
                || next.map(|parts| parts.into_iter().map(|part| (part, analyse_part(part))).collect()),
            );
            if let Some(added) = done? {
                stored(&added);
            }
            if prepared.is_none() {
                return Ok(());
            }
            ready = prepared;
        }
    }

    fn put_group(
        &self,
        group: Vec<(Part<'_>, Analysed<'_>)>,
        now: Timestamp,
    ) -> Result<Vec<Vec<Added>>, LongTermError> {
        self.store().write(|tx| {
            let put = |(part, analysed): &(Part<'_>, Analysed<'_>)| match *part {
                Part::Turns { scope, session, turns } => {
                    let scope = tx.ensure_scope(scope)?;
                    let session = session.ensure(tx, scope, now)?;
                    let added = tx.append_turns(scope, session, turns, Placement::LongTerm, now)?;
                    analysed.put(tx, added.iter().map(Owner::Added), None)?;
                    Ok(added)
                }
                Part::Memories { scope, memories } => put_memories(tx, scope, memories, (analysed, None), now),
            };
            group.iter().map(put).collect()
        })
    }
}

fn put_memories(
    tx: &WriteTx<'_>,
    scope: &Scope,
    memories: &[NewMemory],
    (analysed, row): (&Analysed<'_>, Option<ModelRow>),
    now: Timestamp,
) -> Result<Vec<Added>, LongTermError> {
    let added: Vec<Added> = memories.iter().map(|new| add_one(tx, scope, new, now)).collect::<Result<_, _>>()?;
    analysed.put(tx, added.iter().map(Owner::Added), row)?;
    Ok(added)
}

/// What is known before turns are embedded: vectors of equal texts, and what of the last turn of their session is
/// embedded, because those that follow are read with it in view.
fn prepare(
    snapshot: &Snapshot<'_>,
    append: &Append<'_>,
    serving: &Serving,
    analysed: &mut Analysed<'_>,
) -> Result<Option<String>, StoreError> {
    let Some(meaning) = &serving.meaning else { return Ok(None) };
    let Some(scope) = snapshot.scope_id(append.scope)? else { return Ok(None) };
    analysed.look_up(snapshot, scope, meaning, Reading::InARow { before: None })?;
    if meaning.pieces.is_none() {
        return Ok(None);
    }
    let Some(session) = append.session.find(snapshot, scope)? else { return Ok(None) };
    let embedded = |turn: Memory| Some(analyse(&passage::of_memory(&turn)).pop()?.embedded.into_owned());
    Ok(snapshot.last_turn(scope, session)?.and_then(embedded))
}

/// Adds a memory, and settles which one holds where it is about a slot.
fn add_one(tx: &WriteTx<'_>, scope: &Scope, new: &NewMemory, now: Timestamp) -> Result<Added, StoreError> {
    let Some(about) = new.state.about.as_ref().filter(|_| new.state.ended.is_none()) else {
        return tx.add_memory(scope, new, now);
    };
    let scope_row = tx.ensure_scope(scope)?;
    let holding = tx.memory_about(scope_row, about)?;
    let added = tx.add_memory(scope, new, now)?;
    if added.is_new {
        settle_slot(tx, scope_row, new, &added, holding, now)?;
    }
    Ok(added)
}

fn analyse_part(part: Part<'_>) -> Analysed<'_> {
    match part {
        Part::Turns { turns, .. } => Analysed::new(turns.iter().map(passage::of_turn)),
        Part::Memories { memories, .. } => Analysed::new(memories.iter().map(passage::of_new)),
    }
}
