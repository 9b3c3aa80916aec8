//! Comparing the live indexes with scans, as a task.

use std::sync::Arc;

use serde_json::json;

use super::{Engine, SearchError, blocking, metrics};
use crate::catalog::{Task, TaskStatus};

impl Engine {
    /// Starts a comparison of the live indexes with scans, as a task.
    ///
    /// # Errors
    /// [`SearchError::NoModel`], [`SearchError::Starting`]; or if the catalog fails.
    pub async fn self_test(self: &Arc<Self>) -> Result<Task, SearchError> {
        let generation = self.ready().await?;
        let catalog = self.library.catalog.clone();
        let task = catalog.create_task("selftest").await?;
        let accepted = catalog.task(task).await?;
        tokio::spawn(async move {
            let number = generation.number;
            let tested = blocking(move || generation.self_test()).await.and_then(|tested| tested);
            let (status, result, error) = match tested {
                Ok(tests) => {
                    tests.iter().for_each(|(name, test)| metrics::tested(name, test));
                    let tests: serde_json::Map<String, serde_json::Value> =
                        tests.iter().map(|(name, test)| ((*name).to_owned(), json!(test))).collect();
                    (TaskStatus::Succeeded, Some(json!({ "index_generation": number, "indexes": tests })), None)
                }
                Err(error) => (TaskStatus::Failed, None, Some(error.to_string())),
            };
            let ended = catalog.task_ended(task, status, &[], result.as_ref(), error.as_deref()).await;
            if let Err(error) = ended {
                tracing::error!(task, %error, "a task's end could not be kept");
            }
        });
        accepted.ok_or_else(|| SearchError::Background(format!("task {task} is gone")))
    }
}
