//! A new session takes over from one whose context is full.

use std::mem;

use mnemon_core::Timestamp;
use serde::{Deserialize, Serialize};

use super::handover::Legacy;
use super::{
    AGENT, Agent, AgentId, ContextMonitor, HandoverRequest, NextIssue, RotationPhase, RotationRecord, Usage, failed,
};
use crate::{CompactError, MESSAGE_TOKENS, Means, count_tokens};

/// What a rotation did. Whatever happened, the agent that it was asked for is usable: it is the new one when
/// [`success`](SessionRotation::success) says so, else the old one, which then was only read.
#[must_use = "it says whether the agent was replaced, and holds sessions that could not be closed"]
#[non_exhaustive]
pub struct SessionRotation<A> {
    /// The old session.
    pub old: AgentId,
    /// The new session, where it was started.
    pub new: Option<AgentId>,
    /// The id of the issue that was handed over.
    pub issue: String,
    /// When, as the caller said.
    pub at: Timestamp,
    /// How full the old context was.
    pub before: Option<Usage>,
    /// How full the new one is after its first answer, where that is known.
    pub after: Option<Usage>,
    /// The handover context, as it was built.
    pub handover: Option<String>,
    /// Its tokens.
    pub handover_tokens: usize,
    /// How many messages went to the new session word for word: what is critical and what the system says.
    pub carried: usize,
    /// What the new session answered to the issue.
    pub answer: Option<String>,
    /// Whether the agent is the new session now.
    pub success: bool,
    /// What went wrong, in order. Without success the first is the reason, and what follows went wrong when it was
    /// undone; with it the switch stands, and something after it failed.
    pub problems: Vec<RotationProblem>,
    /// Sessions that could not be closed, to be closed by the caller: the new one of a rotation that was undone, or the
    /// old one. None is dropped without a word.
    pub left_over: Vec<LeftOver<A>>,
}

/// What a rotation does, in order. Up to the switch each step leaves the old session as it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum RotationStep {
    /// Reads the usage and the history of the old session.
    Measure,
    /// Builds the handover, and sees that it fits.
    Handover,
    /// Starts the new session.
    Spawn,
    /// Gives it what it begins with, and reads that back.
    Carry,
    /// Writes down that it is about to begin.
    Log,
    /// Tells it the issue. From then on it works; the agent is switched right after.
    Transfer,
    /// Closes the old session.
    Close,
    /// Closes the new session, where a step before the switch failed.
    Undo,
    /// Writes down how it ended.
    Record,
}

/// A step that failed.
#[derive(Debug)]
pub struct RotationProblem {
    /// Which.
    pub step: RotationStep,
    /// Why.
    pub why: CompactError,
}

/// A session that could not be closed.
pub struct LeftOver<A> {
    /// The session.
    pub id: AgentId,
    /// The agent, to close it later.
    pub agent: A,
}

impl<A> std::fmt::Debug for LeftOver<A> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("LeftOver").field("id", &self.id).finish_non_exhaustive()
    }
}

// An agent need not be printable.
impl<A> std::fmt::Debug for SessionRotation<A> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SessionRotation")
            .field("old", &self.old)
            .field("new", &self.new)
            .field("issue", &self.issue)
            .field("at", &self.at)
            .field("before", &self.before)
            .field("after", &self.after)
            .field("handover_tokens", &self.handover_tokens)
            .field("carried", &self.carried)
            .field("success", &self.success)
            .field("problems", &self.problems)
            .field("left_over", &self.left_over)
            .finish_non_exhaustive()
    }
}

impl<A> SessionRotation<A> {
    /// The step for which the old session stayed in use; `None` when it did not.
    #[must_use]
    pub fn failed_at(&self) -> Option<RotationStep> {
        if self.success { None } else { self.problems.first().map(|problem| problem.step) }
    }

    fn record(&self, phase: RotationPhase) -> RotationRecord {
        RotationRecord {
            at: self.at,
            phase,
            old: self.old.clone(),
            new_session: self.new.as_ref().map(|id| id.session.clone()),
            issue: self.issue.clone(),
            before: self.before,
            after: self.after,
            handover_tokens: self.handover_tokens,
            carried: self.carried,
        }
    }

    fn outcome(&self) -> RotationPhase {
        let left_over = self.left_over.iter().map(|left| left.id.session.clone()).collect();
        match self.problems.first() {
            Some(problem) if !self.success => {
                RotationPhase::Undone { step: problem.step, why: problem.why.to_string(), left_over }
            }
            _ => RotationPhase::Rotated { left_over },
        }
    }
}

impl ContextMonitor {
    /// Has a new session of the same kind take over: builds the handover, starts the session, gives it what is critical
    /// and the handover, tells it the next issue, and closes the old one. `agent` is the new session then.
    ///
    /// It is all or nothing. Everything that can fail comes before the switch and leaves the old session as it is: when a
    /// step fails, the new session is closed again and `agent` is the old one. The switch itself cannot fail. What fails
    /// after it (closing the old session, writing down the end) is told, and does not undo it: the new session is at work
    /// by then. A session that fails to close each time is handed to the caller. Should the agent's own code panic,
    /// that passes through, and `agent` is a whole session, the old or the new.
    ///
    /// It does not look whether it is due. `now` goes into the log.
    pub fn trigger_rotation<A: Agent>(
        &mut self,
        agent: &mut A,
        next: &NextIssue,
        means: &Means<'_>,
        now: Timestamp,
    ) -> SessionRotation<A> {
        let mut rotation = SessionRotation {
            old: agent.id(),
            new: None,
            issue: next.id.clone(),
            at: now,
            before: None,
            after: None,
            handover: None,
            handover_tokens: 0,
            carried: 0,
            answer: None,
            success: false,
            problems: Vec::new(),
            left_over: Vec::new(),
        };
        let mut spawned = None;
        let prepared = self.prepare(agent, next, means, &mut spawned, &mut rotation);
        match (prepared, spawned) {
            (Ok(()), Some(new)) => {
                let old = mem::replace(agent, new);
                rotation.success = true;
                self.watch.forget(&rotation.old.session);
                self.close(old, RotationStep::Close, &mut rotation);
                rotation.after = self.usage(agent, means.counter).ok();
            }
            (prepared, spawned) => {
                rotation.problems.extend(prepared.err());
                if let Some(new) = spawned {
                    self.close(new, RotationStep::Undo, &mut rotation);
                }
            }
        }
        let record = rotation.record(rotation.outcome());
        if let Err(source) = self.log.record(&record) {
            let why = failed(LOG, "write down the end of a rotation", source);
            rotation.problems.push(RotationProblem { step: RotationStep::Record, why });
        }
        trace(&rotation);
        rotation
    }

    /// Every step before the switch. The new session is in `spawned` as soon as there is one.
    fn prepare<A: Agent>(
        &mut self,
        agent: &A,
        next: &NextIssue,
        means: &Means<'_>,
        spawned: &mut Option<A>,
        rotation: &mut SessionRotation<A>,
    ) -> Result<(), RotationProblem> {
        let at = |step| move |why| RotationProblem { step, why };

        let measure = at(RotationStep::Measure);
        self.check_settings().map_err(measure)?;
        let before = self.usage(agent, means.counter).map_err(measure)?;
        rotation.before = Some(before);
        let history = agent.history().map_err(|source| measure(failed(AGENT, "give its history", source)))?;

        let request = HandoverRequest {
            old: &rotation.old,
            history: &history,
            next,
            max_tokens: self.handover_max_tokens.min(before.total / 4).max(1),
            means: *means,
        };
        let text = self.handover.build(&request);
        let text = text.map_err(|source| at(RotationStep::Handover)(failed("handover", "be built", source)))?;
        let legacy = Legacy::new(&request, &text).map_err(at(RotationStep::Handover))?;
        drop(history);
        (rotation.handover_tokens, rotation.carried) = (legacy.handover_tokens, legacy.carried);
        rotation.handover = Some(text);
        let message = next.message();
        self.check_room(&legacy, &message, before, means).map_err(at(RotationStep::Handover))?;

        let new = agent.spawn().map_err(|source| at(RotationStep::Spawn)(failed(AGENT, "start a session", source)))?;
        let id = new.id();
        if id.session == rotation.old.session {
            // It must not be closed: that would be the old one.
            let (expected, got) = ("a session of its own".to_owned(), format!("the old one, {}", id.session));
            return Err(at(RotationStep::Spawn)(CompactError::BadAgent { expected, got }));
        }
        let new = spawned.insert(new);
        rotation.new = Some(id.clone());
        if id.kind != rotation.old.kind {
            let expected = format!("a session of the kind {:?}", rotation.old.kind);
            let got = format!("one of {:?}", id.kind);
            return Err(at(RotationStep::Spawn)(CompactError::BadAgent { expected, got }));
        }

        let carry = at(RotationStep::Carry);
        let given = new.replace_history(legacy.messages.clone());
        given.map_err(|source| carry(failed(AGENT, "take its first messages", source)))?;
        let held = new.history().map_err(|source| carry(failed(AGENT, "give its history", source)))?;
        if !legacy.is_in(&held) {
            let expected = format!("the {} messages that it was given", legacy.messages.len());
            let got = format!("{} others", held.len());
            return Err(carry(CompactError::BadAgent { expected, got }));
        }
        drop(held);

        let begun = self.log.record(&rotation.record(RotationPhase::Begun));
        begun.map_err(|source| at(RotationStep::Log)(failed(LOG, "write down a rotation", source)))?;

        let answer = new.send_message(&message);
        rotation.answer =
            Some(answer.map_err(|source| at(RotationStep::Transfer)(failed(AGENT, "take the issue", source)))?);
        Ok(())
    }

    /// A session that begins nearly full would rotate again at once, and for ever.
    fn check_room(&self, legacy: &Legacy, issue: &str, before: Usage, means: &Means<'_>) -> Result<(), CompactError> {
        let got = count_tokens(&legacy.messages, means.counter) + means.counter.count(issue) + MESSAGE_TOKENS;
        let full = self.thresholds.compact_tokens(before.total)?;
        if got >= full { Err(CompactError::OverBudget { expected: full.saturating_sub(1), got }) } else { Ok(()) }
    }

    fn close<A: Agent>(&self, mut agent: A, step: RotationStep, rotation: &mut SessionRotation<A>) {
        let mut last = agent.close();
        for _ in 1..self.close_attempts {
            if last.is_ok() {
                break;
            }
            last = agent.close();
        }
        if let Err(source) = last {
            rotation.problems.push(RotationProblem { step, why: failed(AGENT, "close a session", source) });
            rotation.left_over.push(LeftOver { id: agent.id(), agent });
        }
    }
}

/// Who fails, as errors name it.
const LOG: &str = "log";

fn trace<A>(rotation: &SessionRotation<A>) {
    let (kind, old) = (&rotation.old.kind, &rotation.old.session);
    let new = rotation.new.as_ref().map(|id| id.session.as_str());
    let (before, issue) = (rotation.before.map(|usage| usage.used), &rotation.issue);
    if rotation.success {
        tracing::info!(kind, old, new, before, issue, "a new session took over");
    } else {
        tracing::warn!(kind, old, new, before, issue, "no new session took over");
    }
    for RotationProblem { step, why } in &rotation.problems {
        tracing::warn!(old, new, ?step, error = why as &dyn std::error::Error, "a step of a rotation failed");
    }
}
