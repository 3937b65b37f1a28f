//! What can be wrong with a file of chat messages.

/// A file that is no conversation of chat messages. Nothing of it was used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub(crate) enum ChatError {
    /// It is no JSON.
    #[error("{name}: expected JSON")]
    Syntax {
        /// The file.
        name: String,
        /// What the parser says, with line and column.
        #[source]
        source: serde_json::Error,
    },
    /// A part of it is something else than its shape asks for.
    #[error("{name}, line {line}: expected {expected} as {path}, got {got}")]
    Shape {
        /// The file.
        name: String,
        /// The line on which that part begins, from 1.
        line: usize,
        /// The part, such as `messages[3].content`.
        path: String,
        /// What was expected there.
        expected: String,
        /// What is there.
        got: String,
    },
    /// A part that JSON allows and nobody can read: half a surrogate pair, a field that is given twice.
    #[error("{name}, line {line}: {path} cannot be read")]
    Unreadable {
        /// The file.
        name: String,
        /// The line on which it begins, from 1.
        line: usize,
        /// The part, such as `messages[3].content`.
        path: String,
        /// What the parser says.
        #[source]
        source: serde_json::Error,
    },
}
