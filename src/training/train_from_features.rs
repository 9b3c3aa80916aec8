//! Trains on precomputed features in a folder of matrices, without a catalog, encoders or a service.

use std::{
    path::{Path, PathBuf},
    time::Instant,
};

use crate::{
    collection::{CollectionError, Job, blocking},
    dataset::{Matrix, PrecomputedFeatures},
    evaluation::Report,
    model::{FeatureMatrix, TrainSettings, TrainingData},
    training::trained_model::{remove, train_and_evaluate},
};

/// The encoder id of precomputed features.
const GIVEN: &str = "given";

/// Result of a training on precomputed features.
#[derive(Debug)]
pub struct TrainedOnFeatures {
    /// Description of its heads, with their weights in a cosine.
    pub parts: String,
    /// Its evaluation on the test split.
    pub report: Report,
    /// Duration of the training in seconds.
    pub seconds: f64,
}

/// Reads a folder of matrices, see [`PrecomputedFeatures::read`]. Each pair of rows is an item.
///
/// # Errors
/// [`CollectionError::Dataset`].
pub async fn load_features(folder: &Path, seed: u64) -> Result<TrainingData, CollectionError> {
    let folder = folder.to_owned();
    blocking(move || {
        let PrecomputedFeatures { images, texts, labels, splits, classes } = PrecomputedFeatures::read(&folder, seed)?;
        let matrix = |rows: Matrix| FeatureMatrix::new(rows.cols, rows.values).expect("whole rows");
        let text_items = (0..labels.len() as u32).collect();
        Ok(TrainingData {
            images: matrix(images),
            texts: matrix(texts),
            text_items,
            labels,
            splits,
            classes,
            token_embeddings: None,
        })
    })
    .await?
}

/// Trains a model on the features in `folder`, evaluates it on their test split and writes it to `out`, replacing a
/// model that exists. Checkpoints are in `<out>.training`, from which a cancelled training resumes.
///
/// # Errors
/// [`CollectionError::BadOutput`] if `out` exists and is not a model; [`CollectionError::Dataset`],
/// [`CollectionError::NotEnoughData`], [`CollectionError::Cancelled`]; or if the file system fails.
pub async fn train_on_features(
    folder: &Path,
    out: &Path,
    settings: TrainSettings,
    job: &Job,
) -> Result<TrainedOnFeatures, CollectionError> {
    let began = Instant::now();
    // Remove a trailing slash, so that extensions can be appended.
    let out: PathBuf = out.components().collect();
    if !replaceable(&out) {
        let reason = format!("{} exists and is not a model; it would be replaced", out.display());
        return Err(CollectionError::BadOutput(reason));
    }
    let data = load_features(folder, settings.seed).await?;
    let (training, job) = (beside(&out, "training"), job.clone());
    blocking(move || {
        let encoders = (GIVEN.to_owned(), GIVEN.to_owned());
        let trained = train_and_evaluate(&data, &settings, &encoders, Some(&training), &job)?;
        let seconds = began.elapsed().as_secs_f64();
        trained.save(&data, seconds, &beside(&out, "finishing"), &out)?;
        remove(&training)?;
        Ok(TrainedOnFeatures { parts: trained.model.describe_heads(), report: trained.report, seconds })
    })
    .await?
}

/// Whether a model can be written to this path without losing anything else.
fn replaceable(out: &Path) -> bool {
    let empty = || std::fs::read_dir(out).is_ok_and(|mut entries| entries.next().is_none());
    !out.exists() || out.join("model.json").is_file() || empty()
}

/// A path next to a folder: its name with an extension.
fn beside(folder: &Path, ending: &str) -> PathBuf {
    let mut name = folder.as_os_str().to_owned();
    name.push(format!(".{ending}"));
    name.into()
}
