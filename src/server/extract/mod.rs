//! What does a request ask for?

pub(crate) mod body;
pub(crate) mod filter;
pub(crate) mod image;
pub(crate) mod item;
pub(crate) mod json;
pub(crate) mod multipart;
pub(crate) mod path;
pub(crate) mod query;
pub(crate) mod search_request;
pub(crate) mod term;
