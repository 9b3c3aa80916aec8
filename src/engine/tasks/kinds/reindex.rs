//! Reindexing as a task: the next generation is built beside the live one, and swapped in when it is whole.

use std::{sync::Arc, time::Instant};

use serde_json::{Value, json};

use crate::{
    catalog::Task,
    engine::{
        engine::Engine,
        error::EngineError,
        serving::snapshot::Generation,
        tasks::runner::{Job, OnDuplicate},
    },
    index::VectorIndex,
};

impl Engine {
    /// Starts a reindex and gives its task; while one is at work, gives that one.
    ///
    /// # Errors
    /// If the catalog fails.
    pub async fn reindex(self: &Arc<Self>) -> Result<Task, EngineError> {
        let work = async |engine: Arc<Self>, job: Job| engine.rebuilt(&job).await;
        self.start_task("reindex", OnDuplicate::Reuse, work).await
    }

    /// Builds the next generation and says what it holds.
    pub(in crate::engine) async fn rebuilt(&self, job: &Job) -> Result<Value, EngineError> {
        let began = Instant::now();
        let generation = self.rebuild(job.listener(), Arc::clone(&job.stop)).await?;
        tracing::info!(generation = generation.number, "reindex: the new generation is live");
        let mut said = in_short(&generation);
        said["seconds"] = json!(began.elapsed().as_secs_f64());
        Ok(said)
    }
}

/// What a generation is, in a task's result.
pub(in crate::engine) fn in_short(generation: &Generation) -> Value {
    json!({
        "index_generation": generation.number,
        "model": generation.record.version,
        "pictures": generation.images.len(),
        "captions": generation.texts.len(),
    })
}
