//! Messages as agents hold them.

use mnemon_core::{Metadata, Role, Timestamp, TokenCounter};
use serde::{Deserialize, Serialize};

use crate::SummaryMeta;

/// What a message costs beside its text: the marks that a chat format puts around it. OpenAI documents 3 and 1 more for
/// a name; the formats of open models have 3 to 5.
pub const MESSAGE_TOKENS: usize = 4;

/// One message of a conversation, whatever the provider.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Message {
    /// The owner's name for it, such as the id of a turn. Summaries list the ids that they cover.
    pub id: Option<String>,
    /// Who speaks, as language models name it.
    pub role: Role,
    /// What is said. It may be empty beside tool calls.
    pub content: String,
    /// Who speaks, by name; of a tool result the name of the tool.
    pub name: Option<String>,
    /// The tools that the assistant calls.
    pub tool_calls: Vec<ToolCall>,
    /// Of a tool result: the call that it answers.
    pub tool_call_id: Option<String>,
    /// It is never dropped or summarised.
    pub critical: bool,
    /// How much it weighs when messages are chosen. 1 is usual, 0 is nothing.
    pub priority: f32,
    /// When it was said, where that is known.
    pub at: Option<Timestamp>,
    /// Whether it was said, or made by compaction.
    pub kind: MessageKind,
    /// What the owner knows beside it. Kept as it is.
    pub metadata: Metadata,
}

/// A tool that the assistant calls.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ToolCall {
    /// By which its result names it.
    pub id: String,
    /// The name of the tool.
    pub name: String,
    /// The arguments, as the model wrote them (JSON).
    pub arguments: String,
}

/// Where a message comes from.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum MessageKind {
    /// Somebody said it.
    #[default]
    Said,
    /// It stands for others.
    Summary(Box<SummaryMeta>),
    /// A few words that make roles alternate. Compaction writes them anew each time.
    Bridge,
}

impl Default for Message {
    fn default() -> Self {
        Self {
            id: None,
            role: Role::User,
            content: String::new(),
            name: None,
            tool_calls: Vec::new(),
            tool_call_id: None,
            critical: false,
            priority: 1.0,
            at: None,
            kind: MessageKind::Said,
            metadata: Metadata::new(),
        }
    }
}

impl Message {
    /// What somebody says.
    #[must_use]
    pub fn new(role: Role, content: impl Into<String>) -> Self {
        Self { role, content: content.into(), ..Self::default() }
    }

    /// What the person says.
    #[must_use]
    pub fn user(content: impl Into<String>) -> Self {
        Self::new(Role::User, content)
    }

    /// What the model says.
    #[must_use]
    pub fn assistant(content: impl Into<String>) -> Self {
        Self::new(Role::Assistant, content)
    }

    /// Instructions.
    #[must_use]
    pub fn system(content: impl Into<String>) -> Self {
        Self::new(Role::System, content)
    }

    /// The result of a tool call.
    #[must_use]
    pub fn tool(call: impl Into<String>, content: impl Into<String>) -> Self {
        Self { tool_call_id: Some(call.into()), ..Self::new(Role::Tool, content) }
    }

    /// The same with one more tool call.
    #[must_use]
    pub fn calling(mut self, id: impl Into<String>, name: impl Into<String>, arguments: impl Into<String>) -> Self {
        self.tool_calls.push(ToolCall { id: id.into(), name: name.into(), arguments: arguments.into() });
        self
    }

    /// The same under a name of the owner's.
    #[must_use]
    pub fn with_id(self, id: impl Into<String>) -> Self {
        Self { id: Some(id.into()), ..self }
    }

    /// The same by a speaker of this name.
    #[must_use]
    pub fn named(self, name: impl Into<String>) -> Self {
        Self { name: Some(name.into()), ..self }
    }

    /// The same said at this time.
    #[must_use]
    pub fn said_at(self, at: Timestamp) -> Self {
        Self { at: Some(at), ..self }
    }

    /// The same, never to be dropped or summarised.
    #[must_use]
    pub fn critical(self) -> Self {
        Self { critical: true, ..self }
    }

    /// The same with another weight.
    #[must_use]
    pub fn with_priority(self, priority: f32) -> Self {
        Self { priority, ..self }
    }

    /// Its tokens: text, name, tool calls and [`MESSAGE_TOKENS`].
    #[must_use]
    pub fn tokens(&self, counter: &dyn TokenCounter) -> usize {
        let calls: usize = self.tool_calls.iter().map(|call| call.tokens(counter)).sum();
        let name = self.name.as_deref().map_or(0, |name| counter.count(name));
        let answers = self.tool_call_id.as_deref().map_or(0, |id| counter.count(id));
        MESSAGE_TOKENS + counter.count(&self.content) + name + calls + answers
    }

    /// Whether it says nothing and calls nothing.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.content.trim().is_empty() && self.tool_calls.is_empty()
    }

    /// Whether compaction leaves it as it is: instructions, and what the owner marked.
    #[must_use]
    pub fn is_protected(&self) -> bool {
        self.critical || self.role == Role::System
    }

    /// Who speaks: the name, else the role.
    #[must_use]
    pub fn speaker(&self) -> &str {
        match &self.name {
            Some(name) if !name.trim().is_empty() => name,
            _ => self.role.as_str(),
        }
    }

    pub(crate) fn is_said(&self) -> bool {
        self.kind == MessageKind::Said
    }
}

impl ToolCall {
    fn tokens(&self, counter: &dyn TokenCounter) -> usize {
        // The id, the name and the arguments stand in fields of their own, with two marks around each.
        counter.count(&self.id) + counter.count(&self.name) + counter.count(&self.arguments) + 6
    }
}

/// The tokens of a conversation.
#[must_use]
pub fn count_tokens(messages: &[Message], counter: &dyn TokenCounter) -> usize {
    messages.iter().map(|message| message.tokens(counter)).sum()
}

#[cfg(test)]
mod tests {
    use mnemon_core::EstimateCounter;

    use super::*;

    #[test]
    fn tokens_count_everything_that_is_sent() {
        let plain = Message::assistant("one two");
        let tokens = |message: &Message| message.tokens(&EstimateCounter);
        assert_eq!(tokens(&plain), MESSAGE_TOKENS + 2);
        assert!(tokens(&plain.clone().calling("c1", "search", "{\"q\":\"boats\"}")) > tokens(&plain) + 6);
        assert!(tokens(&plain.clone().named("Ann")) > tokens(&plain));
        assert_eq!(count_tokens(&[plain.clone(), plain.clone()], &EstimateCounter), 2 * tokens(&plain));
    }

    #[test]
    fn a_message_reads_back_what_it_wrote() {
        let message = Message::user("hi").with_id("t1").critical();
        let json = serde_json::to_string(&message).unwrap();
        assert_eq!(serde_json::from_str::<Message>(&json).unwrap(), message);
        let short: Message = serde_json::from_str(r#"{"role":"assistant","content":"yes"}"#).unwrap();
        assert_eq!(short, Message::assistant("yes"));
    }
}
