//! Rotation when anything may fail: whatever does, exactly one session stays in use, and nothing else stays open that the
//! result does not hold.
//!
//! The provider is a table of sessions that fails where it is told to; monitor, handover and summaries are the real ones.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use std::borrow::Cow;
use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use mnemon_compact::{
    Agent, AgentError, AgentId, CompactError, ContextMonitor, Extractive, HandoverRequest, Means, Message, ModelTier,
    NextIssue, RotationPhase, RotationRecord, RotationStep, SessionRotation, Summarizer, SummaryRequest, Usage,
    UsageFrom, check_order,
};
use mnemon_core::{EstimateCounter, Timestamp};
use proptest::prelude::{Strategy, any, prop};
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};

/// What may be told to fail.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Fault {
    Usage,
    OldHistory,
    Handover,
    Spawn,
    Replace,
    NewHistory,
    Log,
    Send,
    CloseOld,
    CloseNew,
    Record,
}

const FAULTS: [Fault; 11] = [
    Fault::Usage,
    Fault::OldHistory,
    Fault::Handover,
    Fault::Spawn,
    Fault::Replace,
    Fault::NewHistory,
    Fault::Log,
    Fault::Send,
    Fault::CloseOld,
    Fault::CloseNew,
    Fault::Record,
];

impl Fault {
    fn step(self) -> RotationStep {
        match self {
            Self::Usage | Self::OldHistory => RotationStep::Measure,
            Self::Handover => RotationStep::Handover,
            Self::Spawn => RotationStep::Spawn,
            Self::Replace | Self::NewHistory => RotationStep::Carry,
            Self::Log => RotationStep::Log,
            Self::Send => RotationStep::Transfer,
            Self::CloseOld => RotationStep::Close,
            Self::CloseNew => RotationStep::Undo,
            Self::Record => RotationStep::Record,
        }
    }
}

/// How often something fails, and whether it has done its work by then.
#[derive(Debug, Clone, Copy)]
struct Failing {
    times: u32,
    after: bool,
}

#[derive(Debug, Clone)]
struct Session {
    kind: String,
    messages: Vec<Message>,
    is_open: bool,
}

/// The sessions that there are, the log, and what is to fail.
#[derive(Debug, Default)]
struct Provider {
    sessions: BTreeMap<String, Session>,
    records: Vec<RotationRecord>,
    faults: BTreeMap<Fault, Failing>,
    /// What failed, in order.
    failed: Vec<Fault>,
    /// What a new session is called, and what it is, where that is not as it should be.
    new_name: Option<&'static str>,
    new_kind: Option<&'static str>,
    /// A new session forgets what it was given.
    is_forgetful: bool,
    panics_at: Option<Fault>,
}

impl Provider {
    /// Does something, fails, or both.
    fn call<T>(&mut self, fault: Fault, work: impl FnOnce(&mut Self) -> T) -> Result<T, AgentError> {
        assert!(self.panics_at != Some(fault), "told to panic");
        let Some(failing) = self.faults.get_mut(&fault).filter(|failing| failing.times > 0) else {
            return Ok(work(self));
        };
        failing.times -= 1;
        if failing.after {
            work(self);
        }
        self.failed.push(fault);
        Err(format!("{fault:?} was told to fail").into())
    }

    fn open(&self) -> BTreeSet<String> {
        self.sessions.iter().filter(|(_, session)| session.is_open).map(|(name, _)| name.clone()).collect()
    }
}

type Shared = Arc<Mutex<Provider>>;

fn lock(provider: &Shared) -> MutexGuard<'_, Provider> {
    provider.lock().unwrap_or_else(PoisonError::into_inner)
}

#[derive(Debug, Clone)]
struct Handle {
    provider: Shared,
    session: String,
    is_new: bool,
}

impl Handle {
    fn messages(&self) -> Vec<Message> {
        lock(&self.provider).sessions[&self.session].messages.clone()
    }
}

impl Agent for Handle {
    fn id(&self) -> AgentId {
        AgentId::new(lock(&self.provider).sessions[&self.session].kind.clone(), self.session.clone())
    }

    fn history(&self) -> Result<Cow<'_, [Message]>, AgentError> {
        let fault = if self.is_new { Fault::NewHistory } else { Fault::OldHistory };
        lock(&self.provider).call(fault, |_| ())?;
        Ok(Cow::Owned(self.messages()))
    }

    fn context_usage(&self) -> Result<Option<Usage>, AgentError> {
        lock(&self.provider).call(Fault::Usage, |_| Some(Usage { used: 4_800, total: 5_000 }))
    }

    fn send_message(&mut self, text: &str) -> Result<String, AgentError> {
        let name = self.session.clone();
        lock(&self.provider).call(Fault::Send, |provider| {
            let session = provider.sessions.get_mut(&name).unwrap();
            assert!(session.is_open, "a closed session was asked");
            session.messages.push(Message::user(text));
            // Every provider would take it.
            check_order(&session.messages).unwrap();
            let answer = format!("I have read {} messages.", session.messages.len());
            session.messages.push(Message::assistant(answer.as_str()));
            answer
        })
    }

    fn replace_history(&mut self, messages: Vec<Message>) -> Result<(), AgentError> {
        let name = self.session.clone();
        assert!(self.is_new, "a rotation only reads the old session");
        lock(&self.provider).call(Fault::Replace, |provider| {
            let messages = if provider.is_forgetful { Vec::new() } else { messages };
            provider.sessions.get_mut(&name).unwrap().messages = messages;
        })
    }

    fn spawn(&self) -> Result<Self, AgentError> {
        let kind = self.id().kind;
        let mut provider = lock(&self.provider);
        // A session that fails to start is not there.
        if let Some(failing) = provider.faults.get_mut(&Fault::Spawn) {
            failing.after = false;
        }
        let session = provider.call(Fault::Spawn, |provider| {
            let name = provider.new_name.map_or_else(|| format!("s{}", provider.sessions.len() + 1), str::to_owned);
            let kind = provider.new_kind.map_or(kind, str::to_owned);
            let session = Session { kind, messages: Vec::new(), is_open: true };
            provider.sessions.entry(name.clone()).or_insert(session);
            name
        })?;
        Ok(Self { provider: Arc::clone(&self.provider), session, is_new: true })
    }

    fn close(&mut self) -> Result<(), AgentError> {
        let name = self.session.clone();
        let fault = if self.is_new { Fault::CloseNew } else { Fault::CloseOld };
        lock(&self.provider).call(fault, |provider| provider.sessions.get_mut(&name).unwrap().is_open = false)
    }
}

/// A session in use, and its monitor.
struct Stage {
    provider: Shared,
    agent: Handle,
    monitor: ContextMonitor,
    before: Vec<Message>,
}

const FACT: &str = "The launch code of the red boat is 4711.";

impl Stage {
    /// A conversation of so many exchanges about boats, after one about a fact and one that is critical.
    fn new(exchanges: usize, faults: BTreeMap<Fault, Failing>) -> Self {
        let mut before = vec![
            Message::system("You help with boats."),
            Message::user(FACT),
            Message::assistant("I'll remember that."),
            Message::user("Never delete the table of boats.").critical(),
            Message::assistant("Never."),
        ];
        for i in 0..exchanges {
            before.push(Message::user(format!("On day {i} boat {i} left for Harbour{}.", i % 7)));
            before.push(Message::assistant(format!("Noted: {} boats are out now.", i + 1)));
        }
        let session = Session { kind: "coder".to_owned(), messages: before.clone(), is_open: true };
        let sessions = BTreeMap::from([("s1".to_owned(), session)]);
        let provider = Arc::new(Mutex::new(Provider { sessions, faults, ..Provider::default() }));
        let (building, logging) = (Arc::clone(&provider), Arc::clone(&provider));
        let monitor = ContextMonitor::new(UsageFrom::AgentOrMessages(ModelTier::Limit(5_000)))
            .with_handover(Box::new(move |request: &HandoverRequest<'_>| {
                lock(&building).call(Fault::Handover, |_| ())?;
                let asked = SummaryRequest::of(request.history, request.max_tokens, request.means.counter);
                Ok(Extractive::default().summarise(&asked)?.text)
            }))
            .with_log(Box::new(move |record: &RotationRecord| {
                let fault = if record.phase == RotationPhase::Begun { Fault::Log } else { Fault::Record };
                lock(&logging).call(fault, |provider| provider.records.push(record.clone()))
            }));
        let agent = Handle { provider: Arc::clone(&provider), session: "s1".to_owned(), is_new: false };
        Self { provider, agent, monitor, before }
    }

    fn rotate(&mut self) -> SessionRotation<Handle> {
        let extractive = Extractive::default();
        let means = Means { counter: &EstimateCounter, vectors: None, summarizer: &extractive };
        let next = NextIssue::new("152", "Rotate sessions", "Start with the tests.");
        self.monitor.trigger_rotation(&mut self.agent, &next, &means, Timestamp::UNIX_EPOCH)
    }

    /// What has to be true after every rotation, whatever failed. Gives the steps that did.
    fn check(mut self, rotation: SessionRotation<Handle>) -> BTreeSet<RotationStep> {
        let steps: BTreeSet<RotationStep> = rotation.problems.iter().map(|problem| problem.step).collect();
        let left_over: BTreeSet<String> = rotation.left_over.iter().map(|left| left.id.session.clone()).collect();
        let in_use = self.agent.session.clone();

        // One session is in use, and of the others those are open that the result holds. (One that closed and said that
        // it failed to is held too: nobody can know.)
        let mut others = lock(&self.provider).open();
        assert!(others.remove(&in_use), "the session in use is closed");
        assert!(others.is_subset(&left_over), "{others:?} are open, and the result holds {left_over:?}");
        assert!(!left_over.contains(&in_use), "the session in use is given away");

        // The result names the first step that failed, if the switch was not made by then.
        let failed = lock(&self.provider).failed.clone();
        let first = failed.iter().map(|fault| fault.step()).find(|step| *step <= RotationStep::Transfer);
        assert_eq!(rotation.success, first.is_none(), "{failed:?}");
        let held = self.agent.messages();
        if rotation.success {
            assert_eq!((in_use.as_str(), rotation.failed_at()), ("s2", None));
            assert_eq!(rotation.new.as_ref().unwrap(), &AgentId::new("coder", "s2"));
            assert!(steps.iter().all(|step| *step > RotationStep::Transfer), "{steps:?}");
            // What was handed over is what the old session had.
            let protected: Vec<&Message> = self.before.iter().filter(|message| message.is_protected()).collect();
            for message in &protected {
                assert!(held.iter().any(|held| held.content == message.content), "{:?} is lost", message.content);
            }
            assert_eq!(rotation.carried, protected.len());
            let handover = rotation.handover.clone().unwrap();
            assert!(handover.contains(FACT) && held.iter().any(|held| held.content.ends_with(&handover)));
            let [.., issue, answer] = held.as_slice() else { panic!("expected an issue and an answer") };
            assert!(issue.content.contains("152: Rotate sessions"));
            assert_eq!(rotation.answer.as_ref(), Some(&answer.content));
        } else {
            assert_eq!((in_use.as_str(), rotation.failed_at()), ("s1", first));
            assert_eq!(held, self.before, "the old session was changed");
        }
        assert!(rotation.problems.iter().all(|problem| matches!(problem.why, CompactError::Outside { .. })));

        // No session was told to begin that the log does not know of; and it knows how it ended.
        let records = lock(&self.provider).records.clone();
        if rotation.success || rotation.failed_at() == Some(RotationStep::Transfer) {
            assert!(records.iter().any(|record| record.phase == RotationPhase::Begun));
        }
        if !steps.contains(&RotationStep::Record) {
            let (is_right, known) = match &records.last().unwrap().phase {
                RotationPhase::Rotated { left_over } => (rotation.success, left_over),
                RotationPhase::Undone { step, left_over, .. } => (rotation.failed_at() == Some(*step), left_over),
                _ => panic!("expected the end of the rotation in the log"),
            };
            assert!(is_right, "{records:?}");
            assert_eq!(known.iter().cloned().collect::<BTreeSet<_>>(), left_over);
        }

        // The session in use answers, and whoever has the others can close them.
        lock(&self.provider).faults.clear();
        self.agent.send_message("Are you there?").unwrap();
        for mut left in rotation.left_over {
            left.agent.close().unwrap();
        }
        assert_eq!(lock(&self.provider).open(), BTreeSet::from([in_use]));
        steps
    }
}

#[test]
fn a_session_takes_over() {
    let mut stage = Stage::new(20, BTreeMap::new());
    let rotation = stage.rotate();
    assert!(rotation.success && rotation.problems.is_empty() && rotation.left_over.is_empty(), "{rotation:?}");
    assert_eq!((rotation.old.session.as_str(), rotation.issue.as_str()), ("s1", "152"));
    assert_eq!(rotation.before.unwrap().share(), 0.96);
    assert!(rotation.handover_tokens > 0 && rotation.handover_tokens <= 1_250);
    let records = lock(&stage.provider).records.clone();
    assert_eq!(records.len(), 2);
    assert_eq!((records[0].phase.clone(), records[0].new_session.as_deref()), (RotationPhase::Begun, Some("s2")));
    assert_eq!(records[1].phase, RotationPhase::Rotated { left_over: Vec::new() });
    let json = serde_json::to_string(&records[1]).unwrap();
    assert_eq!(serde_json::from_str::<RotationRecord>(&json).unwrap(), records[1]);
    assert_eq!(lock(&stage.provider).open(), BTreeSet::from(["s2".to_owned()]));
    assert!(stage.check(rotation).is_empty());
}

/// Without a handover and a log of the owner's.
#[test]
fn the_usual_handover_is_a_summary() {
    let mut stage = Stage::new(20, BTreeMap::new());
    stage.monitor = ContextMonitor::new(UsageFrom::Messages(ModelTier::Limit(5_000)));
    let rotation = stage.rotate();
    assert!(rotation.success && rotation.problems.is_empty(), "{rotation:?}");
    assert!(rotation.handover.as_ref().unwrap().contains("user: On day 3 boat 3 left for Harbour3."), "{rotation:?}");
    // What is carried over word for word is not told twice.
    assert!(!rotation.handover.unwrap().contains("Never delete"));
    let held = stage.agent.messages();
    assert_eq!(
        (held[0].content.as_str(), held[1].content.as_str()),
        ("You help with boats.", "Never delete the table of boats.")
    );
}

/// Each single fault, before and after its work was done, and for as long as it lasts.
#[test]
fn each_step_that_fails_is_named_and_undone() {
    let mut seen = BTreeSet::new();
    for fault in FAULTS {
        for (times, after) in [(1, false), (1, true), (9, false), (9, true)] {
            let mut faults = BTreeMap::from([(fault, Failing { times, after })]);
            if fault == Fault::CloseNew {
                // It is closed when something before failed.
                faults.insert(Fault::Send, Failing { times: 1, after: true });
            }
            let mut stage = Stage::new(20, faults);
            let rotation = stage.rotate();
            let is_closing = matches!(fault, Fault::CloseOld | Fault::CloseNew);
            // Closing is tried again.
            assert_eq!(rotation.left_over.len(), usize::from(is_closing && times > 3), "{fault:?}: {rotation:?}");
            let is_named = rotation.problems.iter().any(|problem| problem.step == fault.step());
            assert_eq!(is_named, !is_closing || times > 3, "{fault:?}: {rotation:?}");
            seen.extend(stage.check(rotation));
        }
    }
    let all: BTreeSet<RotationStep> = FAULTS.into_iter().map(Fault::step).collect();
    assert_eq!(seen, all);
}

#[test]
fn a_thousand_random_faults_leave_one_usable_session() {
    // A seed of its own: the same thousand each time.
    let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &[7; 32]);
    let config = Config { cases: 1_000, failure_persistence: None, ..Config::default() };
    let failing = (1u32..5, any::<bool>()).prop_map(|(times, after)| Failing { times, after });
    let faults = prop::collection::btree_map(prop::sample::select(&FAULTS[..]), failing, 0..6);
    let seen: RefCell<BTreeMap<RotationStep, usize>> = RefCell::default();
    let outcomes: RefCell<(usize, usize, usize)> = RefCell::default();
    let run = TestRunner::new_with_rng(config, rng).run(&(faults, 0usize..40), |(faults, exchanges)| {
        let mut stage = Stage::new(exchanges, faults);
        let rotation = stage.rotate();
        {
            let mut outcomes = outcomes.borrow_mut();
            outcomes.0 += usize::from(rotation.success);
            outcomes.1 += usize::from(!rotation.success);
            outcomes.2 += usize::from(!rotation.left_over.is_empty());
        }
        for step in stage.check(rotation) {
            *seen.borrow_mut().entry(step).or_default() += 1;
        }
        Ok(())
    });
    run.unwrap();
    let (rotated, undone, left_over) = outcomes.into_inner();
    println!("{rotated} rotated, {undone} undone, {left_over} with a session left over; steps: {seen:?}");
    assert!(rotated > 100 && undone > 300 && left_over > 20);
    let all: BTreeSet<RotationStep> = FAULTS.into_iter().map(Fault::step).collect();
    assert_eq!(seen.into_inner().into_keys().collect::<BTreeSet<_>>(), all);
}

/// Agents that say that all is well when it is not.
#[test]
fn what_an_agent_does_wrong_is_noticed() {
    #[track_caller]
    fn check(wrong: impl FnOnce(&mut Provider), step: RotationStep, expected: &str) -> Stage {
        let mut stage = Stage::new(5, BTreeMap::new());
        wrong(&mut lock(&stage.provider));
        let rotation = stage.rotate();
        assert_eq!(rotation.failed_at(), Some(step), "{rotation:?}");
        assert_eq!(rotation.problems[0].why.to_string(), expected);
        assert_eq!(lock(&stage.provider).open(), BTreeSet::from(["s1".to_owned()]));
        assert_eq!(stage.agent.messages(), stage.before);
        stage
    }
    check(
        |provider| provider.new_name = Some("s1"),
        RotationStep::Spawn,
        "expected a session of its own from the agent, got the old one, s1",
    );
    check(
        |provider| provider.new_kind = Some("writer"),
        RotationStep::Spawn,
        "expected a session of the kind \"coder\" from the agent, got one of \"writer\"",
    );
    check(
        |provider| provider.is_forgetful = true,
        RotationStep::Carry,
        "expected the 5 messages that it was given from the agent, got 0 others",
    );
}

#[test]
fn a_session_that_would_begin_full_is_not_started() {
    let mut stage = Stage::new(5, BTreeMap::new());
    let long = Message::user("boats and harbours ".repeat(2_500)).critical();
    lock(&stage.provider).sessions.get_mut("s1").unwrap().messages.push(long);
    let rotation = stage.rotate();
    assert_eq!(rotation.failed_at(), Some(RotationStep::Handover));
    assert!(matches!(rotation.problems[0].why, CompactError::OverBudget { expected: 3_999, .. }), "{rotation:?}");
    assert_eq!(lock(&stage.provider).sessions.len(), 1);
}

#[test]
fn a_session_that_waits_for_a_tool_is_not_rotated() {
    let mut stage = Stage::new(5, BTreeMap::new());
    let calling = [Message::user("how many?"), Message::assistant("").calling("c", "count", "{}")];
    lock(&stage.provider).sessions.get_mut("s1").unwrap().messages.extend(calling);
    let rotation = stage.rotate();
    assert_eq!(rotation.failed_at(), Some(RotationStep::Handover));
    assert_eq!(stage.agent.messages().len(), stage.before.len() + 2);
}

/// A panic of the agent's code passes through, and the agent is a whole session.
#[test]
fn a_panic_leaves_a_usable_session() {
    for fault in [Fault::OldHistory, Fault::Spawn, Fault::Replace, Fault::Send, Fault::CloseOld] {
        let mut stage = Stage::new(5, BTreeMap::new());
        lock(&stage.provider).panics_at = Some(fault);
        let panicked = catch_unwind(AssertUnwindSafe(|| stage.rotate()));
        assert!(panicked.is_err(), "{fault:?}");
        lock(&stage.provider).panics_at = None;
        let expected = if fault == Fault::CloseOld { "s2" } else { "s1" };
        assert_eq!(stage.agent.session, expected, "{fault:?}");
        stage.agent.send_message("Are you there?").unwrap();
        if expected == "s1" {
            assert_eq!(stage.agent.messages()[..stage.before.len()], stage.before, "{fault:?}");
        }
    }
}
