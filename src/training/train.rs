//! Trains a model on the collection: loads features from the catalog, assigns splits, runs the trainer, evaluates the
//! test split once, and stores the model in its folder and the catalog.
//!
//! The trainer writes checkpoints into `models/training/`; the next run with the same data and settings resumes from
//! there. A model's folder is renamed when it is complete, and its row is written last, so every model in the catalog
//! is complete.

use std::{fs::File, sync::Arc, time::Instant};

use serde_json::json;

use super::{
    PromotionDecision, PromotionPolicy, load_training_set, promotion::decide, remove, trained_model::train_and_evaluate,
};
use crate::{
    catalog::{self, ModelRecord},
    collection::{Collection, CollectionError, Encoders, Job, blocking},
    evaluation::Report,
    model::TrainSettings,
    util::fs::try_lock_file,
};

/// Result of a training.
#[derive(Debug, Clone)]
pub struct Trained {
    /// The model's row in the catalog.
    pub record: ModelRecord,
    /// Description of its heads, with their weights in a cosine.
    pub parts: String,
    /// Its evaluation on the test split.
    pub report: Report,
    /// The promotion decision.
    pub verdict: PromotionDecision,
}

/// Trains a model on all items with a picture, a caption and features. It is activated if the promotion policy allows
/// it; otherwise it is stored and the active model is unchanged.
///
/// # Errors
/// [`CollectionError::NotEnoughData`], [`CollectionError::Cancelled`] (the next call resumes),
/// [`CollectionError::TrainingElsewhere`]; or if the catalog, the trainer or the file system fails.
pub async fn train(
    collection: &Collection,
    encoders: &Encoders,
    settings: TrainSettings,
    policy: PromotionPolicy,
    job: &Job,
) -> Result<Trained, CollectionError> {
    let began = Instant::now();
    let _lock = lock_training(collection)?;
    let data = Arc::new(load_training_set(collection, encoders, settings.seed).await?.data);
    let checkpoints = collection.data_dir.training();
    let (image_encoder, text_encoder) = (encoders.image.id().to_owned(), encoders.text.id().to_owned());
    let trained = {
        let (data, checkpoints) = (Arc::clone(&data), checkpoints.clone());
        let encoders = (image_encoder.clone(), text_encoder.clone());
        let job = job.clone();
        blocking(move || train_and_evaluate(&data, &settings, &encoders, Some(&checkpoints), &job)).await??
    };
    let verdict = decide(collection, &trained, Arc::clone(&data), policy).await?;

    let version = collection.catalog.next_model_version().await?;
    let record = ModelRecord {
        created_at: catalog::now_ms(),
        image_encoder,
        text_encoder,
        settings: json!(trained.model.settings()),
        report: json!(trained.report),
        seconds: began.elapsed().as_secs_f64(),
        promotion: json!(verdict),
        version,
    };
    let (parts, report) = (trained.model.describe_heads(), trained.report.clone());
    let (folder, unnamed) = (collection.data_dir.model(&record.version), collection.data_dir.finishing());
    let seconds = record.seconds;
    // Replaces the folder of a run that was killed before it wrote its row.
    blocking(move || trained.save(&data, seconds, &unnamed, &folder)).await??;
    collection.catalog.add_model(&record, verdict.promoted).await?;
    remove(&checkpoints)?;
    Ok(Trained { record, parts, report, verdict })
}

/// The paper's ablation: without J2, without J3, without both, with both; each is trained from the start
/// and evaluated on the test split. No model is stored.
///
/// # Errors
/// Same as [`train`].
pub async fn ablate(
    collection: &Collection,
    encoders: &Encoders,
    settings: TrainSettings,
    job: &Job,
) -> Result<Vec<(&'static str, Report)>, CollectionError> {
    let _lock = lock_training(collection)?;
    let data = load_training_set(collection, encoders, settings.seed).await?.data;
    let job = job.clone();
    let given = (encoders.image.id().to_owned(), encoders.text.id().to_owned());
    blocking(move || {
        let mut rows = Vec::new();
        for (name, second, third) in [("J1", 0.0, 0.0), ("J1 + λJ2", 1.0, 0.0), ("J1 + ηJ3", 0.0, 1.0), ("J", 1.0, 1.0)]
        {
            job.progress.note(name);
            let mut some = settings.clone();
            some.class.lambda *= second;
            some.class.eta *= third;
            rows.push((name, train_and_evaluate(&data, &some, &given, None, &job)?.report));
        }
        Ok(rows)
    })
    .await?
}

/// Locks the data folder for training: two trainings would write the same checkpoint.
pub(crate) fn lock_training(collection: &Collection) -> Result<File, CollectionError> {
    let path = collection.data_dir.models().join("training.lock");
    let lock = try_lock_file(&path).map_err(CollectionError::io("the lock could not be acquired:", &path))?;
    lock.ok_or(CollectionError::TrainingElsewhere)
}
