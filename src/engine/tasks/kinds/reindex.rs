//! Builds the next snapshot alongside the live one.

use std::{sync::Arc, time::Instant};

use serde_json::{Value, json};

use crate::{
    catalog::Task,
    collection::Job,
    engine::{EngineError, Kind, OnDuplicate, Serving, ServingSnapshot, TaskKind, TaskRunner},
};

/// Steps: embed and index two modalities.
pub(in crate::engine) const KIND: TaskKind = TaskKind { name: "reindex", steps: 4, on_duplicate: OnDuplicate::Reuse };

/// Starts a reindex, or returns the one that is running.
pub(in crate::engine) async fn start(tasks: &TaskRunner, serving: Arc<Serving>) -> Result<Task, EngineError> {
    tasks.start(KIND, async move |job: Job| rebuild_index(&serving, &job).await).await
}

/// Rebuilds the index and returns a summary.
pub(super) async fn rebuild_index(serving: &Serving, job: &Job) -> Result<Value, EngineError> {
    let began = Instant::now();
    let snapshot = serving.rebuild(job).await?;
    tracing::info!(generation = snapshot.number, "reindex: the new index is live");
    let mut summary = summary(&snapshot);
    summary["seconds"] = json!(began.elapsed().as_secs_f64());
    Ok(summary)
}

/// Summary of a snapshot for the result of a task.
pub(super) fn summary(snapshot: &ServingSnapshot) -> Value {
    json!({
        "index_generation": snapshot.number,
        "model": snapshot.record.version,
        "pictures": snapshot.indexes.points(Kind::Image),
        "captions": snapshot.indexes.points(Kind::Text),
    })
}
