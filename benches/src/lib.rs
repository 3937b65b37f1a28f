//! Criterion benches of the Mnemon workspace.
