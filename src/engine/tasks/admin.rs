//! Background tasks that an administrator can start in a running service. Queries are served meanwhile, and the live
//! snapshot is replaced atomically.

use std::{path::PathBuf, sync::Arc};

use super::kinds;
use crate::{
    catalog::Task,
    collection::{CollectionError, blocking},
    dataset::{self, DatasetError},
    engine::{BulkLine, EngineError, IngestService, TaskContext, TaskRunner},
    model::TrainSettings,
    training::PromotionPolicy,
};

/// Starts and cancels tasks. Methods that start a task return it immediately; [`EngineError::TaskRunning`] means that a
/// different task of the same kind is running.
#[derive(Debug)]
pub struct AdminTasks {
    context: TaskContext,
    items: Arc<IngestService>,
    runner: TaskRunner,
}

impl AdminTasks {
    pub(in crate::engine) fn new(context: TaskContext, items: Arc<IngestService>, runner: TaskRunner) -> Self {
        Self { context, items, runner }
    }

    /// Encodes items without features, trains a model and, if it is promoted, builds its index alongside the live one
    /// and swaps it in.
    ///
    /// # Errors
    /// [`EngineError::TaskRunning`]; or if the catalog fails.
    pub async fn train(&self, settings: TrainSettings, policy: PromotionPolicy) -> Result<Task, EngineError> {
        let context = self.context.clone();
        let work = async move |job| kinds::train::run(&context, settings, policy, job).await;
        self.runner.start(kinds::train::KIND, work).await
    }

    /// Evaluates the active model, and stores its report page and curves.
    ///
    /// # Errors
    /// If the catalog fails.
    pub async fn evaluate(&self) -> Result<Task, EngineError> {
        let context = self.context.clone();
        let work = async move |job| kinds::evaluate::run(&context, job).await;
        self.runner.start(kinds::evaluate::KIND, work).await
    }

    /// Imports a folder, a data.jsonl or a CSV on this machine. Its items are encoded, and searchable when the task
    /// ends.
    ///
    /// # Errors
    /// [`EngineError::BadQuery`] if it cannot be read; [`EngineError::TaskRunning`]; or if the catalog fails.
    pub async fn import(&self, path: PathBuf) -> Result<Task, EngineError> {
        let unreadable =
            |error: DatasetError| EngineError::BadQuery { field: "path".into(), reason: error.to_string() };
        let records = blocking(move || dataset::read(&path)).await?.map_err(unreadable)?;
        let context = self.context.clone();
        let work = async move |job| kinds::import::run(&context, Box::new(records), job).await;
        self.runner.start(kinds::import::KIND, work).await
    }

    /// Activates the model of this version, or, without one, rolls back to the previous model.
    ///
    /// # Errors
    /// [`CollectionError::NoSuchModel`], [`CollectionError::NoModel`], [`CollectionError::NoPreviousModel`];
    /// [`EngineError::TaskRunning`]; or if the catalog fails.
    pub async fn switch_model(&self, version: Option<String>) -> Result<Task, EngineError> {
        let catalog = &self.context.collection.catalog;
        match &version {
            Some(version) if catalog.model(version).await?.is_none() => {
                return Err(CollectionError::NoSuchModel(version.clone()).into());
            }
            None if catalog.previous_model().await?.is_none() => {
                let active = catalog.active_model().await?.ok_or(CollectionError::NoModel)?;
                return Err(CollectionError::NoPreviousModel(active.version).into());
            }
            _ => {}
        }
        let context = self.context.clone();
        let work = async move |job| kinds::activate::run(&context, version, job).await;
        self.runner.start(kinds::activate::KIND, work).await
    }

    /// Builds the next snapshot alongside the live one and swaps it in. If a reindex is running, returns that task.
    ///
    /// # Errors
    /// If the catalog fails.
    pub async fn reindex(&self) -> Result<Task, EngineError> {
        kinds::reindex::start(&self.runner, Arc::clone(&self.context.serving)).await
    }

    /// Writes a backup into the default folder. If a backup is running, returns that task.
    ///
    /// # Errors
    /// If the catalog fails.
    pub async fn backup(&self) -> Result<Task, EngineError> {
        let collection = self.context.collection.clone();
        self.runner.start(kinds::backup::KIND, async move |job| kinds::backup::run(&collection, job).await).await
    }

    /// Reclaims disk space. If a compaction is running, returns that task.
    ///
    /// # Errors
    /// If the catalog fails.
    pub async fn compact(&self) -> Result<Task, EngineError> {
        let collection = self.context.collection.clone();
        self.runner.start(kinds::compact::KIND, async move |job| kinds::compact::run(&collection, job).await).await
    }

    /// Compares the live indexes with scans. If a self-test is running, returns that task.
    ///
    /// # Errors
    /// [`CollectionError::NoModel`], [`EngineError::Starting`]; or if the catalog fails.
    pub async fn self_test(&self) -> Result<Task, EngineError> {
        let snapshot = self.context.serving.ready().await?;
        self.runner.start(kinds::self_test::KIND, async move |job| kinds::self_test::run(snapshot, job).await).await
    }

    /// Ingests many items with [`IngestService::ingest_lines`].
    ///
    /// # Errors
    /// [`EngineError::TaskRunning`]; or if the catalog fails.
    pub async fn bulk_ingest(
        &self,
        lines: Vec<BulkLine<(String, String)>>,
        rejection: fn(EngineError) -> (String, String),
    ) -> Result<Task, EngineError> {
        let items = Arc::clone(&self.items);
        let work = async move |job| kinds::bulk_ingest::run(items, lines, rejection, job).await;
        self.runner.start(kinds::bulk_ingest::KIND, work).await
    }

    /// Cancels a task. `false` if it is not running.
    pub fn cancel(&self, id: i64) -> bool {
        self.runner.cancel(id)
    }

    /// The number of running tasks.
    pub fn running(&self) -> usize {
        self.runner.running()
    }
}
