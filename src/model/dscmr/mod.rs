//! What does the paper minimise, and through which network?

pub(super) mod loss;
pub(super) mod network;
