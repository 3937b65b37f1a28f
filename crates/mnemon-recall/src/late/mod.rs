//! Late interaction: the pieces of a question against the pieces of each memory.
