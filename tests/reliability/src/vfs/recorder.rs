//! What SQLite did to its files, in order.

use std::sync::Arc;

/// One thing that was done to a file.
#[derive(Debug, Clone)]
pub(crate) enum Event {
    /// Bytes were written.
    Write {
        /// The file, in the folder that is watched.
        name: String,
        /// Where.
        offset: u64,
        /// What.
        bytes: Arc<[u8]>,
    },
    /// The file was cut, or made longer.
    Truncate {
        /// The file.
        name: String,
        /// Its size from then on.
        size: u64,
    },
    /// What was done to the file before is on the disk.
    Sync {
        /// The file.
        name: String,
        /// Whether all that was done to the names in the folder is too.
        folder: bool,
    },
    /// The file was deleted.
    Delete {
        /// The file.
        name: String,
        /// Whether that is on the disk.
        synced: bool,
    },
    /// Something that the one who records wants to find again.
    Mark(usize),
}

/// All of it.
#[derive(Debug, Default)]
pub(crate) struct Recording {
    /// In the order in which it was done.
    pub(crate) events: Vec<Event>,
    /// A disk that says that it has synced and has not.
    pub(crate) ignore_sync: bool,
}

impl Recording {
    /// Writes down what was done.
    pub(crate) fn push(&mut self, event: Event) {
        let is_ignored = self.ignore_sync && matches!(event, Event::Sync { .. });
        if !is_ignored {
            self.events.push(event);
        }
    }
}
