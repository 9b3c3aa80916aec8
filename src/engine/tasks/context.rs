//! What the work of tasks is done with.

use std::sync::{Arc, atomic::AtomicBool};

use crate::{
    collection::{Collection, Encoders},
    engine::Serving,
};

/// What the work of tasks is done with.
#[derive(Debug, Clone)]
pub(in crate::engine) struct TaskContext {
    pub(in crate::engine) collection: Collection,
    pub(in crate::engine) encoders: Encoders,
    pub(in crate::engine) serving: Arc<Serving>,
    /// Set when the service shuts down.
    pub(in crate::engine) closing: Arc<AtomicBool>,
}
