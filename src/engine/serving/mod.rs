//! Which model and indexes answer now, and how do the next ones take their place?

pub(in crate::engine) mod snapshot;
pub(in crate::engine) mod tune;
pub(in crate::engine) mod warm_up;

pub use snapshot::{Generation, IndexMode};
pub use tune::tune_index;
