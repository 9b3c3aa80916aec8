//! Reclaims disk space.

use serde_json::{Value, json};

use crate::{
    collection::{Collection, Job},
    engine::{EngineError, OnDuplicate, TaskKind},
    maintenance::compact,
};

/// Steps: features, pictures, thumbnails, leftovers and the catalog.
pub(in crate::engine) const KIND: TaskKind = TaskKind { name: "compact", steps: 5, on_duplicate: OnDuplicate::Reuse };

pub(in crate::engine) async fn run(collection: &Collection, job: Job) -> Result<Value, EngineError> {
    Ok(json!(compact(collection, &job).await?))
}
