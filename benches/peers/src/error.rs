//! What can go wrong while measuring. It ends the side that it happens to, with its reason.

use std::path::PathBuf;

/// A failure of a side.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A request that this side does not know.
    #[error("expected a request of the group {group}, got {got}")]
    Request {
        /// The group of the side.
        group: &'static str,
        /// What came, and why it is not understood.
        got: String,
    },
    /// A side that does not exist.
    #[error("expected a side of {group} ({known}), got {got}")]
    Side {
        /// The group.
        group: &'static str,
        /// The sides that there are.
        known: &'static str,
        /// What came.
        got: String,
    },
    /// Something is asked for that needs another request first.
    #[error("expected {0} before this request")]
    NotReady(&'static str),
    /// A file of the data that cannot be read or written.
    #[error("expected to use the file {}", file.display())]
    File {
        /// The file.
        file: PathBuf,
        /// Why not.
        #[source]
        source: std::io::Error,
    },
    /// A library that is measured has failed.
    #[error("{library} failed")]
    Library {
        /// Which.
        library: &'static str,
        /// Why.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

impl Error {
    /// Names the library that an error comes from.
    pub fn of<E>(library: &'static str) -> impl FnOnce(E) -> Self
    where
        E: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        move |source| Self::Library { library, source: source.into() }
    }

    /// The error and its causes in one line.
    #[must_use]
    pub fn whole(&self) -> String {
        let mut text = self.to_string();
        let mut source = std::error::Error::source(self);
        while let Some(cause) = source {
            text = format!("{text}: {cause}");
            source = cause.source();
        }
        text
    }
}
