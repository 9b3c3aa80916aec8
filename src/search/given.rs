//! Training on features that somebody else made: no catalog, no encoders, no service; a folder of matrices goes in and a
//! folder with the model comes out.

use std::{
    path::{Path, PathBuf},
    sync::{Arc, atomic::AtomicBool},
    time::Instant,
};

use super::{Progress, SearchError, blocking, train};
use crate::{
    dataset::GivenFeatures,
    dscmr::{FeatureMatrix, Model, TrainSettings, TrainingData},
    evaluation::Report,
};

/// The name that stands for the encoder of given features.
const GIVEN: &str = "given";

/// What a training on given features made.
#[derive(Debug)]
pub struct TrainedOnFeatures {
    /// The space.
    pub model: Model,
    /// How good it is, on the test split.
    pub report: Report,
    /// How long the training took.
    pub seconds: f64,
}

/// Reads a folder of matrices as [`GivenFeatures::read`] says; each pair is an item of its own.
///
/// # Errors
/// [`SearchError::Features`].
pub async fn load_features(folder: &Path, seed: u64) -> Result<TrainingData, SearchError> {
    let folder = folder.to_owned();
    blocking(move || {
        let GivenFeatures { images, texts, labels, splits, classes } = GivenFeatures::read(&folder, seed)?;
        let matrix = |rows: crate::dataset::Rows| FeatureMatrix::new(rows.cols, rows.values).expect("whole rows");
        let text_items = (0..labels.len() as u32).collect();
        Ok(TrainingData { images: matrix(images), texts: matrix(texts), text_items, labels, splits, classes })
    })
    .await?
}

/// Learns a common space of the features in `folder`, measures it on their test split and writes it into `out`, in place of
/// a model that is there. A training that was stopped goes on from `out`'s neighbour `<out>.training`.
///
/// # Errors
/// [`SearchError::Features`], [`SearchError::NotEnough`], [`SearchError::Stopped`]; or if the file system refuses.
pub async fn train_on_features(
    folder: &Path,
    out: &Path,
    settings: TrainSettings,
    progress: Arc<dyn Progress>,
    stop: Arc<AtomicBool>,
) -> Result<TrainedOnFeatures, SearchError> {
    let began = Instant::now();
    let data = load_features(folder, settings.seed).await?;
    let (out, training) = (out.to_owned(), beside(out, "training"));
    blocking(move || {
        let encoders = (GIVEN.to_owned(), GIVEN.to_owned());
        let (model, report) = train::learn(&data, &settings, &encoders, Some(&training), progress.as_ref(), &stop)?;
        train::put_model(&model, None, &beside(&out, "finishing"), &out)?;
        train::remove(&training)?;
        Ok(TrainedOnFeatures { model, report, seconds: began.elapsed().as_secs_f64() })
    })
    .await?
}

/// A neighbour of a folder, of its name and another ending.
fn beside(folder: &Path, ending: &str) -> PathBuf {
    let mut name = folder.as_os_str().to_owned();
    name.push(format!(".{ending}"));
    name.into()
}
