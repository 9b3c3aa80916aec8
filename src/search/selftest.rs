//! Comparing the live indexes with scans, as a task.

use std::sync::Arc;

use serde_json::{Map, Value, json};

use super::{Engine, SearchError, blocking, metrics, tasks::Job};
use crate::catalog::Task;

impl Engine {
    /// Starts a comparison of the live indexes with scans, as a task.
    ///
    /// # Errors
    /// [`SearchError::NoModel`], [`SearchError::Starting`]; or if the catalog fails.
    pub async fn self_test(self: &Arc<Self>) -> Result<Task, SearchError> {
        let generation = self.ready().await?;
        self.start_task("selftest", async |_: Arc<Self>, _: Job| {
            let number = generation.number;
            let tests = blocking(move || generation.self_test()).await??;
            tests.iter().for_each(|(name, test)| metrics::tested(name, test));
            let tests: Map<String, Value> =
                tests.iter().map(|(name, test)| ((*name).to_owned(), json!(test))).collect();
            Ok(json!({ "index_generation": number, "indexes": tests }))
        })
        .await
    }
}
