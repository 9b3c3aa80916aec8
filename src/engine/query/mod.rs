//! How does a query become an answer?

pub(in crate::engine) mod cursors;
pub(in crate::engine) mod item_cache;
pub(in crate::engine) mod query_cache;
pub(in crate::engine) mod query_vector;
pub(in crate::engine) mod rank;
pub(in crate::engine) mod request;
pub(in crate::engine) mod service;
pub(in crate::engine) mod text_encoder;

pub use request::{Answer, Direction, ExcludedCounts, Hit, Kind, PredictedLabel, Query, Target, Timings};
pub use service::Term;
