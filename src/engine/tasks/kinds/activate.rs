//! Activates another model.

use std::sync::Arc;

use serde_json::{Value, json};

use super::reindex;
use crate::{
    collection::Job,
    engine::{EngineError, OnDuplicate, TaskContext, TaskKind},
    training::{activate, roll_back},
};

pub(in crate::engine) const KIND: TaskKind = TaskKind { name: "activate", steps: 1, on_duplicate: OnDuplicate::Reject };

/// Activates the model of this version, or rolls back to the previous one; then loads its index from disk or builds
/// one.
pub(in crate::engine) async fn run(
    TaskContext { collection, encoders, serving, closing }: &TaskContext,
    version: Option<String>,
    job: Job,
) -> Result<Value, EngineError> {
    let record = match version {
        Some(version) => activate(collection, encoders, &version).await?,
        None => roll_back(collection, encoders).await?,
    };
    // The model is active already, so its index is loaded or built even if the task is cancelled now.
    let job = job.uncancellable(Arc::clone(closing));
    let (snapshot, rebuild) = serving.reopen().await?;
    let index = if rebuild { reindex::rebuild_index(serving, &job).await? } else { reindex::summary(&snapshot) };
    Ok(json!({ "model": record.version, "index": index }))
}
