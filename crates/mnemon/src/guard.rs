//! What does not come into memory: secrets, and what the assistant only repeats from it.

use std::borrow::Cow;
use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::{Mutex, PoisonError};

use mnemon_core::{
    EndReason, Ended, MemoryId, Metadata, NewMemory, NewTurn, Origin, Role, Scope, Slot, State, Timestamp,
};
use mnemon_guard::{EchoFilter, Fingerprint, GuardError, RedactionConfig, Redactor};
use mnemon_store::MemoryUpdate;
use sha2::{Digest, Sha256};

/// Scopes whose contexts are remembered; the one that showed nothing for the longest time leaves.
const SCOPES: usize = 64;
/// Texts that were shown and wait until something is said. A context shows some fifty.
const WAITING: usize = 512;

pub(crate) struct Guard {
    redactor: Redactor,
    shown: Mutex<HashMap<Scope, Shown>>,
}

/// What contexts of a scope showed.
#[derive(Default)]
struct Shown {
    filter: EchoFilter<MemoryId>,
    /// Not read yet: that is left to who says something, so that no context takes longer for it.
    waiting: VecDeque<(MemoryId, String)>,
    last: Option<Timestamp>,
}

impl Guard {
    pub(crate) fn new(config: RedactionConfig) -> Result<Self, GuardError> {
        Ok(Self { redactor: Redactor::new(config)?, shown: Mutex::default() })
    }

    /// A text without secrets.
    pub(crate) fn text<'t>(&self, text: &'t str) -> Cow<'t, str> {
        self.redactor.redact(text).text
    }

    /// A name without secrets, by which something is found again: two names that differ still do.
    pub(crate) fn name(&self, name: String) -> String {
        let redacted = self.redactor.redact(&name);
        if redacted.findings.is_empty() {
            return name;
        }
        let digest = Sha256::digest(name.as_bytes());
        let tail: String = digest.iter().take(8).map(|byte| format!("{byte:02x}")).collect();
        format!("{}#{tail}", redacted.text)
    }

    /// What is about to be stored without secrets, and how many of them had some.
    pub(crate) fn redact<'a, T: Stored>(&self, items: &'a [T]) -> (Cow<'a, [T]>, usize) {
        let mut clean = Cow::Borrowed(items);
        let mut redacted = 0;
        for (at, item) in items.iter().enumerate() {
            let mut copy = item.clone();
            if copy.redact(self)
                && let Some(slot) = clean.to_mut().get_mut(at)
            {
                *slot = copy;
                redacted += 1;
            }
        }
        if redacted > 0 {
            tracing::info!(memories = redacted, "secrets were redacted before storing");
        }
        (clean, redacted)
    }

    /// Remembers what was shown of memory in a scope.
    pub(crate) fn show<'t>(&self, scope: &Scope, texts: impl Iterator<Item = (MemoryId, &'t str)>, now: Timestamp) {
        let mut scopes = self.shown.lock().unwrap_or_else(PoisonError::into_inner);
        if !scopes.contains_key(scope) && scopes.len() >= SCOPES {
            let oldest = scopes.iter().min_by_key(|(_, shown)| shown.last).map(|(scope, _)| scope.clone());
            oldest.map(|oldest| scopes.remove(&oldest));
        }
        let shown = scopes.entry(scope.clone()).or_default();
        shown.last = Some(now);
        shown.waiting.extend(texts.map(|(id, text)| (id, text.to_owned())));
        let excess = shown.waiting.len().saturating_sub(WAITING);
        shown.waiting.drain(..excess);
    }

    /// Forgets that a memory was shown: it is gone, or says something else from now on.
    pub(crate) fn forget_memory(&self, scope: &Scope, id: MemoryId) {
        let mut scopes = self.shown.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(shown) = scopes.get_mut(scope) {
            shown.waiting.retain(|(of, _)| *of != id);
            shown.filter.forget(&id);
        }
    }

    /// Forgets what was shown of a scope.
    pub(crate) fn forget(&self, scope: &Scope) {
        self.shown.lock().unwrap_or_else(PoisonError::into_inner).remove(scope);
    }

    /// Turns of the assistant and of tools that only repeat what was recalled end where they begin: they are part of the
    /// conversation, and are not found beside what they repeat. Returns how many did.
    pub(crate) fn end_echoes(&self, scope: &Scope, turns: &mut Cow<'_, [NewTurn]>, now: Timestamp) -> usize {
        let repeats = |role| matches!(role, Role::Assistant | Role::Tool);
        if !turns.iter().any(|turn| repeats(turn.role)) {
            return 0;
        }
        let mut scopes = self.shown.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(shown) = scopes.get_mut(scope) else { return 0 };
        shown.read();
        let echoes: Vec<(usize, Ended)> = (turns.iter().enumerate())
            .filter(|(_, turn)| repeats(turn.role) && turn.state.ended.is_none())
            .filter(|(_, turn)| shown.filter.share(&turn.text) >= EchoFilter::<MemoryId>::THRESHOLD)
            .map(|(at, turn)| (at, shown.filter.closest(&turn.text).copied()))
            .map(|(at, by)| (at, Ended { at: now, why: EndReason::Merged, by }))
            .collect();
        for (at, ended) in &echoes {
            if let Some(turn) = turns.to_mut().get_mut(*at) {
                turn.state.ended = Some(*ended);
            }
        }
        echoes.len()
    }
}

impl Shown {
    /// Reads what waits, in the order in which it was shown last. Of a memory several texts may have been shown: passages.
    fn read(&mut self) {
        let waiting = std::mem::take(&mut self.waiting);
        let mut known = HashSet::with_capacity(waiting.len());
        let mut last: Vec<&(MemoryId, String)> = waiting.iter().rev().filter(|shown| known.insert(*shown)).collect();
        last.reverse();
        last.into_iter().for_each(|(id, text)| self.filter.show(*id, Fingerprint::of(text)));
    }
}

/// What is stored, with all its texts.
pub(crate) trait Stored: Clone {
    /// Takes secrets out. Says whether there were any.
    fn redact(&mut self, guard: &Guard) -> bool;
}

impl Stored for NewTurn {
    fn redact(&mut self, guard: &Guard) -> bool {
        // All fields by name, so that one more cannot be forgotten here.
        let Self { text, caption, speaker, metadata, origin, state, role: _, priority: _, occurred_at: _, trust: _ } =
            self;
        let speaker = speaker.as_mut().is_some_and(|speaker| guard.replace(speaker));
        let told = guard.replace(text) | guard.replace_all(caption, metadata) | speaker;
        told | guard.replace_origin(origin) | guard.replace_about(state)
    }
}

impl Stored for NewMemory {
    fn redact(&mut self, guard: &Guard) -> bool {
        let Self { text, caption, metadata, origin, state, kind: _, pinned: _, priority: _, occurred_at: _, trust: _ } =
            self;
        let told = guard.replace(text) | guard.replace_all(caption, metadata);
        told | guard.replace_origin(origin) | guard.replace_about(state)
    }
}

impl Stored for MemoryUpdate {
    fn redact(&mut self, guard: &Guard) -> bool {
        let Self { text, metadata, pinned: _, priority: _, trust: _, importance: _, expires_at: _ } = self;
        let text = text.as_mut().is_some_and(|text| guard.replace(text));
        text | metadata.as_mut().is_some_and(|metadata| guard.replace_all(&mut None, metadata))
    }
}

impl Guard {
    fn replace(&self, text: &mut String) -> bool {
        let redacted = self.redactor.redact(text);
        let found = !redacted.findings.is_empty();
        if found {
            *text = redacted.text.into_owned();
        }
        found
    }

    fn replace_all(&self, caption: &mut Option<String>, metadata: &mut Metadata) -> bool {
        let caption = caption.as_mut().is_some_and(|caption| self.replace(caption));
        caption | (!metadata.is_empty() && !self.redactor.redact_metadata(metadata).is_empty())
    }

    fn replace_name(&self, name: &mut String) -> bool {
        let clean = self.name(name.clone());
        let found = clean != *name;
        *name = clean;
        found
    }

    fn replace_origin(&self, origin: &mut Option<Origin>) -> bool {
        origin.as_mut().is_some_and(|origin| self.replace_name(&mut origin.source) | self.replace_name(&mut origin.id))
    }

    fn replace_about(&self, state: &mut State) -> bool {
        state.about.as_mut().is_some_and(|about| self.replace_slot(about))
    }

    pub(crate) fn replace_slot(&self, about: &mut Slot) -> bool {
        self.replace_name(&mut about.subject) | self.replace_name(&mut about.slot)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::UNIX_EPOCH;

    /// Shows texts, then has the assistant say something. What it repeats, if it does.
    fn repeats(guard: &Guard, shown: &[(MemoryId, &str)], said: &str) -> Option<MemoryId> {
        guard.show(&Scope::default(), shown.iter().copied(), NOW);
        let mut turns = Cow::Owned(vec![NewTurn::new(Role::Assistant, said)]);
        guard.end_echoes(&Scope::default(), &mut turns, NOW);
        turns.first().and_then(|turn| turn.state.ended?.by)
    }

    #[test]
    fn each_passage_that_was_shown_of_a_memory_is_known_again() {
        let guard = Guard::new(RedactionConfig::default()).unwrap();
        let id = MemoryId::new(NOW);
        let passages = [(id, "the ferry to Bergen leaves at nine"), (id, "the bakery by the quay opens at six")];
        for (_, said) in passages {
            assert_eq!(repeats(&guard, &passages, said), Some(id), "{said}");
        }
    }

    #[test]
    fn of_equals_the_one_shown_last_is_repeated() {
        let said = "the ferry to Bergen leaves at nine";
        for _ in 0..20 {
            let guard = Guard::new(RedactionConfig::default()).unwrap();
            let shown: Vec<(MemoryId, String)> = (0..9).map(|n| (MemoryId::new(NOW), format!("{said} {n}"))).collect();
            let again = shown.iter().chain(shown.first()).map(|(id, text)| (*id, text.as_str()));
            let again: Vec<(MemoryId, &str)> = again.collect();
            assert_eq!(repeats(&guard, &again, said), shown.first().map(|(id, _)| *id));
        }
    }
}
