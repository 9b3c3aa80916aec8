//! How does long work run beside the service?

pub(in crate::engine) mod admin;
pub(in crate::engine) mod kinds;
pub(in crate::engine) mod runner;
