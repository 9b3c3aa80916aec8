//! A model on disk: `model.safetensors` (variables by part and name, and the standardisation of each modality) and `model.json`
//! (parts with their shapes and weights, classes, encoders, settings, calibration, the course of the training).

use std::{collections::BTreeMap, fs::File, io::Write, path::Path};

use candle_core::{Device, Tensor};
use serde::Deserialize;

use super::{
    DscmrError, Model,
    dscmr::network::{Weights, tensor},
    heads::Part,
    normalizer::Standardisation,
    text_cnn::Vocabulary,
    trained_model::{Description, FORMAT, PartDescription},
};

const WEIGHTS: &str = "model.safetensors";
const DESCRIPTION: &str = "model.json";

/// What `model.json` holds in every version.
#[derive(Debug, Deserialize)]
struct Form {
    format: u32,
}

impl Model {
    /// Writes both files into `folder`, which is there.
    ///
    /// # Errors
    /// [`DscmrError::BadFile`] if the file system refuses.
    pub fn save(&self, folder: &Path) -> Result<(), DscmrError> {
        let mut tensors: BTreeMap<String, Tensor> = BTreeMap::new();
        for (part, weights) in self.description.parts.iter().zip(&self.weights) {
            tensors.extend(weights.iter().map(|(name, tensor)| (part.tensor(name), tensor.clone())));
        }
        for (view, scale) in [("image", &self.images), ("text", &self.texts)] {
            for (part, values) in [("mean", &scale.mean), ("deviation", &scale.deviation)] {
                tensors.insert(format!("{view}.{part}"), tensor(values.clone(), (1, values.len()))?);
            }
        }
        let path = folder.join(WEIGHTS);
        let bytes = safetensors::serialize(tensors.iter(), None).map_err(|e| DscmrError::file(&path, e))?;
        write_synced(&path, &bytes)?;
        let mut description = self.description.clone();
        description.weights_hash = blake3::hash(&bytes).to_hex().to_string();
        let path = folder.join(DESCRIPTION);
        let json = serde_json::to_vec_pretty(&description).map_err(|e| DscmrError::file(&path, e))?;
        write_synced(&path, &json)
    }

    /// Reads both files from `folder`.
    ///
    /// # Errors
    /// [`DscmrError::BadFile`] with the file and the tensor if one is missing, torn, of another version, of a wrong shape,
    /// or holds a number that is not finite.
    pub fn load(folder: &Path) -> Result<Self, DscmrError> {
        let path = folder.join(DESCRIPTION);
        let json = std::fs::read(&path).map_err(|e| DscmrError::file(&path, e))?;
        // Before anything else, because other versions have other fields.
        let Form { format } = serde_json::from_slice(&json).map_err(|e| DscmrError::file(&path, e))?;
        if format != FORMAT {
            let reason = format!("its form is version {format}, but this diptych reads version {FORMAT}; train again");
            return Err(DscmrError::file(&path, reason));
        }
        let description: Description = serde_json::from_slice(&json).map_err(|e| DscmrError::file(&path, e))?;
        let Some(first) = description.parts.first().filter(|first| first.part == Part::Class) else {
            return Err(DscmrError::file(&path, "its first part is not the class part"));
        };
        let features = (first.shape.image, first.shape.text_features());
        if description.parts.iter().any(|part| (part.shape.image, part.shape.text_features()) != features) {
            return Err(DscmrError::file(&path, "its parts learned from features of different lengths"));
        }
        if description.classes.len() != first.shape.classes {
            return Err(DscmrError::file(&path, "it names another number of classes than its shape has"));
        }
        let known = description.vocabulary.as_ref().map(Vocabulary::len);
        if description.parts.iter().any(|part| part.shape.sentence.map(|sentence| sentence.tokens) != known) {
            return Err(DscmrError::file(&path, "it knows another number of tokens than its shape has"));
        }
        let path = folder.join(WEIGHTS);
        let bytes = std::fs::read(&path).map_err(|e| DscmrError::file(&path, e))?;
        if blake3::hash(&bytes).to_hex().as_str() != description.weights_hash {
            return Err(DscmrError::file(&path, "its content is not what model.json names; the file is damaged"));
        }
        let mut tensors =
            candle_core::safetensors::load_buffer(&bytes, &Device::Cpu).map_err(|e| DscmrError::file(&path, e))?;
        let mut take = |name: &str, expected: (usize, usize)| -> Result<Tensor, DscmrError> {
            let tensor = tensors.remove(name).ok_or_else(|| DscmrError::file(&path, format!("{name} is missing")))?;
            if tensor.dims2().ok() != Some(expected) {
                let reason = format!("{name} has the shape {:?}, but {expected:?} was expected", tensor.dims());
                return Err(DscmrError::file(&path, reason));
            }
            let sum = tensor.abs()?.sum_all()?.to_scalar::<f32>()?;
            if !sum.is_finite() {
                return Err(DscmrError::file(&path, format!("{name} holds a number that is not finite")));
            }
            Ok(tensor)
        };
        let mut weights = Vec::new();
        for part in &description.parts {
            let named = |name: &'static str| Ok((name, take(&part.tensor(name), part.shape.of(name))?));
            weights.push(part.shape.names().into_iter().map(named).collect::<Result<Weights, DscmrError>>()?);
        }
        let mut scale = |view: &str, cols: usize, power: f64| -> Result<Standardisation, DscmrError> {
            let mut part = |part: &str| -> Result<Vec<f32>, DscmrError> {
                Ok(take(&format!("{view}.{part}"), (1, cols))?.flatten_all()?.to_vec1()?)
            };
            Ok(Standardisation { power, mean: part("mean")?, deviation: part("deviation")? })
        };
        let (images, texts) =
            (scale("image", features.0, description.settings.image_power)?, scale("text", features.1, 1.0)?);
        Ok(Self { description, weights, images, texts })
    }
}

impl PartDescription {
    /// The name of one of its variables in the weights' file.
    fn tensor(&self, name: &str) -> String {
        format!("{}.{name}", self.part.name())
    }
}

/// Writes a file and waits until it is on disk.
pub(crate) fn write_synced(path: &Path, bytes: &[u8]) -> Result<(), DscmrError> {
    let write = || {
        let mut file = File::create(path)?;
        file.write_all(bytes)?;
        file.sync_all()
    };
    write().map_err(|e| DscmrError::file(path, e))
}
