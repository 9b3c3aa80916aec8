//! A compaction as a task.

use std::sync::Arc;

use serde_json::json;

use crate::{
    catalog::Task,
    engine::{
        Engine,
        error::EngineError,
        tasks::runner::{Job, OnDuplicate},
    },
    maintenance::compact,
};

impl Engine {
    /// Starts a compaction, as a task; while one is at work, gives that one.
    ///
    /// # Errors
    /// If the catalog fails.
    pub async fn compact(self: &Arc<Self>) -> Result<Task, EngineError> {
        self.start_task("compact", OnDuplicate::Reuse, async |engine: Arc<Self>, job: Job| {
            Ok(json!(compact(&engine.collection, job.listener(), Arc::clone(&job.stop)).await?))
        })
        .await
    }
}
