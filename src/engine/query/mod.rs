//! How is a query answered?

mod cursors;
mod dedupe;
mod embedding;
mod facets;
mod fuse;
mod item_cache;
mod query_cache;
mod ranking;
mod request;
mod response;
mod retrieve;
mod service;
mod text_encoder;
mod validate;
mod vector_search;

pub(super) use query_cache::QueryCache;
pub(super) use validate::check_filter;

use item_cache::ItemCache;
use validate::bad_query;

pub use request::{Kind, Query, Target, Term};
pub use response::{Answer, Direction, ExcludedCounts, Hit, PredictedLabel, Timings};
pub use service::QueryService;
