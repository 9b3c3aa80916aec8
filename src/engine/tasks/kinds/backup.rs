//! A backup as a task.

use std::sync::Arc;

use serde_json::json;

use crate::{
    catalog::Task,
    engine::{
        Engine,
        error::EngineError,
        tasks::runner::{Job, OnDuplicate},
    },
    maintenance::{BackupTo, backup},
};

impl Engine {
    /// Starts a backup into the collection's folder of backups, as a task; while one is at work, gives that one.
    ///
    /// # Errors
    /// If the catalog fails.
    pub async fn backup(self: &Arc<Self>) -> Result<Task, EngineError> {
        self.start_task("backup", OnDuplicate::Reuse, async |engine: Arc<Self>, job: Job| {
            let to = BackupTo { path: None, replace: false };
            let made = backup(&engine.collection, to, job.listener(), Arc::clone(&job.stop)).await?;
            tracing::info!(file = %made.file.display(), bytes = made.bytes, missing = made.missing, "a backup was made");
            Ok(json!(made))
        })
        .await
    }
}
