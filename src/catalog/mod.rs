//! What is known about each item?
//!
//! The catalog is an SQLite database and the only source of truth: everything else in the data folder can be rebuilt
//! from it and from the images. There is one writer and there are many readers. Every transaction that reads before it
//! writes starts with `begin immediate`: a deferred transaction that upgrades later fails at once when another process
//! (such as an import next to a running service) holds the lock. No transaction is open while an encoder runs.

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
pub use data_quality::{DataQuality, DuplicateImage, Duplicates, MissingFields, UnreadableImage};
pub use error::CatalogError;
pub use idempotency::{Claim, StoredResponse};
pub use items::{
    Bound, Caption, Changes, Clause, Content, Counts, DeleteOutcome, FeatureKinds, Field, Filter, Item, KeyedFeatures,
    LabelCount, MissingFeature, NewFeatures, NewImage, NewItem, NewRejection, Predicate, PutOutcome, Sample, Scalar,
    TrainingItem, Watermark, WriteCondition, etag, etag_matches, tokenize,
};
pub use label_issues::{Issue, OpenIssue, OpenIssues};
pub use maintenance::VacuumMode;
pub use models::ModelRecord;
pub use snapshot::StoredImage;
pub use tasks::{Step, Task, TaskStatus};
pub use values::now_ms;
