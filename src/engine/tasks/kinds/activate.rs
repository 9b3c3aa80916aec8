//! Activates another model.

use std::sync::{Arc, atomic::AtomicBool};

use serde_json::{Value, json};

use super::reindex;
use crate::{
    collection::{Collection, Encoders, Job},
    engine::{EngineError, OnDuplicate, Serving, TaskKind},
    training::{activate, roll_back},
};

pub(in crate::engine) const KIND: TaskKind = TaskKind { name: "activate", steps: 1, on_duplicate: OnDuplicate::Reject };

/// Activates the model of this version, or rolls back to the previous one; then loads its index from disk or builds
/// one.
pub(in crate::engine) async fn run(
    (collection, encoders): (&Collection, &Encoders),
    serving: &Serving,
    version: Option<String>,
    closing: Arc<AtomicBool>,
    job: Job,
) -> Result<Value, EngineError> {
    let record = match version {
        Some(version) => activate(collection, encoders, &version).await?,
        None => roll_back(collection, encoders).await?,
    };
    // The model is active already, so its index is loaded or built even if the task is cancelled now.
    let job = job.uncancellable(closing);
    let (snapshot, rebuild) = serving.reopen().await?;
    let index = if rebuild { reindex::rebuild_index(serving, &job).await? } else { reindex::summary(&snapshot) };
    Ok(json!({ "model": record.version, "index": index }))
}
