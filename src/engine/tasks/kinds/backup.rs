//! A backup as a task.

use std::sync::Arc;

use serde_json::json;

use crate::{
    catalog::Task,
    collection::SearchError,
    engine::{
        Engine,
        tasks::runner::{Job, Twin},
    },
    maintenance::{BackupTo, backup},
};

impl Engine {
    /// Starts a backup into the collection's folder of backups, as a task; while one is at work, gives that one.
    ///
    /// # Errors
    /// If the catalog fails.
    pub async fn backup(self: &Arc<Self>) -> Result<Task, SearchError> {
        self.start_task("backup", Twin::Same, async |engine: Arc<Self>, job: Job| {
            let to = BackupTo { path: None, replace: false };
            let made = backup(&engine.library, to, job.listener(), Arc::clone(&job.stop)).await?;
            tracing::info!(file = %made.file.display(), bytes = made.bytes, missing = made.missing, "a backup was made");
            Ok(json!(made))
        })
        .await
    }
}
