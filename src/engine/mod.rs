//! Who answers a query, and who changes the collection?

#[expect(clippy::module_inception, reason = "it is taken apart next")]
mod engine;
mod ingest;
mod metrics;
mod projection;
mod query;
mod serving;
mod tasks;

pub use engine::{Engine, EngineLimits};
pub use ingest::{BatchLine, ItemChange, ItemDraft, TakenLine};
pub use projection::{Placed, SpaceMap};
pub use query::{Answer, Direction, Found, Kind, LeftOut, PredictedLabel, Query, Target, Term, Timings};
pub use serving::{Generation, IndexKind, tune_index};
