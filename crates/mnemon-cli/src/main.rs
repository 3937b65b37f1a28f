//! The `mnemon` binary.

fn main() {}
