//! What happens to every request before and after its handler?

pub(crate) mod admission;
pub(crate) mod auth;
pub(crate) mod idempotency;
pub(crate) mod limits;
pub(crate) mod lingering_close;
pub(crate) mod request_context;
pub(crate) mod same_origin;
pub(crate) mod stack;
pub(crate) mod timeouts;
