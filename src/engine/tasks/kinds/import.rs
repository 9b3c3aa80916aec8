//! Imports a folder, a data.jsonl or a CSV on the machine of the service.

use serde_json::{Value, json};

use super::reindex;
use crate::{
    collection::{Collection, CollectionError, Encoders, Job},
    engine::{EngineError, OnDuplicate, TaskContext, TaskKind},
    training::{Records, encode_missing, import},
};

/// Steps: import records, encode two modalities, reindex.
pub(in crate::engine) const KIND: TaskKind =
    TaskKind { name: "import", steps: 3 + reindex::KIND.steps, on_duplicate: OnDuplicate::Reject };

pub(in crate::engine) async fn run(
    TaskContext { collection, encoders, serving, .. }: &TaskContext,
    records: Records,
    job: Job,
) -> Result<Value, EngineError> {
    let summary = import(collection, records, None, &job).await?;
    if summary.stopped {
        return Err(CollectionError::Cancelled.into());
    }
    encode_all(collection, encoders, &job).await?;
    let index = if serving.live().is_some() { Some(reindex::rebuild_index(serving, &job).await?) } else { None };
    Ok(json!({
        "taken": summary.taken, "unchanged": summary.unchanged, "rejected": summary.rejected,
        "rejections": summary.rejections, "index": index,
    }))
}

/// Encodes everything that has no features yet.
pub(super) async fn encode_all(collection: &Collection, encoders: &Encoders, job: &Job) -> Result<(), CollectionError> {
    let encoded = encode_missing(collection, encoders, job).await?;
    if encoded.stopped { Err(CollectionError::Cancelled) } else { job.check_cancelled() }
}
