//! Reclaims disk space.

use std::sync::Arc;

use serde_json::{Value, json};

use crate::{
    collection::Collection,
    engine::{EngineError, Job, OnDuplicate, TaskKind},
    maintenance::compact,
};

/// Steps: features, pictures, thumbnails, leftovers and the catalog.
pub(in crate::engine) const KIND: TaskKind = TaskKind { name: "compact", steps: 5, on_duplicate: OnDuplicate::Reuse };

pub(in crate::engine) async fn run(collection: &Collection, job: Job) -> Result<Value, EngineError> {
    Ok(json!(compact(collection, Arc::clone(&job.progress), Arc::clone(&job.stop)).await?))
}
