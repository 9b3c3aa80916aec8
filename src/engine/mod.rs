//! Who answers a query, and who changes the collection?

#[expect(clippy::module_inception, reason = "it is taken apart next")]
mod engine;
mod error;
mod ingest;
mod metrics;
mod projection;
mod query;
mod serving;
mod tasks;

pub use engine::{Engine, EngineLimits};
pub use error::EngineError;
pub use ingest::{BulkLine, ItemChange, ItemDraft, LineResult};
pub use projection::{ProjectedPoint, Projection};
pub use query::{Answer, Direction, ExcludedCounts, Hit, Kind, PredictedLabel, Query, Target, Term, Timings};
pub use serving::{Generation, IndexMode, tune_index};
