//! A compaction as a task.

use std::sync::Arc;

use serde_json::json;

use crate::{
    catalog::Task,
    collection::SearchError,
    engine::{
        Engine,
        tasks::runner::{Job, Twin},
    },
    maintenance::compact,
};

impl Engine {
    /// Starts a compaction, as a task; while one is at work, gives that one.
    ///
    /// # Errors
    /// If the catalog fails.
    pub async fn compact(self: &Arc<Self>) -> Result<Task, SearchError> {
        self.start_task("compact", Twin::Same, async |engine: Arc<Self>, job: Job| {
            Ok(json!(compact(&engine.library, job.listener(), Arc::clone(&job.stop)).await?))
        })
        .await
    }
}
