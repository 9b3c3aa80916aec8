//! Backs up the collection into the default folder.

use serde_json::{Value, json};

use crate::{
    collection::{Collection, Job},
    engine::{EngineError, OnDuplicate, TaskKind},
    maintenance::{BackupTo, backup},
};

/// Steps: copy the catalog; pack models, index, pictures and catalog.
pub(in crate::engine) const KIND: TaskKind = TaskKind { name: "backup", steps: 5, on_duplicate: OnDuplicate::Reuse };

pub(in crate::engine) async fn run(collection: &Collection, job: Job) -> Result<Value, EngineError> {
    let to = BackupTo { path: None, replace: false };
    let summary = backup(collection, to, &job).await?;
    let file = summary.file.display();
    tracing::info!(%file, bytes = summary.bytes, missing = summary.missing, "backup written");
    Ok(json!(summary))
}
