//! Comparing the live indexes with scans, as a task.

use std::sync::Arc;

use serde_json::{Map, Value, json};

use crate::{
    catalog::Task,
    collection::blocking,
    engine::{
        engine::Engine,
        error::EngineError,
        metrics,
        tasks::runner::{Job, OnDuplicate},
    },
};

impl Engine {
    /// Starts a comparison of the live indexes with scans, as a task.
    ///
    /// # Errors
    /// [`CollectionError::NoModel`], [`EngineError::Starting`]; or if the catalog fails.
    pub async fn self_test(self: &Arc<Self>) -> Result<Task, EngineError> {
        let generation = self.ready().await?;
        self.start_task("selftest", OnDuplicate::Reuse, async |_: Arc<Self>, job: Job| {
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
