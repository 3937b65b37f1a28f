//! Local sentence embeddings through candle
