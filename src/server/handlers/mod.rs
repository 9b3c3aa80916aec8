//! What does each route do?

pub(crate) mod admin;
pub(crate) mod data_quality;
pub(crate) mod inference;
pub(crate) mod info;
pub(crate) mod item_images;
pub(crate) mod items;
pub(crate) mod items_bulk;
pub(crate) mod keys;
pub(crate) mod label_issues;
pub(crate) mod labels;
pub(crate) mod models;
pub(crate) mod probes;
pub(crate) mod projection;
pub(crate) mod search;
pub(crate) mod tasks;
