//! Training on features that somebody else made: no catalog, no encoders, no service; a folder of matrices goes in and a
//! folder with the model comes out.

use std::{
    path::{Path, PathBuf},
    sync::{Arc, atomic::AtomicBool},
    time::Instant,
};

use crate::{
    collection::{CollectionError, Progress, blocking},
    dataset::{Matrix, PrecomputedFeatures},
    evaluation::Report,
    model::{FeatureMatrix, TrainSettings, TrainingData},
    training::train::{learn, remove},
};

/// The name that stands for the encoder of given features.
const GIVEN: &str = "given";

/// What a training on given features made.
#[derive(Debug)]
pub struct TrainedOnFeatures {
    /// The parts of its space with the weight of each in a cosine, for people.
    pub parts: String,
    /// How good it is, on the test split.
    pub report: Report,
    /// How long the training took.
    pub seconds: f64,
}

/// Reads a folder of matrices as [`PrecomputedFeatures::read`] says; each pair is an item of its own.
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

/// Learns a common space of the features in `folder`, measures it on their test split and writes it into `out`, in place of
/// a model that is there. A training that was stopped goes on from `out`'s neighbour `<out>.training`.
///
/// # Errors
/// [`CollectionError::BadOutput`] if `out` holds something else; [`CollectionError::Dataset`], [`CollectionError::NotEnoughData`],
/// [`CollectionError::Cancelled`]; or if the file system refuses.
pub async fn train_on_features(
    folder: &Path,
    out: &Path,
    settings: TrainSettings,
    progress: Arc<dyn Progress>,
    stop: Arc<AtomicBool>,
) -> Result<TrainedOnFeatures, CollectionError> {
    let began = Instant::now();
    // Without a slash at its end, so that what lies beside it does not lie in it.
    let out: PathBuf = out.components().collect();
    if !replaceable(&out) {
        let reason = format!("{} is there and is no model; a model would replace all of it", out.display());
        return Err(CollectionError::BadOutput(reason));
    }
    let data = load_features(folder, settings.seed).await?;
    let training = beside(&out, "training");
    blocking(move || {
        let encoders = (GIVEN.to_owned(), GIVEN.to_owned());
        let learned = learn(&data, &settings, &encoders, Some(&training), progress.as_ref(), &stop)?;
        let seconds = began.elapsed().as_secs_f64();
        learned.put(&data, seconds, &beside(&out, "finishing"), &out)?;
        remove(&training)?;
        Ok(TrainedOnFeatures { parts: learned.model.parts_in_words(), report: learned.report, seconds })
    })
    .await?
}

/// Whether nothing is lost where a model takes this place.
fn replaceable(out: &Path) -> bool {
    let empty = || std::fs::read_dir(out).is_ok_and(|mut entries| entries.next().is_none());
    !out.exists() || out.join("model.json").is_file() || empty()
}

/// A neighbour of a folder, of its name and another ending.
fn beside(folder: &Path, ending: &str) -> PathBuf {
    let mut name = folder.as_os_str().to_owned();
    name.push(format!(".{ending}"));
    name.into()
}
