//! The two kinds of transaction. Their methods stand in the files of what they are about.

use std::ops::Deref;

use rusqlite::Connection;

/// One unchanging state of the file, to read from. Made by [`Store::read`](crate::Store::read).
#[derive(Debug)]
pub struct Snapshot<'a> {
    pub(crate) conn: &'a Connection,
}

impl<'a> Snapshot<'a> {
    pub(crate) fn new(conn: &'a Connection) -> Self {
        Self { conn }
    }
}

/// The right to write, and a view of what was written so far. Made by [`Store::write`](crate::Store::write).
#[derive(Debug)]
pub struct WriteTx<'a> {
    snapshot: Snapshot<'a>,
}

impl<'a> WriteTx<'a> {
    pub(crate) fn new(conn: &'a Connection) -> Self {
        Self { snapshot: Snapshot::new(conn) }
    }
}

impl<'a> Deref for WriteTx<'a> {
    type Target = Snapshot<'a>;

    fn deref(&self) -> &Snapshot<'a> {
        &self.snapshot
    }
}
