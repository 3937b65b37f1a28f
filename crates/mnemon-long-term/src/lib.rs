//! Long-term memory: the store, the vector index and the stages of recall
