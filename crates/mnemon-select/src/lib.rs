//! Diverse selection: k-means representatives, MMR and redundancy
