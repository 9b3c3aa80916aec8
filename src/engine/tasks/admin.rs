//! What an owner asks a running service to do, as tasks: learn, measure, take in, and change which model answers. Queries are
//! answered all the while, and what answers changes in one moment.

use std::{
    path::PathBuf,
    sync::{Arc, atomic::Ordering},
};

use serde_json::{Value, json};

use crate::{
    catalog::{ModelRecord, Task},
    collection::{CollectionError, blocking},
    dataset,
    engine::{
        engine::Engine,
        error::EngineError,
        tasks::{
            kinds::reindex::in_short,
            runner::{Job, OnDuplicate},
        },
    },
    model::TrainSettings,
    training::{
        PromotionPolicy, Trained, activate, encode_missing, import, keep_report, report_page, roll_back, train,
    },
};

impl Engine {
    /// Starts a training as a task: what is missing is encoded, a model is learned and judged, and if it may answer, its index is
    /// built beside the live one and swapped in.
    ///
    /// # Errors
    /// [`EngineError::TaskRunning`]; or if the catalog fails.
    pub async fn train(self: &Arc<Self>, settings: TrainSettings, gate: PromotionPolicy) -> Result<Task, EngineError> {
        self.start_task("train", OnDuplicate::Reject, async move |engine: Arc<Self>, job: Job| {
            engine.encode_all(&job).await?;
            let Trained { record, report, verdict, .. } =
                train(&engine.collection, &engine.encoders, settings, gate, job.listener(), Arc::clone(&job.stop))
                    .await?;
            // It is the model that answers already, so its index follows, whoever asks to stop now.
            let job = engine.to_the_end(&job);
            let index = if verdict.promoted { Some(engine.rebuilt(&job).await?) } else { None };
            Ok(json!({ "model": record.version, "verdict": verdict, "report": report, "index": index }))
        })
        .await
    }

    /// Starts to measure the model that answers, as a task, and keeps the page for people and the curves beside it.
    ///
    /// # Errors
    /// If the catalog fails.
    pub async fn evaluate(self: &Arc<Self>) -> Result<Task, EngineError> {
        self.start_task("evaluate", OnDuplicate::Reuse, async |engine: Arc<Self>, job: Job| {
            let Engine { collection, encoders, .. } = engine.as_ref();
            let record = collection.catalog.active_model().await?.ok_or(CollectionError::NoModel)?;
            engine.encode_all(&job).await?;
            let examined = job.or_stopped(report_page(collection, encoders, &record)).await?;
            keep_report(collection, &record.version, &examined).await?;
            Ok(json!({ "model": record.version, "report": examined.report }))
        })
        .await
    }

    /// Starts to take a folder, a data.jsonl or a CSV of this machine into the collection, as a task; what came is encoded and
    /// found when it ends.
    ///
    /// # Errors
    /// [`EngineError::BadQuery`] if it cannot be read; or if the catalog fails.
    pub async fn import(self: &Arc<Self>, path: PathBuf) -> Result<Task, EngineError> {
        let unreadable =
            |e: dataset::DatasetError| EngineError::BadQuery { field: "path".into(), reason: e.to_string() };
        let records = blocking(move || dataset::read(&path)).await?.map_err(unreadable)?;
        self.start_task("import", OnDuplicate::Reject, async |engine: Arc<Self>, job: Job| {
            let progress = job.listener();
            let summary = import(&engine.collection, Box::new(records), None, progress.as_ref(), &job.stop).await?;
            if summary.stopped {
                return Err(CollectionError::Cancelled.into());
            }
            engine.encode_all(&job).await?;
            let index = if engine.live().is_some() { Some(engine.rebuilt(&job).await?) } else { None };
            Ok(json!({
                "taken": summary.taken, "unchanged": summary.unchanged, "rejected": summary.rejected,
                "rejections": summary.rejections, "index": index,
            }))
        })
        .await
    }

    /// Starts to make another model answer, as a task: the one of this name, or without a name the one that did before.
    ///
    /// # Errors
    /// [`CollectionError::NoSuchModel`], [`CollectionError::NoModel`], [`CollectionError::NoPreviousModel`]; or if the catalog fails.
    pub async fn switch_model(self: &Arc<Self>, version: Option<String>) -> Result<Task, EngineError> {
        let catalog = &self.collection.catalog;
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
        // Both change which model answers, so one of either is at work at a time.
        self.start_task("activate", OnDuplicate::Reject, async move |engine: Arc<Self>, job: Job| {
            let Engine { collection, encoders, .. } = engine.as_ref();
            let record = match version {
                Some(version) => activate(collection, encoders, &version).await?,
                None => roll_back(collection, encoders).await?,
            };
            engine.take_up(&record, &engine.to_the_end(&job)).await
        })
        .await
    }

    /// The index of the model that answers from now on: the one that is kept, or a new one.
    async fn take_up(&self, record: &ModelRecord, job: &Job) -> Result<Value, EngineError> {
        let (generation, due) = {
            // A generation that is being built may be of the model before; it must not come after this one.
            let _building = self.building.lock().await;
            self.open().await?
        };
        let index = if due { self.rebuilt(job).await? } else { in_short(&generation) };
        Ok(json!({ "model": record.version, "index": index }))
    }

    /// A job that ends with the service alone.
    fn to_the_end(&self, job: &Job) -> Job {
        Job { stop: Arc::clone(&self.closing), ..job.clone() }
    }

    /// Encodes what is missing.
    async fn encode_all(&self, job: &Job) -> Result<(), EngineError> {
        let progress = job.listener();
        let encoded = encode_missing(&self.collection, &self.encoders, progress.as_ref(), &job.stop).await?;
        if encoded.stopped || job.stop.load(Ordering::Relaxed) {
            Err(CollectionError::Cancelled.into())
        } else {
            Ok(())
        }
    }
}
