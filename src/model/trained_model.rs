//! A trained model: features in, embeddings and class probabilities out.

use candle_core::{Device, Tensor};

use super::{
    Calibration, Epoch, FeatureMatrix, Head, ModelError, QueryEmbedding, TrainSettings,
    description::{Description, FORMAT, HeadDescription},
    dscmr::network::{Shape, hidden},
    heads::concat_weighted,
    normalizer::Normalizer,
    query_embedding::softmax,
    tensors::{Weights, linear, tensor},
    text_cnn::{TokenBatch, Vocabulary},
};
use crate::core::UnitVector;

/// Texts that the CNN embeds at once; its intermediate tensors grow with their tokens.
const CNN_BATCH: usize = 256;

/// A trained common space. Can be shared between threads.
#[derive(Debug, Clone)]
pub struct Model {
    pub(crate) description: Description,
    /// Weights of each head, in the order of the description. The class head comes first.
    pub(crate) weights: Vec<Weights>,
    pub(crate) images: Normalizer,
    pub(crate) texts: Normalizer,
}

/// A head after its training.
#[derive(Debug, Clone)]
pub(crate) struct TrainedHead {
    pub(crate) head: Head,
    pub(crate) shape: Shape,
    /// Weight in a cosine; the weights of all heads sum to 1.
    pub(crate) weight: f64,
    pub(crate) weights: Weights,
    /// Epoch with the best validation score, from which the weights are.
    pub(crate) best_epoch: usize,
    pub(crate) epochs: Vec<Epoch>,
}

/// What all heads of a model have in common.
pub(crate) struct Origin {
    pub(crate) classes: Vec<String>,
    pub(crate) encoders: (String, String),
    pub(crate) settings: TrainSettings,
    pub(crate) images: Normalizer,
    pub(crate) texts: Normalizer,
    pub(crate) vocabulary: Option<Vocabulary>,
}

impl Model {
    /// A model that is not calibrated yet.
    pub(crate) fn new(origin: Origin, heads: Vec<TrainedHead>) -> Self {
        let (image_encoder, text_encoder) = origin.encoders;
        let (heads, weights) = heads
            .into_iter()
            .map(|TrainedHead { head, shape, weight, weights, best_epoch, epochs }| {
                (HeadDescription { head, shape, weight, best_epoch, epochs }, weights)
            })
            .unzip();
        Self {
            description: Description {
                format: FORMAT,
                heads,
                classes: origin.classes,
                image_encoder,
                text_encoder,
                settings: origin.settings,
                calibration: Calibration::default(),
                softmax_scale: 1.0,
                vocabulary: origin.vocabulary,
                weights_hash: String::new(),
            },
            weights,
            images: origin.images,
            texts: origin.texts,
        }
    }

    pub(crate) fn calibrate(&mut self, calibration: Calibration, softmax_scale: f64) {
        self.description.calibration = calibration;
        self.description.softmax_scale = softmax_scale;
    }

    /// Dimensions of the common space.
    pub fn dims(&self) -> usize {
        self.description.heads.iter().map(|head| head.shape.dims).sum()
    }

    /// Dimensions of the image features that it was trained on.
    pub fn image_feature_dims(&self) -> usize {
        self.images.mean.len()
    }

    /// Dimensions of the text features that it was trained on.
    pub fn text_feature_dims(&self) -> usize {
        self.texts.mean.len()
    }

    /// Whether text features are token ids, which the model's own CNN embeds.
    pub fn reads_tokens(&self) -> bool {
        self.description.vocabulary.is_some()
    }

    /// Fraction of a text's tokens that did not occur in training, in [0, 1]. `None` if the model does not read tokens;
    /// then the encoder knows the ratio.
    pub fn unknown_token_ratio(&self, features: &[f32]) -> Option<f32> {
        self.description.vocabulary.as_ref().map(|vocabulary| vocabulary.unknown_ratio(features))
    }

    /// Class names, in the order of probabilities.
    pub fn classes(&self) -> &[String] {
        &self.description.classes
    }

    /// Maps a cosine to the probability of relevance.
    pub fn calibration(&self) -> &Calibration {
        &self.description.calibration
    }

    /// Settings of its training.
    pub fn settings(&self) -> &TrainSettings {
        &self.description.settings
    }

    /// Ids of the image encoder and the text encoder whose features it was trained on.
    pub fn encoders(&self) -> (&str, &str) {
        (&self.description.image_encoder, &self.description.text_encoder)
    }

    /// The heads with their weights as text, such as `class 0.55, pair 0.45`.
    pub fn describe_heads(&self) -> String {
        let heads: Vec<String> = self.heads().map(|(head, weight)| format!("{} {weight:.2}", head.name())).collect();
        heads.join(", ")
    }

    /// The heads with their weights in a cosine, which sum to 1.
    pub fn heads(&self) -> impl Iterator<Item = (Head, f64)> {
        self.description.heads.iter().map(|head| (head.head, head.weight))
    }

    /// Epoch from which the weights of a head are, from 1.
    pub fn best_epoch(&self, head: Head) -> Option<usize> {
        self.description.heads.iter().find(|description| description.head == head).map(|head| head.best_epoch)
    }

    /// Epochs of the training, head by head.
    pub fn epochs(&self) -> impl Iterator<Item = &Epoch> {
        self.description.heads.iter().flat_map(|head| &head.epochs)
    }

    /// Embeds images, one for each row of `[n, d_image]` features.
    ///
    /// # Errors
    /// [`ModelError::WrongDims`], [`ModelError::NotFinite`].
    pub fn embed_images(&self, features: &FeatureMatrix) -> Result<Vec<UnitVector>, ModelError> {
        self.embed(Modality::Image, features)
    }

    /// Embeds texts, one for each row of `[n, d_text]` features.
    ///
    /// # Errors
    /// [`ModelError::WrongDims`], [`ModelError::NotFinite`].
    pub fn embed_texts(&self, features: &FeatureMatrix) -> Result<Vec<UnitVector>, ModelError> {
        self.embed(Modality::Text, features)
    }

    /// Embeds images and predicts their classes. The label layer is a regression to 0 and 1; a softmax with the scale
    /// that was fitted on the validation split turns its outputs into probabilities.
    ///
    /// # Errors
    /// Same as [`Self::embed_images`].
    pub fn embed_image_queries(&self, features: &FeatureMatrix) -> Result<Vec<QueryEmbedding>, ModelError> {
        let outputs = self.head_outputs(Modality::Image, features)?;
        let class = &self.weights[0];
        let labels = linear(&outputs[0], &class["labels.weight"], &class["labels.bias"])?.to_vec2::<f32>()?;
        let query = |(point, labels): (UnitVector, Vec<f32>)| {
            let probabilities = softmax(&labels, self.description.softmax_scale);
            QueryEmbedding { point, probabilities, unknown_token_ratio: None }
        };
        Ok(self.combine(Modality::Image, &outputs)?.into_iter().zip(labels).map(query).collect())
    }

    fn embed(&self, modality: Modality, features: &FeatureMatrix) -> Result<Vec<UnitVector>, ModelError> {
        self.combine(modality, &self.head_outputs(modality, features)?)
    }

    /// Outputs of each head, `[n, dims]`, not normalized.
    fn head_outputs(&self, modality: Modality, features: &FeatureMatrix) -> Result<Vec<Tensor>, ModelError> {
        let input = self.network_input(modality, features)?;
        self.weights.iter().map(|weights| forward(weights, modality, &input)).collect()
    }

    /// Embeddings from the outputs of all heads.
    fn combine(&self, modality: Modality, outputs: &[Tensor]) -> Result<Vec<UnitVector>, ModelError> {
        let not_finite = |row| ModelError::NotFinite { what: modality.name(), row };
        let unit_vectors = |(head, outputs): (&HeadDescription, &Tensor)| -> Result<_, ModelError> {
            let unit = |(row, values)| UnitVector::new(values, head.shape.dims).map_err(|_| not_finite(row));
            let outputs = outputs.to_vec2()?.into_iter();
            Ok((head.weight, outputs.enumerate().map(unit).collect::<Result<Vec<_>, _>>()?))
        };
        let heads: Vec<(f64, Vec<UnitVector>)> =
            self.description.heads.iter().zip(outputs).map(unit_vectors).collect::<Result<_, _>>()?;
        let heads: Vec<(f64, &[UnitVector])> =
            heads.iter().map(|(weight, units)| (*weight, units.as_slice())).collect();
        Ok(concat_weighted(&heads))
    }

    /// Outputs of the label layer, `[n][classes]`.
    pub(crate) fn label_outputs(
        &self,
        modality: Modality,
        features: &FeatureMatrix,
    ) -> Result<Vec<Vec<f32>>, ModelError> {
        let class = &self.weights[0];
        let outputs = forward(class, modality, &self.network_input(modality, features)?)?;
        Ok(linear(&outputs, &class["labels.weight"], &class["labels.bias"])?.to_vec2()?)
    }

    fn network_input(&self, modality: Modality, features: &FeatureMatrix) -> Result<NetworkInput, ModelError> {
        let normalizer = match modality {
            Modality::Image => &self.images,
            Modality::Text => &self.texts,
        };
        if features.cols() != normalizer.mean.len() {
            let (what, expected, found) = (modality.name(), normalizer.mean.len(), features.cols());
            return Err(ModelError::WrongDims { what, expected, found });
        }
        if let (Modality::Text, Some(vocabulary)) = (modality, &self.description.vocabulary) {
            let cols = features.cols();
            let batch = |rows: &[f32]| TokenBatch::new(rows, cols, vocabulary, &Device::Cpu);
            return Ok(NetworkInput::Tokens(
                features.values().chunks(CNN_BATCH * cols).map(batch).collect::<Result<_, _>>()?,
            ));
        }
        let rows = normalizer.apply(features, 0..features.rows());
        Ok(NetworkInput::Features(tensor(rows, (features.rows(), features.cols()))?))
    }
}

/// Selects one of the two subnetworks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Modality {
    Image,
    Text,
}

impl Modality {
    fn name(self) -> &'static str {
        match self {
            Self::Image => "image",
            Self::Text => "text",
        }
    }
}

/// Input of a subnetwork.
enum NetworkInput {
    /// Normalized features, `[n, d]`.
    Features(Tensor),
    /// Token ids for the text CNN, in batches.
    Tokens(Vec<TokenBatch>),
}

/// Output of a head's network, `[n, dims]`.
fn forward(weights: &Weights, modality: Modality, input: &NetworkInput) -> Result<Tensor, ModelError> {
    let rows = match input {
        NetworkInput::Features(rows) => rows.clone(),
        NetworkInput::Tokens(batches) => {
            let features: Vec<Tensor> =
                batches.iter().map(|batch| batch.features(weights)).collect::<Result<_, _>>()?;
            Tensor::cat(&features, 0)?
        }
    };
    Ok(linear(&hidden(weights, modality.name(), &rows)?, &weights["shared.weight"], &weights["shared.bias"])?)
}
