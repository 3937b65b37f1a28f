//! Vector search over slices: exact int8 scan and HNSW
