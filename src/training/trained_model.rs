//! Training, evaluation and storage of one model.

use std::path::Path;

use serde_json::json;

use crate::{
    collection::{CollectionError, Job, Progress},
    core::SimdLevel,
    dataset::Split,
    evaluation::Report,
    model::{self, Epoch, Event, Model, TrainSettings, TrainingData, Validation},
    util::fs::{remove_dir_if_exists, write_atomic},
};

/// The file next to a model that describes its training.
const MANIFEST: &str = "manifest.json";

/// A model with its evaluation.
pub(super) struct TrainedModel {
    pub(super) model: Model,
    pub(super) validation: Validation,
    /// On the test split.
    pub(super) report: Report,
}

/// Trains a model, and evaluates it on the validation split and once on the test split.
pub(super) fn train_and_evaluate(
    data: &TrainingData,
    settings: &TrainSettings,
    encoders: &(String, String),
    checkpoints: Option<&Path>,
    job: &Job,
) -> Result<TrainedModel, CollectionError> {
    let model =
        model::train(data, settings, encoders, checkpoints, &job.stop, &mut progress_callback(job.progress.as_ref()))?;
    job.progress.begin("evaluate", "split", Some(2));
    let validation = model::validate(&model, data)?;
    job.progress.advance(1);
    let report = model::evaluate(&model, data, Split::Test)?;
    job.progress.advance(2);
    Ok(TrainedModel { model, validation, report })
}

impl TrainedModel {
    /// Writes the model with its manifest, so that `folder` is complete or absent. `unnamed`, on the same file system,
    /// is the temporary folder.
    pub(super) fn save(
        &self,
        data: &TrainingData,
        seconds: f64,
        unnamed: &Path,
        folder: &Path,
    ) -> Result<(), CollectionError> {
        remove(unnamed)?;
        std::fs::create_dir_all(unnamed).map_err(CollectionError::io("the model could not be stored in", unnamed))?;
        self.model.save(unnamed)?;
        let path = unnamed.join(MANIFEST);
        let manifest = format!("{:#}\n", self.manifest(data, seconds));
        write_atomic(&path, manifest.as_bytes()).map_err(CollectionError::io("cannot be written:", &path))?;
        remove(folder)?;
        std::fs::rename(unnamed, folder).map_err(CollectionError::io("the model could not be stored in", folder))
    }

    fn manifest(&self, data: &TrainingData, seconds: f64) -> serde_json::Value {
        let (image_encoder, text_encoder) = self.model.encoders();
        let (os, arch, simd) = (std::env::consts::OS, std::env::consts::ARCH, SimdLevel::best());
        json!({
            "program": env!("CARGO_PKG_VERSION"),
            "machine": format!("{os} {arch}, {simd:?}"),
            "learned_from": {
                "items": data.splits.len(),
                "captions": data.text_items.len(),
                "labels_blake3": data.labels_hash(),
                "features_blake3": data.features_hash(),
                "image_encoder": image_encoder,
                "text_encoder": text_encoder,
            },
            "settings": self.model.settings(),
            "validation": self.validation,
            "test": self.report,
            "seconds": seconds,
        })
    }
}

/// Removes a model's folder, if there is one.
pub(crate) fn remove(folder: &Path) -> Result<(), CollectionError> {
    remove_dir_if_exists(folder).map_err(CollectionError::io("a folder could not be removed:", folder))
}

/// Reports the events of a training as progress.
fn progress_callback(progress: &dyn Progress) -> impl FnMut(Event<'_>) {
    move |event| match event {
        Event::HeadStarted { head, epochs_done, max_epochs } => {
            progress.begin(&format!("train the {} head", head.name()), "epoch", Some(max_epochs as u64));
            progress.advance(epochs_done as u64);
        }
        Event::Epoch(epoch) => {
            progress.advance(epoch.epoch as u64);
            progress.note(&epoch.to_string());
            progress.measured(metric(epoch));
        }
    }
}

/// An epoch as a metric of a task.
fn metric(epoch: &Epoch) -> serde_json::Value {
    let mut loss = epoch.terms.map_or_else(|| json!({}), |terms| json!(terms));
    loss["total"] = json!(epoch.loss);
    let quality = epoch.validation;
    json!({
        "part": epoch.head,
        "epoch": epoch.epoch,
        "loss": loss,
        "validation_map": { "image_to_text": quality.map_image_to_text, "text_to_image": quality.map_text_to_image },
        "validation_mean_recall": quality.mean_recall,
        "seconds": epoch.seconds,
    })
}
