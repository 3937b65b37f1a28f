//! The token-bounded window of recent turns and its eviction policies
