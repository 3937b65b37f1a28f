//! The SQLite store of the Mnemon memory engine
