//! What a session leaves to the one that follows.

use mnemon_core::Role;
use serde::{Deserialize, Serialize};

use super::{AgentError, AgentId};
use crate::order::{Piece, arrange};
use crate::{
    CompactError, Means, Message, MessageKind, Method, Summary, SummaryRequest, Unit, UnitKind, check_order, units,
};

/// Builds the text that tells a new session what it has to know, such as a context out of long-term memory. A closure is
/// one.
pub trait Handover: Send + Sync {
    /// A text of at most [`HandoverRequest::max_tokens`]; an empty one when there is nothing to tell.
    ///
    /// # Errors
    /// When it cannot be built. The rotation is then undone.
    fn build(&self, request: &HandoverRequest<'_>) -> Result<String, AgentError>;
}

/// What a handover is built from.
#[derive(Clone, Copy)]
#[non_exhaustive]
pub struct HandoverRequest<'a> {
    /// The session that ends.
    pub old: &'a AgentId,
    /// What it holds. Messages that are protected ([`Message::is_protected`]) reach the new session word for word.
    pub history: &'a [Message],
    /// What the new session is to work on.
    pub next: &'a NextIssue,
    /// The most tokens of the text.
    pub max_tokens: usize,
    /// Counts them, and writes summaries.
    pub means: Means<'a>,
}

impl<F: Fn(&HandoverRequest<'_>) -> Result<String, AgentError> + Send + Sync> Handover for F {
    fn build(&self, request: &HandoverRequest<'_>) -> Result<String, AgentError> {
        self(request)
    }
}

/// A summary of the old session, by the summariser at hand. The usual handover where there is no long-term memory.
#[derive(Debug, Clone, Copy, Default)]
pub struct SummaryHandover;

impl Handover for SummaryHandover {
    fn build(&self, request: &HandoverRequest<'_>) -> Result<String, AgentError> {
        let units = units(request.history);
        let mut asked = SummaryRequest::new(told(request.history, &units), request.max_tokens, request.means.counter);
        asked.vectors = request.means.vectors;
        match request.means.summarizer.summarise(&asked) {
            Ok(summary) => Ok(summary.text),
            Err(CompactError::NothingToSummarise { .. }) => Ok(String::new()),
            Err(error) => Err(error.into()),
        }
    }
}

/// What the new session is to work on.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct NextIssue {
    /// By which logs name it.
    pub id: String,
    /// What it is, in a line.
    pub title: String,
    /// What is to be done.
    pub text: String,
}

impl NextIssue {
    /// An issue by its id, its title and its text.
    #[must_use]
    pub fn new(id: impl Into<String>, title: impl Into<String>, text: impl Into<String>) -> Self {
        Self { id: id.into(), title: title.into(), text: text.into() }
    }

    /// What the new session is told.
    #[must_use]
    pub fn message(&self) -> String {
        let head: Vec<&str> = [self.id.trim(), self.title.trim()].into_iter().filter(|part| !part.is_empty()).collect();
        format!("Next issue {}\n\n{}", head.join(": "), self.text.trim()).trim().to_owned()
    }
}

/// What a new session begins with.
#[derive(Debug, Clone)]
pub(super) struct Legacy {
    /// In the order of [`check_order`], ready for a message of the person.
    pub(super) messages: Vec<Message>,
    /// How many messages of the old session are in it word for word.
    pub(super) carried: usize,
    /// The tokens of the handover text.
    pub(super) handover_tokens: usize,
}

impl Legacy {
    /// What is protected in the old session, and then the handover text.
    pub(super) fn new(request: &HandoverRequest<'_>, text: &str) -> Result<Self, CompactError> {
        let units = units(request.history);
        if units.iter().any(|unit| unit.kind == UnitKind::Open) {
            return Err(CompactError::BadAgent {
                expected: "a session between two turns".to_owned(),
                got: "one that waits for the results of tools".to_owned(),
            });
        }
        let protected: Vec<&Unit> = units.iter().filter(|unit| unit.is_protected).collect();
        let carried = protected.iter().map(|unit| unit.members.len()).sum();
        let mut pieces: Vec<Piece<'_>> = protected.into_iter().map(Piece::Old).collect();
        let mut handover_tokens = 0;
        if !text.trim().is_empty() {
            let asked = SummaryRequest::new(told(request.history, &units), request.max_tokens, request.means.counter);
            let positions = asked.messages.iter().map(|(position, _)| *position).collect();
            let summary = Summary::new(text.trim().to_owned(), &asked, Method::Other("handover".to_owned()))?;
            handover_tokens = summary.meta.tokens_after;
            let content = format!("[Handover from session {}]\n{}", request.old.session, summary.text);
            pieces.push(Piece::New(Box::new(Message { content, ..summary.into_message() }), positions));
        }
        let mut messages: Vec<Message> =
            arrange(request.history, pieces).into_iter().map(|placed| placed.message).collect();
        // The issue is the person's next word.
        if messages.iter().rev().find(|message| message.role != Role::System).is_some_and(|m| m.role == Role::User) {
            messages.push(Message { kind: MessageKind::Bridge, ..Message::assistant(ACCEPTED) });
        }
        check_order(&messages)?;
        Ok(Self { messages, carried, handover_tokens })
    }

    /// Whether all of it is in what a session holds, in this order. A session may have more, and may have joined some.
    pub(super) fn is_in(&self, history: &[Message]) -> bool {
        let mut held = history.iter();
        let mut rest = "";
        self.messages.iter().all(|message| {
            let wanted = message.content.trim();
            loop {
                if let Some((_, after)) = rest.split_once(wanted) {
                    rest = after;
                    return true;
                }
                match held.next() {
                    Some(next) => rest = &next.content,
                    None => return false,
                }
            }
        })
    }
}

/// What the assistant says to a handover.
const ACCEPTED: &str = "Understood.";

/// What a handover stands for: everything that says something and is not carried over.
fn told<'a>(history: &'a [Message], units: &[Unit]) -> Vec<(usize, &'a Message)> {
    let mut positions: Vec<usize> = units
        .iter()
        .filter(|unit| !unit.is_protected && unit.kind != UnitKind::Nothing)
        .flat_map(|unit| unit.members.iter().copied())
        .collect();
    positions.sort_unstable();
    positions.into_iter().filter_map(|at| history.get(at).map(|message| (at, message))).collect()
}

#[cfg(test)]
mod tests {
    use mnemon_core::{EstimateCounter, TokenCounter};

    use super::*;
    use crate::Extractive;

    fn legacy(history: &[Message], text: &str) -> Result<Legacy, CompactError> {
        let summarizer = Extractive::default();
        let request = HandoverRequest {
            old: &AgentId::new("coder", "s1"),
            history,
            next: &NextIssue::default(),
            max_tokens: 40,
            means: Means { counter: &EstimateCounter, vectors: None, summarizer: &summarizer },
        };
        Legacy::new(&request, text)
    }

    #[track_caller]
    fn check(history: &[Message], text: &str, expected: &[&str]) -> Legacy {
        let legacy = legacy(history, text).unwrap();
        let shown: Vec<String> = legacy.messages.iter().map(|m| format!("{}: {}", m.role, m.content)).collect();
        assert_eq!(shown, expected);
        // The issue can follow.
        let mut next = legacy.messages.clone();
        next.push(Message::user("go on"));
        check_order(&next).unwrap();
        legacy
    }

    #[test]
    fn a_session_leaves_what_is_protected_and_the_handover() {
        let history = [
            Message::system("be kind"),
            Message::user("hi").with_id("a"),
            Message::assistant("hello").with_id("b"),
            Message::user("never delete the table").critical().with_id("c"),
            Message::assistant("").calling("t", "look", "{}").with_id("d"),
            Message::tool("t", "42").critical().with_id("e"),
            Message::assistant("done").with_id("f"),
        ];
        let legacy = check(
            &history,
            " They greeted.\n",
            &[
                "system: be kind",
                "user: never delete the table",
                "assistant: ",
                "tool: 42",
                "user: [Handover from session s1]\nThey greeted.",
                "assistant: Understood.",
            ],
        );
        assert_eq!((legacy.carried, legacy.handover_tokens), (4, EstimateCounter.count("They greeted.")));
        let MessageKind::Summary(meta) = &legacy.messages[4].kind else { panic!("expected a summary") };
        assert_eq!(meta.ids, ["a", "b", "f"]);
        check(&history[..3], "", &["system: be kind"]);
        check(&[], "x y", &["user: [Handover from session s1]\nx y", "assistant: Understood."]);
        check(
            &[Message::user("a").critical()],
            "b",
            &["user: a", "assistant: Understood.", "user: [Handover from session s1]\nb", "assistant: Understood."],
        );
    }

    #[test]
    fn what_is_too_long_or_in_the_middle_is_refused() {
        let error = legacy(&[Message::user("hi")], &"word ".repeat(41)).unwrap_err();
        assert_eq!(error.to_string(), "expected at most 40 tokens, the plan comes to 41");
        let open = [Message::user("hi"), Message::assistant("").calling("t", "look", "{}")];
        let error = legacy(&open, "x").unwrap_err();
        assert!(error.to_string().ends_with("got one that waits for the results of tools"), "{error}");
    }

    #[test]
    fn what_a_session_lost_is_noticed() {
        let legacy = legacy(&[Message::system("be kind"), Message::user("never stop").critical()], "told").unwrap();
        let mut held = legacy.messages.clone();
        assert!(legacy.is_in(&held));
        held.insert(1, Message::system("and brief"));
        assert!(legacy.is_in(&held), "a session may have more");
        let joined: Vec<String> = held.iter().map(|message| message.content.clone()).collect();
        assert!(legacy.is_in(&[Message::user(joined.join("\n"))]));
        held.remove(2);
        assert!(!legacy.is_in(&held));
        held = legacy.messages.clone();
        held.swap(0, 1);
        assert!(!legacy.is_in(&held), "in another order it says something else");
    }

    #[test]
    fn an_issue_is_told_in_one_message() {
        assert_eq!(NextIssue::new("152", "Rotate", " Do it. ").message(), "Next issue 152: Rotate\n\nDo it.");
        assert_eq!(NextIssue::new("152", "", "").message(), "Next issue 152");
    }
}
