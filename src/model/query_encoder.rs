//! Embeds texts for search: few at a time, with bit-identical results whatever else is in the batch.
//!
//! [`Model`] embeds many rows with general matrix products, whose order of summation depends on the number of rows.
//! Here the result for a text is the same alone, in a batch and from the query cache. The class head runs once for both
//! the embedding and the class probabilities.

use candle_core::{Device, Tensor};

use super::{
    FeatureMatrix, HeadDescription, Model, ModelError, Normalizer, QueryEmbedding, TokenBatch, Vocabulary, Weights,
    heads::concat_weighted, query_embedding::softmax,
};
use crate::{core::UnitVector, encoders::Linear};

/// Text side of a model, laid out for single rows.
#[derive(Debug, Clone)]
pub struct QueryEncoder {
    heads: Vec<TextHead>,
    /// Label layer on top of the first head, which is the class head.
    labels: Linear,
    softmax_scale: f64,
    normalizer: Normalizer,
    vocabulary: Option<Vocabulary>,
}

/// Text side of one head.
#[derive(Debug, Clone)]
struct TextHead {
    /// Weight in a cosine.
    weight: f64,
    hidden: Linear,
    shared: Linear,
    /// Weights of the text CNN, if the model has one.
    cnn: Option<Weights>,
}

impl QueryEncoder {
    /// Lays out the text side of a model.
    ///
    /// # Errors
    /// If the model's weights cannot be read.
    pub fn new(model: &Model) -> Result<Self, ModelError> {
        let has_cnn = model.description.vocabulary.is_some();
        let head = |(description, weights): (&HeadDescription, &Weights)| -> Result<_, ModelError> {
            Ok(TextHead {
                weight: description.weight,
                hidden: layer(weights, "text.weight", "text.bias")?,
                shared: layer(weights, "shared.weight", "shared.bias")?,
                cnn: has_cnn.then(|| weights.clone()),
            })
        };
        let heads = model.description.heads.iter().zip(&model.weights).map(head).collect::<Result<_, _>>()?;
        Ok(Self {
            heads,
            labels: layer(&model.weights[0], "labels.weight", "labels.bias")?,
            softmax_scale: model.description.softmax_scale,
            normalizer: model.texts.clone(),
            vocabulary: model.description.vocabulary.clone(),
        })
    }

    /// Embeds texts with features `[n, d_text]` and predicts their classes. Runs on the calling thread, except for the
    /// CNN.
    ///
    /// # Errors
    /// [`ModelError::WrongDims`] for the whole batch, [`ModelError::NotFinite`] for a single text.
    pub fn encode(&self, features: &FeatureMatrix) -> Result<Vec<Result<QueryEmbedding, ModelError>>, ModelError> {
        if features.cols() != self.normalizer.mean.len() {
            let (what, expected, found) = ("text", self.normalizer.mean.len(), features.cols());
            return Err(ModelError::WrongDims { what, expected, found });
        }
        let mut outputs = Vec::with_capacity(self.heads.len());
        for head in &self.heads {
            let rows = match (&self.vocabulary, &head.cnn) {
                (Some(vocabulary), Some(weights)) => cnn_features(features, vocabulary, weights)?,
                _ => self.normalizer.apply(features, 0..features.rows()),
            };
            let mut hidden = head.hidden.run(&rows);
            // ReLU. `f32::max` would turn NaN into 0 and so hide it.
            hidden.iter_mut().filter(|x| **x < 0.0).for_each(|x| *x = 0.0);
            outputs.push(head.shared.run(&hidden));
        }
        let labels = self.labels.run(&outputs[0]);
        let query = |row: usize| -> Result<QueryEmbedding, ModelError> {
            let mut units = Vec::with_capacity(self.heads.len());
            for (head, outputs) in self.heads.iter().zip(&outputs) {
                let dims = head.shared.outputs();
                let unit = UnitVector::new(outputs[row * dims..][..dims].to_vec(), dims);
                units.push((head.weight, [unit.map_err(|_| ModelError::NotFinite { what: "text", row })?]));
            }
            let units: Vec<(f64, &[UnitVector])> = units.iter().map(|(weight, unit)| (*weight, &unit[..])).collect();
            let classes = self.labels.outputs();
            Ok(QueryEmbedding {
                point: concat_weighted(&units).remove(0),
                probabilities: softmax(&labels[row * classes..][..classes], self.softmax_scale),
                unknown_token_ratio: self.vocabulary.as_ref().map(|known| known.unknown_ratio(features.row(row))),
            })
        };
        Ok((0..features.rows()).map(query).collect())
    }
}

/// A linear layer of a head.
fn layer(weights: &Weights, weight: &str, bias: &str) -> Result<Linear, ModelError> {
    let values = |tensor: &Tensor| tensor.to_device(&Device::Cpu)?.flatten_all()?.to_vec1::<f32>();
    Ok(Linear::new(weights[weight].dim(1)?, &values(&weights[weight])?, &values(&weights[bias])?))
}

/// Output of the text CNN, `[n, 300]`. One text at a time, because its matrix products depend on the number of rows.
fn cnn_features(features: &FeatureMatrix, vocabulary: &Vocabulary, weights: &Weights) -> Result<Vec<f32>, ModelError> {
    let mut rows = Vec::new();
    for row in 0..features.rows() {
        let batch = TokenBatch::new(features.row(row), features.cols(), vocabulary, &Device::Cpu)?;
        rows.extend(batch.features(weights)?.flatten_all()?.to_vec1::<f32>()?);
    }
    Ok(rows)
}
