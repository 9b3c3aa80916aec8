//! What an owner asks a running service to do, as tasks: learn, measure, take in, and change which model answers. Queries are
//! answered all the while, and what answers changes in one moment.

use std::{
    path::PathBuf,
    sync::{Arc, atomic::Ordering},
};

use serde_json::{Value, json};

use crate::{
    catalog::{ModelRecord, Task},
    collection::{SearchError, blocking},
    dataset,
    dscmr::TrainSettings,
    engine::{
        engine::Engine,
        tasks::{
            kinds::reindex::in_short,
            runner::{Job, Twin},
        },
    },
    training::{
        activation::{activate, roll_back},
        encode_missing::encode_missing,
        import::import,
        promotion::Gate,
        report::{keep_report, report_page},
        train::{Trained, train},
    },
};

impl Engine {
    /// Starts a training as a task: what is missing is encoded, a model is learned and judged, and if it may answer, its index is
    /// built beside the live one and swapped in.
    ///
    /// # Errors
    /// [`SearchError::TaskAtWork`]; or if the catalog fails.
    pub async fn train(self: &Arc<Self>, settings: TrainSettings, gate: Gate) -> Result<Task, SearchError> {
        self.start_task("train", Twin::Refused, async move |engine: Arc<Self>, job: Job| {
            engine.encode_all(&job).await?;
            let Trained { record, report, verdict, .. } =
                train(&engine.library, &engine.encoders, settings, gate, job.listener(), Arc::clone(&job.stop)).await?;
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
    pub async fn evaluate(self: &Arc<Self>) -> Result<Task, SearchError> {
        self.start_task("evaluate", Twin::Same, async |engine: Arc<Self>, job: Job| {
            let Engine { library, encoders, .. } = engine.as_ref();
            let record = library.catalog.active_model().await?.ok_or(SearchError::NoModel)?;
            engine.encode_all(&job).await?;
            let examined = job.or_stopped(report_page(library, encoders, &record)).await?;
            keep_report(library, &record.version, &examined).await?;
            Ok(json!({ "model": record.version, "report": examined.report }))
        })
        .await
    }

    /// Starts to take a folder, a data.jsonl or a CSV of this machine into the collection, as a task; what came is encoded and
    /// found when it ends.
    ///
    /// # Errors
    /// [`SearchError::BadQuery`] if it cannot be read; or if the catalog fails.
    pub async fn import(self: &Arc<Self>, path: PathBuf) -> Result<Task, SearchError> {
        let unreadable =
            |e: dataset::DatasetError| SearchError::BadQuery { field: "path".into(), reason: e.to_string() };
        let records = blocking(move || dataset::read(&path)).await?.map_err(unreadable)?;
        self.start_task("import", Twin::Refused, async |engine: Arc<Self>, job: Job| {
            let progress = job.listener();
            let summary = import(&engine.library, Box::new(records), None, progress.as_ref(), &job.stop).await?;
            if summary.stopped {
                return Err(SearchError::Stopped);
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
    /// [`SearchError::NoSuchModel`], [`SearchError::NoModel`], [`SearchError::NoModelBefore`]; or if the catalog fails.
    pub async fn switch_model(self: &Arc<Self>, version: Option<String>) -> Result<Task, SearchError> {
        let catalog = &self.library.catalog;
        match &version {
            Some(version) if catalog.model(version).await?.is_none() => {
                return Err(SearchError::NoSuchModel(version.clone()));
            }
            None if catalog.model_before().await?.is_none() => {
                let active = catalog.active_model().await?.ok_or(SearchError::NoModel)?;
                return Err(SearchError::NoModelBefore(active.version));
            }
            _ => {}
        }
        // Both change which model answers, so one of either is at work at a time.
        self.start_task("activate", Twin::Refused, async move |engine: Arc<Self>, job: Job| {
            let Engine { library, encoders, .. } = engine.as_ref();
            let record = match version {
                Some(version) => activate(library, encoders, &version).await?,
                None => roll_back(library, encoders).await?,
            };
            engine.take_up(&record, &engine.to_the_end(&job)).await
        })
        .await
    }

    /// The index of the model that answers from now on: the one that is kept, or a new one.
    async fn take_up(&self, record: &ModelRecord, job: &Job) -> Result<Value, SearchError> {
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
    async fn encode_all(&self, job: &Job) -> Result<(), SearchError> {
        let progress = job.listener();
        let encoded = encode_missing(&self.library, &self.encoders, progress.as_ref(), &job.stop).await?;
        if encoded.stopped || job.stop.load(Ordering::Relaxed) { Err(SearchError::Stopped) } else { Ok(()) }
    }
}
