//! What kinds of long work are there?

pub(in crate::engine) mod backup;
pub(in crate::engine) mod compact;
pub(in crate::engine) mod reindex;
pub(in crate::engine) mod self_test;
