//! Reindexing as a task: the next generation is built beside the live one, and swapped in when it is whole.

use std::{
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use serde_json::json;

use super::{Engine, Progress, SearchError};
use crate::{
    catalog::{Step, Task, TaskStatus},
    index::VectorIndex,
};

/// How often a running task's progress is kept in the catalog.
const KEEP_EVERY: Duration = Duration::from_millis(250);

/// A reindex that is at work.
#[derive(Debug)]
pub(super) struct Running {
    task: i64,
    stop: Arc<AtomicBool>,
}

/// Keeps a task's steps.
#[derive(Debug, Default)]
struct Steps(Mutex<Vec<Step>>);

impl Steps {
    fn now(&self) -> Vec<Step> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Progress for Steps {
    fn begin(&self, step: &str, unit: &str, total: Option<u64>) {
        let step = Step { name: step.to_owned(), done: 0, total: total.unwrap_or(0), unit: unit.to_owned() };
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(step);
    }

    fn advance(&self, done: u64) {
        if let Some(step) = self.0.lock().unwrap_or_else(PoisonError::into_inner).last_mut() {
            step.done = done;
        }
    }

    fn note(&self, text: &str) {
        tracing::info!("{text}");
    }
}

impl Engine {
    /// Starts a reindex and gives its task; while one is at work, gives that one.
    ///
    /// # Errors
    /// If the catalog fails.
    pub async fn reindex(self: &Arc<Self>) -> Result<Task, SearchError> {
        let task = match self.running_reindex() {
            Some(task) => task,
            None => self.start_reindex().await?,
        };
        self.library.catalog.task(task).await?.ok_or_else(|| SearchError::Background(format!("task {task} is gone")))
    }

    async fn start_reindex(self: &Arc<Self>) -> Result<i64, SearchError> {
        let task = self.library.catalog.create_task("reindex").await?;
        let stop = Arc::new(AtomicBool::new(self.closing.load(Ordering::Relaxed)));
        let other = {
            let mut running = self.reindexing.lock().unwrap_or_else(PoisonError::into_inner);
            match running.as_ref() {
                Some(other) => Some(other.task),
                None => {
                    *running = Some(Running { task, stop: Arc::clone(&stop) });
                    None
                }
            }
        };
        if let Some(other) = other {
            // Two requests came at once and the other one was first; this task ends before it begins.
            let error = format!("task {other} is at work already");
            self.library.catalog.task_ended(task, TaskStatus::Cancelled, &[], None, Some(&error)).await?;
            return Ok(other);
        }
        tokio::spawn(Arc::clone(self).run_reindex(task, stop));
        Ok(task)
    }

    async fn run_reindex(self: Arc<Self>, task: i64, stop: Arc<AtomicBool>) {
        let began = Instant::now();
        let steps = Arc::new(Steps::default());
        let progress: Arc<dyn Progress> = Arc::<Steps>::clone(&steps);
        let mut build = std::pin::pin!(self.rebuild(progress, stop));
        let mut tick = tokio::time::interval(KEEP_EVERY);
        let built = loop {
            tokio::select! {
                built = &mut build => break built,
                _ = tick.tick() => {
                    if let Err(error) = self.library.catalog.task_running(task, &steps.now()).await {
                        tracing::warn!(task, %error, "a task's progress could not be kept");
                    }
                }
            }
        };
        let (status, result, error) = match &built {
            Ok(generation) => {
                let result = json!({
                    "index_generation": generation.number,
                    "model": generation.record.version,
                    "pictures": generation.images.len(),
                    "captions": generation.texts.len(),
                    "seconds": began.elapsed().as_secs_f64(),
                });
                tracing::info!(task, generation = generation.number, "reindex: the new generation is live");
                (TaskStatus::Succeeded, Some(result), None)
            }
            Err(SearchError::Stopped) => (TaskStatus::Cancelled, None, Some(SearchError::Stopped.to_string())),
            Err(error) => {
                tracing::error!(task, %error, "reindex failed; the live generation stays");
                (TaskStatus::Failed, None, Some(error.to_string()))
            }
        };
        // The next reindex may begin only when this one's end is written, else a client could see two at work.
        let ended =
            self.library.catalog.task_ended(task, status, &steps.now(), result.as_ref(), error.as_deref()).await;
        if let Err(error) = ended {
            tracing::error!(task, %error, "a task's end could not be kept");
        }
        *self.reindexing.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    fn running_reindex(&self) -> Option<i64> {
        self.reindexing.lock().unwrap_or_else(PoisonError::into_inner).as_ref().map(|running| running.task)
    }

    /// Asks the running reindex to stop, if one runs.
    pub(super) fn stop_reindex(&self) {
        if let Some(running) = self.reindexing.lock().unwrap_or_else(PoisonError::into_inner).as_ref() {
            running.stop.store(true, Ordering::Relaxed);
        }
    }
}
