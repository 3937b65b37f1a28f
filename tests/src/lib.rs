//! End-to-end tests of the Mnemon workspace.
