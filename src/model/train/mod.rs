//! How is a model trained?

pub(super) mod checkpoint;
pub(super) mod device;
pub(super) mod dropout;
pub(super) mod epoch_loop;
pub(super) mod optimizer;
pub(super) mod settings;
pub(super) mod trainer;
