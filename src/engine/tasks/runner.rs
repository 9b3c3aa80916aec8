//! Runs tasks: one of a kind at a time, with steps and metrics in the catalog, until they end or are cancelled.

use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use parking_lot::Mutex;
use serde_json::Value;

use super::{OnDuplicate, TaskKind, progress::ProgressRecorder};
use crate::{
    catalog::{Catalog, Step, Task, TaskStatus},
    collection::{Job, Progress},
    compute,
    engine::EngineError,
};

/// How often the progress of a running task is written to the catalog.
const FLUSH_EVERY: Duration = Duration::from_millis(250);

/// Maximum number of attempts, one second apart, to store the end of a task, so that it does not seem to run forever.
const TRIES: usize = 30;

/// The running tasks of a service. Cheap to clone.
#[derive(Debug, Clone)]
pub(in crate::engine) struct TaskRunner {
    catalog: Catalog,
    running: Arc<Mutex<HashMap<&'static str, Running>>>,
    /// Set when the service shuts down.
    closing: Arc<AtomicBool>,
}

#[derive(Debug)]
struct Running {
    task: i64,
    stop: Arc<AtomicBool>,
}

impl TaskRunner {
    pub(in crate::engine) fn new(catalog: Catalog, closing: Arc<AtomicBool>) -> Self {
        Self { catalog, running: Arc::default(), closing }
    }

    /// Starts work as a task and returns the task; if one of its kind is running, the kind decides. The output of the
    /// work is the result of the task; a cancellation error ends the task as cancelled.
    pub(in crate::engine) async fn start<W>(
        &self,
        kind: TaskKind,
        work: impl FnOnce(Job) -> W + Send + 'static,
    ) -> Result<Task, EngineError>
    where
        W: Future<Output = Result<Value, EngineError>> + Send + 'static,
    {
        let mut running = self.running_task(kind);
        // A task that has just ended is about to release its slot.
        while let Some(id) = running
            && self.catalog.task(id).await?.is_none_or(|task| task.finished_at.is_some())
        {
            tokio::time::sleep(Duration::from_millis(5)).await;
            running = self.running_task(kind);
        }
        let id = match running {
            Some(id) if kind.on_duplicate == OnDuplicate::Reuse => id,
            Some(id) => return Err(EngineError::TaskRunning { kind: kind.name, id }),
            None => {
                // Spawned, so that the start completes even if the caller is dropped.
                let runner = self.clone();
                let started = compute::spawn(async move { runner.spawn(kind, work).await }).await;
                started.map_err(|e| EngineError::internal(e.to_string()))??
            }
        };
        self.catalog.task(id).await?.ok_or_else(|| EngineError::internal(format!("task {id} does not exist any more")))
    }

    async fn spawn<W>(&self, kind: TaskKind, work: impl FnOnce(Job) -> W + Send + 'static) -> Result<i64, EngineError>
    where
        W: Future<Output = Result<Value, EngineError>> + Send + 'static,
    {
        let task = self.catalog.create_task(kind.name).await?;
        let stop = Arc::new(AtomicBool::new(false));
        if let Some(other) = self.acquire(kind, Running { task, stop: Arc::clone(&stop) }) {
            // A concurrent request was first.
            let error = format!("task {other} is running already");
            self.catalog.finish_task(task, TaskStatus::Cancelled, &[], None, Some(&error)).await?;
            return match kind.on_duplicate {
                OnDuplicate::Reuse => Ok(other),
                OnDuplicate::Reject => Err(EngineError::TaskRunning { kind: kind.name, id: other }),
            };
        }
        // Checked again after registering: `stop_all` may have run before.
        stop.fetch_or(self.closing.load(Ordering::Relaxed), Ordering::Relaxed);
        let runner = self.clone();
        compute::spawn(async move {
            let recorder = Arc::new(ProgressRecorder::default());
            let job = Job { progress: Arc::clone(&recorder) as Arc<dyn Progress>, stop };
            // Spawned again, so that a panic in the work ends the task like an error.
            let mut working = compute::spawn(work(job));
            let mut tick = tokio::time::interval(FLUSH_EVERY);
            let ended = loop {
                tokio::select! {
                    ended = &mut working => {
                        break ended.unwrap_or_else(|e| Err(EngineError::internal(e.to_string())));
                    }
                    _ = tick.tick() => recorder.flush(&runner.catalog, task).await,
                }
            };
            recorder.flush(&runner.catalog, task).await;
            runner.finish(kind, task, &recorder.steps(), ended).await;
        });
        Ok(task)
    }

    async fn finish(&self, kind: TaskKind, task: i64, steps: &[Step], ended: Result<Value, EngineError>) {
        let (status, result, error) = match ended {
            Ok(result) => (TaskStatus::Succeeded, Some(result), None),
            Err(error) if error.is_cancelled() => (TaskStatus::Cancelled, None, Some(error.to_string())),
            Err(error) => {
                tracing::error!(task, kind = kind.name, %error, "a task failed");
                (TaskStatus::Failed, None, Some(error.to_string()))
            }
        };
        let outcome = serde_json::json!(status).as_str().unwrap_or_default().to_owned();
        metrics::counter!("diptych_tasks_total", "type" => kind.name, "status" => outcome).increment(1);
        // Release the slot only after the end is stored, or clients could see two running tasks of a kind.
        for _ in 0..TRIES {
            let stored = self.catalog.finish_task(task, status, steps, result.as_ref(), error.as_deref()).await;
            let Err(error) = stored else { break };
            tracing::error!(task, %error, "the end of a task could not be stored");
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
        self.running.lock().remove(kind.name);
    }

    /// The running task of a kind.
    fn running_task(&self, kind: TaskKind) -> Option<i64> {
        self.running.lock().get(kind.name).map(|running| running.task)
    }

    /// Acquires the slot of a kind, or returns the task that occupies it.
    fn acquire(&self, kind: TaskKind, task: Running) -> Option<i64> {
        let mut running = self.running.lock();
        match running.get(kind.name) {
            Some(other) => Some(other.task),
            None => {
                running.insert(kind.name, task);
                None
            }
        }
    }

    /// The number of running tasks.
    pub(in crate::engine) fn running(&self) -> usize {
        self.running.lock().len()
    }

    /// Cancels a task. `false` if it is not running.
    pub(in crate::engine) fn cancel(&self, task: i64) -> bool {
        let running = self.running.lock();
        let found = running.values().find(|running| running.task == task);
        found.map(|found| found.stop.store(true, Ordering::Relaxed)).is_some()
    }

    /// Cancels all tasks.
    pub(in crate::engine) fn stop_all(&self) {
        self.running.lock().values().for_each(|running| running.stop.store(true, Ordering::Relaxed));
    }
}
