//! Scopes: whose memory it is.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// A sealed room of memory: one user, one agent, one project.
///
/// Every memory is written in exactly one scope and is seen from exactly that scope. A part that is not given is the
/// *unnamed* one, not "any": a filter that somebody forgets to set finds nothing, instead of what belongs to others.
/// Sessions divide a scope by time and are not a wall: memories of all sessions of a scope are recalled together.
///
/// As text a scope is `user=ann,agent=coder,project=garden`, each part optional; a bare word is the user.
///
/// ```
/// use mnemon_core::Scope;
/// let scope: Scope = "ann".parse()?;
/// assert_eq!(scope, Scope::user_scope("ann")?);
/// assert_eq!(scope.to_string(), "user=ann");
/// assert_eq!(Scope::default().to_string(), "");
/// # Ok::<(), mnemon_core::ScopeError>(())
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Scope {
    user: String,
    agent: String,
    project: String,
}

/// A scope that could not be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ScopeError {
    /// The text is not a list of parts.
    #[error("expected a scope such as `ann` or `user=ann,agent=coder,project=garden`, got {got:?}")]
    Syntax {
        /// The text that was given.
        got: String,
    },
    /// A part has a name that scopes do not have.
    #[error("expected a scope of user, agent and project, got the part {part:?}")]
    UnknownPart {
        /// The name that was given.
        part: String,
    },
    /// A part was given twice.
    #[error("the part {part:?} of the scope is given twice")]
    Twice {
        /// The name of the part.
        part: &'static str,
    },
    /// A value cannot be part of a scope.
    #[error(
        "expected 1 to {max} bytes without control characters, commas and equals signs as {part} of a scope, got {got:?}",
        max = Scope::MAX_PART_BYTES
    )]
    Value {
        /// The name of the part.
        part: &'static str,
        /// The value that was given, cut after 80 characters.
        got: String,
    },
}

impl Scope {
    /// The longest value of a part, in bytes.
    pub const MAX_PART_BYTES: usize = 256;

    /// The scope of a user, with no agent and no project.
    ///
    /// # Errors
    /// When the name is empty, too long, or holds a control character, a comma or an equals sign.
    pub fn user_scope(user: impl Into<String>) -> Result<Self, ScopeError> {
        Ok(Self { user: checked("user", user.into())?, ..Self::default() })
    }

    /// The same scope with an agent.
    ///
    /// # Errors
    /// As [`Scope::user_scope`].
    pub fn with_agent(self, agent: impl Into<String>) -> Result<Self, ScopeError> {
        Ok(Self { agent: checked("agent", agent.into())?, ..self })
    }

    /// The same scope with a project.
    ///
    /// # Errors
    /// As [`Scope::user_scope`].
    pub fn with_project(self, project: impl Into<String>) -> Result<Self, ScopeError> {
        Ok(Self { project: checked("project", project.into())?, ..self })
    }

    /// The user, empty for the unnamed one.
    #[must_use]
    pub fn user(&self) -> &str {
        &self.user
    }

    /// The agent, empty for the unnamed one.
    #[must_use]
    pub fn agent(&self) -> &str {
        &self.agent
    }

    /// The project, empty for the unnamed one.
    #[must_use]
    pub fn project(&self) -> &str {
        &self.project
    }
}

fn checked(part: &'static str, value: String) -> Result<String, ScopeError> {
    let value = value.trim();
    let allowed = |c: char| !c.is_control() && c != ',' && c != '=';
    if value.is_empty() || value.len() > Scope::MAX_PART_BYTES || !value.chars().all(allowed) {
        return Err(ScopeError::Value { part, got: value.chars().take(80).collect() });
    }
    Ok(value.to_owned())
}

impl FromStr for Scope {
    type Err = ScopeError;

    fn from_str(s: &str) -> Result<Self, ScopeError> {
        let s = s.trim();
        if s.is_empty() {
            return Ok(Self::default());
        }
        if !s.contains(['=', ',']) {
            return Self::user_scope(s);
        }
        let mut scope = Self::default();
        for part in s.split(',') {
            let syntax = || ScopeError::Syntax { got: s.chars().take(80).collect() };
            let (name, value) = part.split_once('=').ok_or_else(syntax)?;
            let (part, slot) = match name.trim() {
                "user" => ("user", &mut scope.user),
                "agent" => ("agent", &mut scope.agent),
                "project" => ("project", &mut scope.project),
                other => return Err(ScopeError::UnknownPart { part: other.chars().take(80).collect() }),
            };
            if !slot.is_empty() {
                return Err(ScopeError::Twice { part });
            }
            *slot = checked(part, value.to_owned())?;
        }
        Ok(scope)
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let parts = [("user", &self.user), ("agent", &self.agent), ("project", &self.project)];
        let mut separator = "";
        for (name, value) in parts.into_iter().filter(|(_, value)| !value.is_empty()) {
            write!(f, "{separator}{name}={value}")?;
            separator = ",";
        }
        Ok(())
    }
}

impl TryFrom<String> for Scope {
    type Error = ScopeError;

    fn try_from(text: String) -> Result<Self, ScopeError> {
        text.parse()
    }
}

impl From<Scope> for String {
    fn from(scope: Scope) -> Self {
        scope.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expected: &str) {
        let got = match text.parse::<Scope>() {
            Ok(scope) => {
                assert_eq!(scope.to_string().parse::<Scope>().as_ref(), Ok(&scope), "text form does not round trip");
                scope.to_string()
            }
            Err(error) => error.to_string(),
        };
        assert_eq!(got, expected);
    }

    #[test]
    fn a_scope_is_read_from_text() {
        check("", "");
        check("ann", "user=ann");
        check(" project=garden , user=ann ", "user=ann,project=garden");
        check("user=ann,agent=coder,project=mnemon", "user=ann,agent=coder,project=mnemon");
        check("Grüße 世界", "user=Grüße 世界");
    }

    #[test]
    fn what_is_not_a_scope_is_refused_with_what_was_expected() {
        check(
            "user=",
            "expected 1 to 256 bytes without control characters, commas and equals signs as user of a scope, got \"\"",
        );
        check("a,b", "expected a scope such as `ann` or `user=ann,agent=coder,project=garden`, got \"a,b\"");
        check("team=x", "expected a scope of user, agent and project, got the part \"team\"");
        check("user=a,user=b", "the part \"user\" of the scope is given twice");
        check(
            "a\0b",
            "expected 1 to 256 bytes without control characters, commas and equals signs as user of a scope, got \"a\\0b\"",
        );
        assert!("x".repeat(257).parse::<Scope>().is_err());
    }
}
