//! Saving and loading a model: `model.safetensors` (variables by head and name, and the normalizer of each modality)
//! and `model.json` (see [`Description`]).

use std::{collections::BTreeMap, path::Path};

use candle_core::{Device, Tensor};
use serde::Deserialize;

use super::{
    Head, HeadDescription, Model, ModelError, Normalizer, Vocabulary, Weights,
    description::{Description, FORMAT},
    tensor,
};
use crate::util::fs::write_synced;

const WEIGHTS: &str = "model.safetensors";
const DESCRIPTION: &str = "model.json";

/// The field of `model.json` that every format version has.
#[derive(Debug, Deserialize)]
struct FormatVersion {
    format: u32,
}

impl Model {
    /// Writes both files into the existing `folder`.
    ///
    /// # Errors
    /// [`ModelError::BadFile`] if a file cannot be written.
    pub fn save(&self, folder: &Path) -> Result<(), ModelError> {
        let mut tensors: BTreeMap<String, Tensor> = BTreeMap::new();
        for (head, weights) in self.description.heads.iter().zip(&self.weights) {
            tensors.extend(weights.iter().map(|(name, tensor)| (head.tensor(name), tensor.clone())));
        }
        for (modality, normalizer) in [("image", &self.images), ("text", &self.texts)] {
            for (statistic, values) in [("mean", &normalizer.mean), ("deviation", &normalizer.deviation)] {
                tensors.insert(format!("{modality}.{statistic}"), tensor(values.clone(), (1, values.len()))?);
            }
        }
        let path = folder.join(WEIGHTS);
        let bytes = safetensors::serialize(tensors.iter(), None).map_err(|e| ModelError::file(&path, e))?;
        write_synced(&path, &bytes).map_err(|e| ModelError::file(&path, e))?;
        let mut description = self.description.clone();
        description.weights_hash = blake3::hash(&bytes).to_hex().to_string();
        let path = folder.join(DESCRIPTION);
        let json = serde_json::to_vec_pretty(&description).map_err(|e| ModelError::file(&path, e))?;
        write_synced(&path, &json).map_err(|e| ModelError::file(&path, e))
    }

    /// Reads both files from `folder`.
    ///
    /// # Errors
    /// [`ModelError::BadFile`] with the file and the tensor if one is missing, damaged, of another format version or
    /// shape, or if it contains a number that is not finite.
    pub fn load(folder: &Path) -> Result<Self, ModelError> {
        let description = load_description(&folder.join(DESCRIPTION))?;
        let path = folder.join(WEIGHTS);
        let bytes = std::fs::read(&path).map_err(|e| ModelError::file(&path, e))?;
        if blake3::hash(&bytes).to_hex().as_str() != description.weights_hash {
            return Err(ModelError::file(&path, "its hash is not the one in model.json; the file is damaged"));
        }
        let mut tensors =
            candle_core::safetensors::load_buffer(&bytes, &Device::Cpu).map_err(|e| ModelError::file(&path, e))?;
        let mut take = |name: &str, expected: (usize, usize)| -> Result<Tensor, ModelError> {
            let tensor = tensors.remove(name).ok_or_else(|| ModelError::file(&path, format!("{name} is missing")))?;
            if tensor.dims2().ok() != Some(expected) {
                let reason = format!("{name} has the shape {:?}, expected {expected:?}", tensor.dims());
                return Err(ModelError::file(&path, reason));
            }
            let sum = tensor.abs()?.sum_all()?.to_scalar::<f32>()?;
            if !sum.is_finite() {
                return Err(ModelError::file(&path, format!("{name} contains a number that is not finite")));
            }
            Ok(tensor)
        };
        let mut weights = Vec::new();
        for head in &description.heads {
            let named = |name: &'static str| Ok((name, take(&head.tensor(name), head.shape.of(name))?));
            weights.push(head.shape.names().into_iter().map(named).collect::<Result<Weights, ModelError>>()?);
        }
        let mut normalizer = |modality: &str, cols: usize, power: f64| -> Result<Normalizer, ModelError> {
            let mut statistic = |statistic: &str| -> Result<Vec<f32>, ModelError> {
                Ok(take(&format!("{modality}.{statistic}"), (1, cols))?.flatten_all()?.to_vec1()?)
            };
            Ok(Normalizer { power, mean: statistic("mean")?, deviation: statistic("deviation")? })
        };
        let shape = &description.heads[0].shape;
        let images = normalizer("image", shape.image, description.settings.image_power)?;
        let texts = normalizer("text", shape.text_features(), 1.0)?;
        Ok(Self { description, weights, images, texts })
    }
}

/// Reads `model.json` and checks that its fields are consistent. It has at least one head.
fn load_description(path: &Path) -> Result<Description, ModelError> {
    let json = std::fs::read(path).map_err(|e| ModelError::file(path, e))?;
    // The version comes first, because other versions have other fields.
    let FormatVersion { format } = serde_json::from_slice(&json).map_err(|e| ModelError::file(path, e))?;
    if format != FORMAT {
        let reason = format!("its format is version {format}, but this diptych reads version {FORMAT}; train again");
        return Err(ModelError::file(path, reason));
    }
    let description: Description = serde_json::from_slice(&json).map_err(|e| ModelError::file(path, e))?;
    let Some(first) = description.heads.first().filter(|first| first.head == Head::Class) else {
        return Err(ModelError::file(path, "its first head is not the class head"));
    };
    let features = (first.shape.image, first.shape.text_features());
    if description.heads.iter().any(|head| (head.shape.image, head.shape.text_features()) != features) {
        return Err(ModelError::file(path, "its heads were trained on features of different dimensions"));
    }
    if description.classes.len() != first.shape.classes {
        return Err(ModelError::file(path, "the number of classes differs from the shape of the class head"));
    }
    let tokens = description.vocabulary.as_ref().map(Vocabulary::len);
    if description.heads.iter().any(|head| head.shape.text_cnn.map(|cnn| cnn.tokens) != tokens) {
        return Err(ModelError::file(path, "the size of the vocabulary differs from the shape of the text CNN"));
    }
    Ok(description)
}

impl HeadDescription {
    /// Name of one of its variables in `model.safetensors`.
    fn tensor(&self, name: &str) -> String {
        format!("{}.{name}", self.head.name())
    }
}
