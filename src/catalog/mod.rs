//! SQLite, the one truth: what is not here does not exist, and whatever else lies in the data folder can be rebuilt.
//!
//! One writer and many readers. The writer pool holds a single connection, and everything that reads before it writes
//! begins with `begin immediate`, because a deferred transaction that upgrades later fails at once when another process
//! (an import beside a running service) holds the lock. No transaction is held while an encoder works.

mod api_keys;
mod connection;
mod data_quality;
mod error;
mod idempotency;
mod items;
mod label_issues;
mod maintenance;
mod models;
mod properties;
mod snapshot;
mod tasks;
mod values;
mod version;

pub use api_keys::{ApiKey, Scope};
pub use connection::{Catalog, FILE};
pub use data_quality::{Health, Lacking, Repeated, Repetitions, Unreadable};
pub use error::CatalogError;
pub use idempotency::{Begun, KeptAnswer};
pub use items::{
    Bound, Caption, Changes, Clause, Counts, FeatureKinds, Field, Filter, Gone, Item, Kept, KeyedFeatures, KnownRecord,
    LabelCount, MissingPicture, MissingText, NewFeatures, NewImage, NewItem, NewRejection, Put, Sampled, Scalar, Test,
    TrainingItem, Watermark, etag, matches, words,
};
pub use label_issues::{Doubt, Review, ReviewEntry};
pub use maintenance::Vacuum;
pub use models::ModelRecord;
pub use snapshot::StoredPicture;
pub use tasks::{Step, Task, TaskStatus};
pub use values::now_ms;
