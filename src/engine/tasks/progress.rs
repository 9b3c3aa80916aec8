//! Buffers the progress of a task for the catalog.

use parking_lot::Mutex;
use serde_json::Value;

use crate::{
    catalog::{Catalog, Step},
    collection::Progress,
};

/// Records the steps and metrics of a task until they are written to the catalog.
#[derive(Debug, Default)]
pub(super) struct ProgressRecorder {
    steps: Mutex<Vec<Step>>,
    metrics: Mutex<Vec<Value>>,
}

impl ProgressRecorder {
    /// Writes recorded progress to the catalog. If that fails, it is retried next time.
    pub(super) async fn flush(&self, catalog: &Catalog, task: i64) {
        let steps = self.steps();
        let metrics = std::mem::take(&mut *self.metrics.lock());
        let written = async {
            catalog.update_task(task, &steps).await?;
            catalog.add_task_metrics(task, &metrics).await
        };
        if let Err(error) = written.await {
            tracing::warn!(task, %error, "the progress of a task could not be stored");
            self.metrics.lock().splice(0..0, metrics);
        }
    }

    pub(super) fn steps(&self) -> Vec<Step> {
        self.steps.lock().clone()
    }
}

impl Progress for ProgressRecorder {
    fn begin(&self, step: &str, unit: &str, total: Option<u64>) {
        let step = Step { name: step.to_owned(), done: 0, total: total.unwrap_or(0), unit: unit.to_owned() };
        self.steps.lock().push(step);
    }

    fn advance(&self, done: u64) {
        if let Some(step) = self.steps.lock().last_mut() {
            step.done = done;
        }
    }

    fn note(&self, text: &str) {
        tracing::info!("{text}");
    }

    fn measured(&self, metric: Value) {
        self.metrics.lock().push(metric);
    }
}
