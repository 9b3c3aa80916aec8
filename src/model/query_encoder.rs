//! The text subnetwork as a service asks it: a few sentences at a time, all the time.
//!
//! Points of many rows are [`Model`]'s; general matrix products are made for those, and sum in an order that depends on how many
//! rows there are. Here a sentence gets the same point, bit by bit, whoever asks beside it: so an answer does not depend on what
//! others ask at the same moment, and a point that was kept is the point that would be computed. And the class part is passed
//! once for both, its point and its classes.

use candle_core::{Device, Tensor};

use super::{
    DscmrError, FeatureMatrix, Model,
    dscmr::network::Weights,
    heads::side_by_side,
    normalizer::Standardisation,
    text_cnn::{Sentences, Vocabulary},
    trained_model::{PartDescription, softmax},
};
use crate::{core::UnitVector, encoders::Linear};

/// What a model makes of a picture or a sentence that somebody asks with.
#[derive(Debug, Clone, PartialEq)]
pub struct Asked {
    /// Its point.
    pub point: UnitVector,
    /// How probable each class is, in the model's order, summing to 1.
    pub probabilities: Vec<f32>,
    /// The part of a sentence's tokens that the model never saw in training, in [0, 1]. `None` where that is for the encoder to
    /// say, and for a picture.
    pub unknown: Option<f32>,
}

/// The text side of a model, laid out for rows.
#[derive(Debug, Clone)]
pub struct TextNetwork {
    parts: Vec<TextPart>,
    /// On the points of the first part, which is the class part.
    labels: Linear,
    sharpness: f64,
    scale: Standardisation,
    vocabulary: Option<Vocabulary>,
}

#[derive(Debug, Clone)]
struct TextPart {
    /// In a cosine.
    weight: f64,
    own: Linear,
    shared: Linear,
    /// The sentence CNN, if there is one, reads with these.
    cnn: Option<Weights>,
}

impl TextNetwork {
    /// That of a model.
    ///
    /// # Errors
    /// If the model's weights cannot be read.
    pub fn of(model: &Model) -> Result<Self, DscmrError> {
        let has_cnn = model.description.vocabulary.is_some();
        let part = |(description, weights): (&PartDescription, &Weights)| -> Result<_, DscmrError> {
            Ok(TextPart {
                weight: description.weight,
                own: layer(weights, "text.weight", "text.bias")?,
                shared: layer(weights, "shared.weight", "shared.bias")?,
                cnn: has_cnn.then(|| weights.clone()),
            })
        };
        let parts = model.description.parts.iter().zip(&model.weights).map(part).collect::<Result<_, _>>()?;
        Ok(Self {
            parts,
            labels: layer(&model.weights[0], "labels.weight", "labels.bias")?,
            sharpness: model.description.sharpness,
            scale: model.texts.clone(),
            vocabulary: model.description.vocabulary.clone(),
        })
    }

    /// What it makes of sentences, whose features are `[n, d_text]`; on the caller's thread, as far as it is no CNN.
    ///
    /// # Errors
    /// [`DscmrError::WrongDims`]; and of a single sentence [`DscmrError::NotFinite`].
    pub fn ask(&self, features: &FeatureMatrix) -> Result<Vec<Result<Asked, DscmrError>>, DscmrError> {
        if features.cols() != self.scale.mean.len() {
            let (what, expected, found) = ("sentence", self.scale.mean.len(), features.cols());
            return Err(DscmrError::WrongDims { what, expected, found });
        }
        let mut points = Vec::with_capacity(self.parts.len());
        for part in &self.parts {
            let rows = match (&self.vocabulary, &part.cnn) {
                (Some(vocabulary), Some(weights)) => read(features, vocabulary, weights)?,
                _ => self.scale.apply(features, 0..features.rows()),
            };
            let mut own = part.own.run(&rows);
            // Not `max`, which would make a number of what is none.
            own.iter_mut().filter(|x| **x < 0.0).for_each(|x| *x = 0.0);
            points.push(part.shared.run(&own));
        }
        let labels = self.labels.run(&points[0]);
        let row = |at: usize| -> Result<Asked, DscmrError> {
            let mut units = Vec::with_capacity(self.parts.len());
            for (part, points) in self.parts.iter().zip(&points) {
                let dims = part.shared.outputs();
                let unit = UnitVector::new(points[at * dims..][..dims].to_vec(), dims);
                units.push((part.weight, [unit.map_err(|_| DscmrError::NotFinite { what: "sentence", row: at })?]));
            }
            let units: Vec<(f64, &[UnitVector])> = units.iter().map(|(weight, unit)| (*weight, &unit[..])).collect();
            let classes = self.labels.outputs();
            Ok(Asked {
                point: side_by_side(&units).remove(0),
                probabilities: softmax(&labels[at * classes..][..classes], self.sharpness),
                unknown: self.vocabulary.as_ref().map(|vocabulary| vocabulary.unknown(features.row(at))),
            })
        };
        Ok((0..features.rows()).map(row).collect())
    }
}

/// A linear layer of a part.
fn layer(weights: &Weights, weight: &str, bias: &str) -> Result<Linear, DscmrError> {
    let values = |tensor: &Tensor| tensor.to_device(&Device::Cpu)?.flatten_all()?.to_vec1::<f32>();
    Ok(Linear::new(weights[weight].dim(1)?, &values(&weights[weight])?, &values(&weights[bias])?))
}

/// What the sentence CNN makes of each sentence: one at a time, for its products are general ones.
fn read(features: &FeatureMatrix, vocabulary: &Vocabulary, weights: &Weights) -> Result<Vec<f32>, DscmrError> {
    let mut rows = Vec::new();
    for row in 0..features.rows() {
        let sentence = Sentences::new(features.row(row), features.cols(), vocabulary, &Device::Cpu)?;
        rows.extend(sentence.features(weights)?.flatten_all()?.to_vec1::<f32>()?);
    }
    Ok(rows)
}
