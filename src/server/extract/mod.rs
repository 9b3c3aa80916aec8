//! What does a request ask for?

pub(crate) mod bodies;
pub(crate) mod filter;
pub(crate) mod multipart;
pub(crate) mod search_params;
