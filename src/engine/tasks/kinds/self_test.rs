//! Comparing the live indexes with scans, as a task.

use std::sync::Arc;

use serde_json::{Map, Value, json};

use crate::{
    catalog::Task,
    collection::{SearchError, blocking},
    engine::{
        engine::Engine,
        metrics,
        tasks::runner::{Job, Twin},
    },
};

impl Engine {
    /// Starts a comparison of the live indexes with scans, as a task.
    ///
    /// # Errors
    /// [`SearchError::NoModel`], [`SearchError::Starting`]; or if the catalog fails.
    pub async fn self_test(self: &Arc<Self>) -> Result<Task, SearchError> {
        let generation = self.ready().await?;
        self.start_task("selftest", Twin::Same, async |_: Arc<Self>, job: Job| {
            let number = generation.number;
            let tests = job.or_stopped(async { blocking(move || generation.self_test()).await? }).await?;
            tests.iter().for_each(|(name, test)| metrics::tested(name, test));
            let tests: Map<String, Value> =
                tests.iter().map(|(name, test)| ((*name).to_owned(), json!(test))).collect();
            Ok(json!({ "index_generation": number, "indexes": tests }))
        })
        .await
    }
}
