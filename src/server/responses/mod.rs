//! What does each response look like in JSON?

pub(crate) mod data_quality;
pub(crate) mod inference;
pub(crate) mod info;
pub(crate) mod item;
pub(crate) mod key;
pub(crate) mod label;
pub(crate) mod label_issue;
pub(crate) mod model;
pub(crate) mod projection;
pub(crate) mod search;
pub(crate) mod task;
mod timestamp;
