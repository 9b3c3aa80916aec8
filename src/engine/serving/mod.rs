//! Which model and indexes serve queries, and how are they replaced?

mod embed;
mod live;
mod snapshot;
mod sync;
mod tune;
mod vector_indexes;
mod warm_up;

pub(super) use snapshot::{CAPTIONS, PICTURES};
pub(super) use sync::sync_live_index;
pub(super) use warm_up::warm_up;

pub use live::Serving;
pub use snapshot::{IndexMode, ServingSnapshot};
pub use tune::tune_index;
pub(crate) use vector_indexes::VectorIndexStats;
