//! Checkpoints of a training, one file per head: all variables with their moments, the best weights so far, and the
//! position in the training. A training that resumes from a checkpoint ends with the same weights as an uninterrupted
//! one.

use std::{collections::HashMap, path::Path};

use candle_core::{Device, Tensor};
use serde::{Deserialize, Serialize};

use super::{events::Epoch, settings::TrainSettings};
use crate::{
    model::{
        Head, LossTerms, ModelError, TrainingData, dscmr::network::Shape, tensors::Weights, training_data::Hasher,
    },
    util::fs::write_atomic,
};

fn file_name(head: Head) -> String {
    format!("{}.checkpoint.safetensors", head.name())
}

/// Key of the [`TrainingState`] in the file's metadata.
const STATE: &str = "place";

/// Position in the training of a head. The JSON keys are those of checkpoints of earlier releases.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct TrainingState {
    /// Identifies data and settings. A checkpoint with another fingerprint is ignored.
    pub(crate) fingerprint: String,
    /// Current epoch, from 1.
    pub(crate) epoch: usize,
    /// Completed batches of the current epoch.
    pub(crate) batches: usize,
    /// Sum of the loss over these batches, weighted by their number of pairs.
    #[serde(rename = "total")]
    pub(crate) loss_sum: f64,
    /// The same sums of the terms of the loss.
    #[serde(rename = "sums")]
    pub(crate) term_sums: LossTerms,
    /// Steps of the optimizer.
    pub(crate) steps: u64,
    /// Completed epochs.
    pub(crate) epochs: Vec<Epoch>,
    /// Number of the best of them; 0 before the first is complete.
    pub(crate) best_epoch: usize,
}

impl TrainingState {
    /// The start of a training.
    pub(crate) fn new(fingerprint: String) -> Self {
        Self {
            fingerprint,
            epoch: 1,
            batches: 0,
            loss_sum: 0.0,
            term_sums: LossTerms::default(),
            steps: 0,
            epochs: Vec::new(),
            best_epoch: 0,
        }
    }
}

/// Saved state of an interrupted training.
pub(crate) struct Checkpoint {
    pub(crate) state: TrainingState,
    /// Variables with their moments, `[3, elements]` each, in the order of [`Shape::names`].
    pub(crate) optimizer: Vec<Tensor>,
    pub(crate) best: Weights,
}

impl Checkpoint {
    /// Writes the checkpoint atomically and creates the folder if it is missing.
    pub(crate) fn save(&self, folder: &Path, head: Head, shape: &Shape) -> Result<(), ModelError> {
        let path = folder.join(file_name(head));
        let mut tensors: Vec<(String, Tensor)> = Vec::new();
        for (name, state) in shape.names().iter().zip(&self.optimizer) {
            tensors.push((format!("state.{name}"), state.clone()));
        }
        for (name, weight) in &self.best {
            tensors.push((format!("best.{name}"), weight.clone()));
        }
        let state = serde_json::to_string(&self.state).map_err(|e| ModelError::file(&path, e))?;
        let metadata = HashMap::from([(STATE.to_owned(), state)]);
        let bytes = safetensors::serialize(tensors, Some(metadata)).map_err(|e| ModelError::file(&path, e))?;
        write_atomic(&path, &bytes).map_err(|e| ModelError::file(&path, e))
    }

    /// Reads the checkpoint of a training. `None` if there is none, if it belongs to other data or settings, or if it
    /// is damaged; the training then starts over, and the log says why.
    pub(crate) fn load(folder: &Path, head: Head, shape: &Shape, fingerprint: &str) -> Option<Self> {
        let path = folder.join(file_name(head));
        let bytes = std::fs::read(&path).ok()?;
        match Self::parse(&bytes, shape) {
            Ok(checkpoint) if checkpoint.state.fingerprint == fingerprint => Some(checkpoint),
            Ok(_) => {
                tracing::info!("the checkpoint belongs to other data or settings; the training starts over");
                None
            }
            Err(reason) => {
                tracing::warn!(path = %path.display(), reason, "the checkpoint is damaged; the training starts over");
                None
            }
        }
    }

    fn parse(bytes: &[u8], shape: &Shape) -> Result<Self, String> {
        let (_, metadata) = safetensors::SafeTensors::read_metadata(bytes).map_err(|e| e.to_string())?;
        let state = metadata.metadata().as_ref().and_then(|m| m.get(STATE)).ok_or("it has no training state")?;
        let state: TrainingState = serde_json::from_str(state).map_err(|e| e.to_string())?;
        let mut tensors = candle_core::safetensors::load_buffer(bytes, &Device::Cpu).map_err(|e| e.to_string())?;
        let mut take = |name: String, rows: usize, cols: usize| {
            let tensor = tensors.remove(&name).ok_or(format!("{name} is missing"))?;
            if tensor.dims2().ok() == Some((rows, cols)) {
                Ok(tensor)
            } else {
                Err(format!("{name} has another shape"))
            }
        };
        let mut optimizer = Vec::new();
        let mut best = Weights::new();
        for name in shape.names() {
            let (rows, cols) = shape.of(name);
            optimizer.push(take(format!("state.{name}"), 3, rows * cols)?);
            best.insert(name, take(format!("best.{name}"), rows, cols)?);
        }
        Ok(Self { state, optimizer, best })
    }
}

/// Identifies data and settings: two trainings with the same fingerprint take the same steps.
pub(crate) fn fingerprint(data: &TrainingData, settings: &TrainSettings, encoders: &(String, String)) -> String {
    let mut hasher = Hasher::default();
    hasher.json(&serde_json::json!(settings));
    hasher.json(&serde_json::json!([encoders.0, encoders.1]));
    hasher.json(&serde_json::json!([data.labels_hash(), data.features_hash()]));
    hasher.finish()
}
