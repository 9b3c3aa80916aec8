//! How is a model trained?

pub(super) mod checkpoint;
pub(super) mod device;
pub(super) mod dropout;
pub(super) mod epoch_loop;
pub(super) mod events;
pub(super) mod inputs;
pub(super) mod noise;
pub(super) mod optimizer;
pub(super) mod select_weight;
pub(super) mod settings;
pub(super) mod step;
pub(super) mod trainer;
