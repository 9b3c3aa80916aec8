//! Long work of a running service, as tasks: of each kind one at a time, with steps and metrics in the catalog, and stopped when
//! somebody asks.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use serde_json::Value;

use crate::{
    catalog::{Catalog, Step, Task, TaskStatus},
    collection::{CollectionError, Progress},
    compute,
    engine::{engine::Engine, error::EngineError},
};

/// How often a running task's progress is kept in the catalog.
const KEEP_EVERY: Duration = Duration::from_millis(250);

/// How often the end of a task is tried to be kept, a second apart: a task must not seem to run for ever.
const TRIES: usize = 30;

/// What a second request of a kind that is at work gets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::engine) enum OnDuplicate {
    /// The task at work: both ask for the same.
    Reuse,
    /// A refusal: it may ask for something else.
    Reject,
}

/// The tasks at work, by kind.
#[derive(Debug, Default)]
pub(in crate::engine) struct Tasks(Mutex<HashMap<&'static str, Running>>);

#[derive(Debug)]
struct Running {
    task: i64,
    stop: Arc<AtomicBool>,
}

impl Tasks {
    /// Asks all of them to stop.
    pub(in crate::engine) fn stop_all(&self) {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .values()
            .for_each(|r| r.stop.store(true, Ordering::Relaxed));
    }

    /// The one of this kind that is at work.
    fn of_kind(&self, kind: &str) -> Option<i64> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get(kind).map(|running| running.task)
    }

    /// Takes the place of this kind, or says which task has it.
    fn enter(&self, kind: &'static str, running: Running) -> Option<i64> {
        let mut at_work = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match at_work.get(kind) {
            Some(other) => Some(other.task),
            None => {
                at_work.insert(kind, running);
                None
            }
        }
    }

    fn leave(&self, kind: &str) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(kind);
    }

    fn stop(&self, task: i64) -> bool {
        let at_work = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let running = at_work.values().find(|running| running.task == task);
        running.map(|running| running.stop.store(true, Ordering::Relaxed)).is_some()
    }
}

/// What a task has with it while it works.
#[derive(Debug, Clone)]
pub(in crate::engine) struct Job {
    pub(in crate::engine) progress: Arc<ProgressRecorder>,
    /// Set when somebody asks the task to stop.
    pub(in crate::engine) stop: Arc<AtomicBool>,
}

impl Job {
    /// Waits for work that cannot be told to stop, but not longer than until somebody asks for it. The work must change nothing
    /// that counts: it goes on unheard.
    pub(in crate::engine) async fn or_stopped<T, E: From<CollectionError>>(
        &self,
        work: impl Future<Output = Result<T, E>>,
    ) -> Result<T, E> {
        let stopped = async {
            while !self.stop.load(Ordering::Relaxed) {
                tokio::time::sleep(KEEP_EVERY).await;
            }
        };
        tokio::select! {
            ended = work => ended,
            () = stopped => Err(CollectionError::Cancelled.into()),
        }
    }

    pub(in crate::engine) fn listener(&self) -> Arc<dyn Progress> {
        Arc::clone(&self.progress) as Arc<dyn Progress>
    }
}

/// Keeps what a task tells until the catalog has it.
#[derive(Debug, Default)]
pub(in crate::engine) struct ProgressRecorder {
    steps: Mutex<Vec<Step>>,
    metrics: Mutex<Vec<Value>>,
}

impl ProgressRecorder {
    async fn keep(&self, catalog: &Catalog, task: i64) {
        let steps = self.steps();
        let metrics = std::mem::take(&mut *self.metrics.lock().unwrap_or_else(PoisonError::into_inner));
        let kept = async {
            catalog.update_task(task, &steps).await?;
            catalog.add_task_metrics(task, &metrics).await
        };
        if let Err(error) = kept.await {
            tracing::warn!(task, %error, "a task's progress could not be kept");
            self.metrics.lock().unwrap_or_else(PoisonError::into_inner).splice(0..0, metrics);
        }
    }

    fn steps(&self) -> Vec<Step> {
        self.steps.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Progress for ProgressRecorder {
    fn begin(&self, step: &str, unit: &str, total: Option<u64>) {
        let step = Step { name: step.to_owned(), done: 0, total: total.unwrap_or(0), unit: unit.to_owned() };
        self.steps.lock().unwrap_or_else(PoisonError::into_inner).push(step);
    }

    fn advance(&self, done: u64) {
        if let Some(step) = self.steps.lock().unwrap_or_else(PoisonError::into_inner).last_mut() {
            step.done = done;
        }
    }

    fn note(&self, text: &str) {
        tracing::info!("{text}");
    }

    fn measured(&self, metric: Value) {
        self.metrics.lock().unwrap_or_else(PoisonError::into_inner).push(metric);
    }
}

impl Engine {
    /// Starts work as a task and gives it, or does what `twin` says while one of its kind is at work. What the work gives is the
    /// task's result; [`CollectionError::Cancelled`] ends it as cancelled.
    pub(in crate::engine) async fn start_task<W>(
        self: &Arc<Self>,
        kind: &'static str,
        twin: OnDuplicate,
        work: impl FnOnce(Arc<Self>, Job) -> W + Send + 'static,
    ) -> Result<Task, EngineError>
    where
        W: Future<Output = Result<Value, EngineError>> + Send + 'static,
    {
        let mut at_work = self.tasks.of_kind(kind);
        // One that has just ended leaves its place in a moment.
        while let Some(id) = at_work
            && self.collection.catalog.task(id).await?.is_none_or(|task| task.finished_at.is_some())
        {
            tokio::time::sleep(Duration::from_millis(5)).await;
            at_work = self.tasks.of_kind(kind);
        }
        let id = match at_work {
            Some(id) if twin == OnDuplicate::Reuse => id,
            Some(id) => return Err(EngineError::TaskRunning { kind, id }),
            None => {
                // In a task of its own: whoever asks may go away, and what was begun has to begin.
                let engine = Arc::clone(self);
                let begun = compute::spawn(async move { engine.begin(kind, twin, work).await }).await;
                begun.map_err(|e| EngineError::internal(e.to_string()))??
            }
        };
        self.collection.catalog.task(id).await?.ok_or_else(|| EngineError::internal(format!("task {id} is gone")))
    }

    async fn begin<W>(
        self: &Arc<Self>,
        kind: &'static str,
        twin: OnDuplicate,
        work: impl FnOnce(Arc<Self>, Job) -> W + Send + 'static,
    ) -> Result<i64, EngineError>
    where
        W: Future<Output = Result<Value, EngineError>> + Send + 'static,
    {
        let task = self.collection.catalog.create_task(kind).await?;
        let stop = Arc::new(AtomicBool::new(false));
        if let Some(other) = self.tasks.enter(kind, Running { task, stop: Arc::clone(&stop) }) {
            // Two requests came at once and the other one was first; this task ends before it begins.
            let error = format!("task {other} is at work already");
            self.collection.catalog.finish_task(task, TaskStatus::Cancelled, &[], None, Some(&error)).await?;
            return if twin == OnDuplicate::Reuse {
                Ok(other)
            } else {
                Err(EngineError::TaskRunning { kind, id: other })
            };
        }
        // Only now: whoever closes the service stops what has its place, and this may not have had it yet.
        stop.fetch_or(self.closing.load(Ordering::Relaxed), Ordering::Relaxed);
        let engine = Arc::clone(self);
        compute::spawn(async move {
            let job = Job { progress: Arc::new(ProgressRecorder::default()), stop };
            let told = Arc::clone(&job.progress);
            // A task of its own, so that a panic in the work is an end like another.
            let mut working = compute::spawn(work(Arc::clone(&engine), job));
            let mut tick = tokio::time::interval(KEEP_EVERY);
            let ended = loop {
                tokio::select! {
                    ended = &mut working => break ended.unwrap_or_else(|e| Err(EngineError::internal(e.to_string()))),
                    _ = tick.tick() => told.keep(&engine.collection.catalog, task).await,
                }
            };
            told.keep(&engine.collection.catalog, task).await;
            engine.end(kind, task, &told.steps(), ended).await;
        });
        Ok(task)
    }

    async fn end(&self, kind: &'static str, task: i64, steps: &[Step], ended: Result<Value, EngineError>) {
        let (status, result, error) = match ended {
            Ok(result) => (TaskStatus::Succeeded, Some(result), None),
            Err(error) if error.is_cancelled() => (TaskStatus::Cancelled, None, Some(error.to_string())),
            Err(error) => {
                tracing::error!(task, kind, %error, "a task failed");
                (TaskStatus::Failed, None, Some(error.to_string()))
            }
        };
        let outcome = serde_json::json!(status).as_str().unwrap_or_default().to_owned();
        metrics::counter!("diptych_tasks_total", "type" => kind, "status" => outcome).increment(1);
        // The next of this kind may begin only when this one's end is written, else a client could see two at work.
        for _ in 0..TRIES {
            let kept =
                self.collection.catalog.finish_task(task, status, steps, result.as_ref(), error.as_deref()).await;
            let Err(error) = kept else { break };
            tracing::error!(task, %error, "a task's end could not be kept");
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
        self.tasks.leave(kind);
    }

    /// How many tasks are at work.
    pub fn tasks_at_work(&self) -> usize {
        self.tasks.0.lock().unwrap_or_else(PoisonError::into_inner).len()
    }

    /// Asks a task to stop. `false` if it is not at work.
    pub fn cancel_task(&self, id: i64) -> bool {
        self.tasks.stop(id)
    }
}
