//! How good is a model on one split?

pub(super) mod calibrate;
pub(super) mod diagnostics;
pub(super) mod quality;
pub(super) mod split_embeddings;
pub(super) mod split_evaluation;
