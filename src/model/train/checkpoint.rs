//! Where an interrupted training goes on: for each part of the space all variables with their moments, the best weights so
//! far, and the place in the order. The next run with the same data and settings ends with the same bytes as one that was never interrupted.

use std::{collections::HashMap, path::Path};

use candle_core::{Device, Tensor};
use serde::{Deserialize, Serialize};

use crate::model::{
    DscmrError, Epoch, Part, TrainSettings, TrainingData,
    dscmr::{
        loss::Terms,
        network::{Shape, Weights},
    },
    io::write_synced,
    training_data::Hasher,
};

/// The file of a part.
fn file(part: Part) -> String {
    format!("{}.checkpoint.safetensors", part.name())
}

/// The key of the place in the file's metadata.
const PLACE: &str = "place";

/// The place in a training.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Place {
    /// What is learned from, and how; a checkpoint of anything else is not used.
    pub(crate) fingerprint: String,
    /// The epoch at work, from 1.
    pub(crate) epoch: usize,
    /// Batches of it that are done.
    pub(crate) batches: usize,
    /// Sum of the loss over these batches, weighted by their pairs.
    pub(crate) total: f64,
    /// Sums of its terms.
    pub(crate) sums: Terms,
    /// Adam's steps.
    pub(crate) steps: u64,
    /// Epochs that are done.
    pub(crate) epochs: Vec<Epoch>,
    /// Which of them was best.
    pub(crate) best_epoch: usize,
}

/// A training at rest.
pub(crate) struct Checkpoint {
    pub(crate) place: Place,
    /// `[3, elements]` for each variable, in the order of [`Shape::names`].
    pub(crate) states: Vec<Tensor>,
    pub(crate) best: Weights,
}

impl Checkpoint {
    /// Writes the checkpoint whole or not at all.
    pub(crate) fn save(&self, folder: &Path, part: Part, shape: &Shape) -> Result<(), DscmrError> {
        std::fs::create_dir_all(folder).map_err(|e| DscmrError::file(folder, e))?;
        let path = folder.join(file(part));
        let mut tensors: Vec<(String, Tensor)> = Vec::new();
        for (name, state) in shape.names().iter().zip(&self.states) {
            tensors.push((format!("state.{name}"), state.clone()));
        }
        for (name, weight) in &self.best {
            tensors.push((format!("best.{name}"), weight.clone()));
        }
        let place = serde_json::to_string(&self.place).map_err(|e| DscmrError::file(&path, e))?;
        let metadata = HashMap::from([(PLACE.to_owned(), place)]);
        let bytes = safetensors::serialize(tensors, Some(metadata)).map_err(|e| DscmrError::file(&path, e))?;
        let unfinished = path.with_extension("tmp");
        write_synced(&unfinished, &bytes)?;
        std::fs::rename(&unfinished, &path).map_err(|e| DscmrError::file(&path, e))
    }

    /// Reads a checkpoint of this training. `None` if there is none, if it is of another, or if it is damaged: then the
    /// training begins anew, and the log says why.
    pub(crate) fn load(folder: &Path, part: Part, shape: &Shape, fingerprint: &str) -> Option<Self> {
        let path = folder.join(file(part));
        let bytes = std::fs::read(&path).ok()?;
        match Self::parse(&bytes, shape) {
            Ok(checkpoint) if checkpoint.place.fingerprint == fingerprint => Some(checkpoint),
            Ok(_) => {
                tracing::info!("the checkpoint is of other data or settings; the training begins anew");
                None
            }
            Err(reason) => {
                tracing::warn!(path = %path.display(), reason, "the checkpoint is damaged; the training begins anew");
                None
            }
        }
    }

    fn parse(bytes: &[u8], shape: &Shape) -> Result<Self, String> {
        let (_, metadata) = safetensors::SafeTensors::read_metadata(bytes).map_err(|e| e.to_string())?;
        let place = metadata.metadata().as_ref().and_then(|m| m.get(PLACE)).ok_or("it has no place")?;
        let place: Place = serde_json::from_str(place).map_err(|e| e.to_string())?;
        let mut tensors = candle_core::safetensors::load_buffer(bytes, &Device::Cpu).map_err(|e| e.to_string())?;
        let mut take = |name: String, rows: usize, cols: usize| {
            let tensor = tensors.remove(&name).ok_or(format!("{name} is missing"))?;
            if tensor.dims2().ok() == Some((rows, cols)) {
                Ok(tensor)
            } else {
                Err(format!("{name} has another shape"))
            }
        };
        let mut states = Vec::new();
        let mut best = Weights::new();
        for name in shape.names() {
            let (rows, cols) = shape.of(name);
            states.push(take(format!("state.{name}"), 3, rows * cols)?);
            best.insert(name, take(format!("best.{name}"), rows, cols)?);
        }
        Ok(Self { place, states, best })
    }
}

/// Names data and settings: two trainings with one fingerprint take the same course.
pub(crate) fn fingerprint(data: &TrainingData, settings: &TrainSettings, encoders: &(String, String)) -> String {
    let mut hasher = Hasher::default();
    hasher.json(&serde_json::json!(settings));
    hasher.json(&serde_json::json!([encoders.0, encoders.1]));
    hasher.json(&serde_json::json!([data.labels_hash(), data.features_hash()]));
    hasher.finish()
}
