//! A trained common space: features in, points and classes out.

use candle_core::{Device, Tensor};
use serde::{Deserialize, Serialize};

use super::{
    Asked, Direction, DscmrError, Epoch, FeatureMatrix, TrainSettings,
    dscmr::network::{Shape, Weights, hidden, linear, tensor},
    heads::{Learned, Part, side_by_side},
    normalizer::Standardisation,
    text_cnn::{Sentences, Vocabulary},
};
use crate::{core::UnitVector, evaluation::Logistic};

/// Sentences that the CNN reads at once: what it makes of each token takes memory.
const READ_AT_ONCE: usize = 256;

/// Version of the two files' form.
pub(crate) const FORMAT: u32 = 3;

/// Which probability a cosine stands for, by direction.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct Calibration {
    pub(crate) image_to_text: Option<Logistic>,
    pub(crate) text_to_image: Option<Logistic>,
    pub(crate) image_to_image: Option<Logistic>,
    pub(crate) text_to_text: Option<Logistic>,
}

impl Calibration {
    /// The probability that a result with this cosine is relevant, in [0, 1]: that it shares a class with the query,
    /// for queries and collections like the validation split. Where validation could not tell, the cosine itself,
    /// clamped.
    pub fn relevance(&self, direction: Direction, cosine: f32) -> f32 {
        let map = match direction {
            Direction::ImageToText => self.image_to_text,
            Direction::TextToImage => self.text_to_image,
            Direction::ImageToImage => self.image_to_image,
            Direction::TextToText => self.text_to_text,
        };
        map.map_or(cosine.clamp(0.0, 1.0), |map| map.probability(f64::from(cosine)) as f32)
    }
}

/// What `model.json` holds.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Description {
    pub(crate) format: u32,
    pub(crate) parts: Vec<PartDescription>,
    pub(crate) classes: Vec<String>,
    pub(crate) image_encoder: String,
    pub(crate) text_encoder: String,
    pub(crate) settings: TrainSettings,
    pub(crate) calibration: Calibration,
    /// The scale that turns outputs of the label layer into probabilities.
    pub(crate) sharpness: f64,
    /// The tokens that the sentence CNN knows, if there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) vocabulary: Option<Vocabulary>,
    /// blake3 of the weights' file.
    pub(crate) weights_hash: String,
}

/// What `model.json` holds of a part.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct PartDescription {
    pub(crate) part: Part,
    pub(crate) shape: Shape,
    /// Its weight in a cosine; those of all parts sum to 1.
    pub(crate) weight: f64,
    /// The epoch whose weights these are.
    pub(crate) best_epoch: usize,
    pub(crate) epochs: Vec<Epoch>,
}

/// A common space. Cheap to share, safe to use from many threads.
#[derive(Debug, Clone)]
pub struct Model {
    pub(crate) description: Description,
    /// Those of each part, in the order of the description. The first is the class part.
    pub(crate) weights: Vec<Weights>,
    pub(crate) images: Standardisation,
    pub(crate) texts: Standardisation,
}

/// What all parts of a space came from.
pub(crate) struct Origin {
    pub(crate) classes: Vec<String>,
    pub(crate) encoders: (String, String),
    pub(crate) settings: TrainSettings,
    pub(crate) images: Standardisation,
    pub(crate) texts: Standardisation,
    pub(crate) vocabulary: Option<Vocabulary>,
}

impl Model {
    /// A model without calibration.
    pub(crate) fn new(origin: Origin, parts: Vec<Learned>) -> Self {
        let (image_encoder, text_encoder) = origin.encoders;
        let (parts, weights) = parts
            .into_iter()
            .map(|Learned { part, shape, weight, weights, best_epoch, epochs }| {
                (PartDescription { part, shape, weight, best_epoch, epochs }, weights)
            })
            .unzip();
        Self {
            description: Description {
                format: FORMAT,
                parts,
                classes: origin.classes,
                image_encoder,
                text_encoder,
                settings: origin.settings,
                calibration: Calibration::default(),
                sharpness: 1.0,
                vocabulary: origin.vocabulary,
                weights_hash: String::new(),
            },
            weights,
            images: origin.images,
            texts: origin.texts,
        }
    }

    pub(crate) fn calibrate(&mut self, calibration: Calibration, sharpness: f64) {
        self.description.calibration = calibration;
        self.description.sharpness = sharpness;
    }

    /// Dimensions of the common space.
    pub fn dims(&self) -> usize {
        self.description.parts.iter().map(|part| part.shape.dims).sum()
    }

    /// Length of the picture features that it learned from.
    pub fn image_features(&self) -> usize {
        self.images.mean.len()
    }

    /// Length of the sentence features that it learned from.
    pub fn text_features(&self) -> usize {
        self.texts.mean.len()
    }

    /// Whether it reads the tokens of sentences itself, and not features that an encoder made of them.
    pub fn reads_tokens(&self) -> bool {
        self.description.vocabulary.is_some()
    }

    /// The part of a sentence's tokens that it never saw in training, in [0, 1]. `None` where that is for the encoder to say.
    pub fn unknown_token_ratio(&self, features: &[f32]) -> Option<f32> {
        self.description.vocabulary.as_ref().map(|vocabulary| vocabulary.unknown(features))
    }

    /// Class names, in the order of probabilities.
    pub fn classes(&self) -> &[String] {
        &self.description.classes
    }

    /// Which probability a cosine stands for.
    pub fn calibration(&self) -> &Calibration {
        &self.description.calibration
    }

    /// The settings of its training.
    pub fn settings(&self) -> &TrainSettings {
        &self.description.settings
    }

    /// Ids of the encoders whose features of pictures and of sentences it learned from.
    pub fn encoders(&self) -> (&str, &str) {
        (&self.description.image_encoder, &self.description.text_encoder)
    }

    /// The parts of the space with the weight of each in a cosine, for people.
    pub fn parts_in_words(&self) -> String {
        let parts: Vec<String> = self.parts().map(|(part, weight)| format!("{} {weight:.2}", part.name())).collect();
        parts.join(", ")
    }

    /// The parts of the space with the weight of each in a cosine, which sum to 1.
    pub fn parts(&self) -> impl Iterator<Item = (Part, f64)> {
        self.description.parts.iter().map(|part| (part.part, part.weight))
    }

    /// The epoch whose weights a part has, from 1.
    pub fn best_epoch(&self, part: Part) -> Option<usize> {
        self.description.parts.iter().find(|description| description.part == part).map(|part| part.best_epoch)
    }

    /// The course of the training, part by part.
    pub fn epochs(&self) -> impl Iterator<Item = &Epoch> {
        self.description.parts.iter().flat_map(|part| &part.epochs)
    }

    /// Points of pictures, one for each row of `[n, d_image]` features.
    ///
    /// # Errors
    /// [`DscmrError::WrongDims`], [`DscmrError::NotFinite`].
    pub fn embed_images(&self, features: &FeatureMatrix) -> Result<Vec<UnitVector>, DscmrError> {
        self.embed(View::Image, features)
    }

    /// Points of sentences, one for each row of `[n, d_text]` features.
    ///
    /// # Errors
    /// [`DscmrError::WrongDims`], [`DscmrError::NotFinite`].
    pub fn embed_texts(&self, features: &FeatureMatrix) -> Result<Vec<UnitVector>, DscmrError> {
        self.embed(View::Text, features)
    }

    /// What a service wants to know of each picture. The label layer is a regression to 0 and 1; its outputs become
    /// probabilities by a softmax whose sharpness was fitted on validation.
    ///
    /// # Errors
    /// As [`Self::embed_images`].
    pub fn ask_images(&self, features: &FeatureMatrix) -> Result<Vec<Asked>, DscmrError> {
        let points = self.points(View::Image, features)?;
        let class = &self.weights[0];
        let labels = linear(&points[0], &class["labels.weight"], &class["labels.bias"])?.to_vec2::<f32>()?;
        let asked = |(point, labels): (UnitVector, Vec<f32>)| {
            let probabilities = softmax(&labels, self.description.sharpness);
            Asked { point, probabilities, unknown: None }
        };
        Ok(self.units(View::Image, &points)?.into_iter().zip(labels).map(asked).collect())
    }

    fn rows(&self, view: View, features: &FeatureMatrix) -> Result<Rows, DscmrError> {
        let scale = match view {
            View::Image => &self.images,
            View::Text => &self.texts,
        };
        if features.cols() != scale.mean.len() {
            let (what, expected, found) = (view.what(), scale.mean.len(), features.cols());
            return Err(DscmrError::WrongDims { what, expected, found });
        }
        if let (View::Text, Some(vocabulary)) = (view, &self.description.vocabulary) {
            let cols = features.cols();
            let read = |some: &[f32]| Sentences::new(some, cols, vocabulary, &Device::Cpu);
            return Ok(Rows::Tokens(
                features.values().chunks(READ_AT_ONCE * cols).map(read).collect::<Result<_, _>>()?,
            ));
        }
        Ok(Rows::Features(tensor(scale.apply(features, 0..features.rows()), (features.rows(), features.cols()))?))
    }

    fn embed(&self, view: View, features: &FeatureMatrix) -> Result<Vec<UnitVector>, DscmrError> {
        self.units(view, &self.points(view, features)?)
    }

    /// Points of each part, `[n, dims]` each.
    fn points(&self, view: View, features: &FeatureMatrix) -> Result<Vec<Tensor>, DscmrError> {
        let rows = self.rows(view, features)?;
        self.weights.iter().map(|weights| points(weights, view, &rows)).collect()
    }

    /// The parts' points in one.
    fn units(&self, view: View, points: &[Tensor]) -> Result<Vec<UnitVector>, DscmrError> {
        let not_finite = |row| DscmrError::NotFinite { what: view.what(), row };
        let unit_vectors = |(part, points): (&PartDescription, &Tensor)| -> Result<_, DscmrError> {
            let unit = |(row, values)| UnitVector::new(values, part.shape.dims).map_err(|_| not_finite(row));
            let points = points.to_vec2()?.into_iter();
            Ok((part.weight, points.enumerate().map(unit).collect::<Result<Vec<_>, _>>()?))
        };
        let parts: Vec<(f64, Vec<UnitVector>)> =
            self.description.parts.iter().zip(points).map(unit_vectors).collect::<Result<_, _>>()?;
        let parts: Vec<(f64, &[UnitVector])> =
            parts.iter().map(|(weight, units)| (*weight, units.as_slice())).collect();
        Ok(side_by_side(&parts))
    }

    /// Raw outputs of the label layer, `[n][classes]`.
    pub(crate) fn label_outputs(&self, view: View, features: &FeatureMatrix) -> Result<Vec<Vec<f32>>, DscmrError> {
        let class = &self.weights[0];
        let points = points(class, view, &self.rows(view, features)?)?;
        Ok(linear(&points, &class["labels.weight"], &class["labels.bias"])?.to_vec2()?)
    }
}

/// Which subnetwork.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum View {
    Image,
    Text,
}

impl View {
    /// What goes in.
    fn what(self) -> &'static str {
        match self {
            Self::Image => "picture",
            Self::Text => "sentence",
        }
    }
}

/// Features as subnetworks take them.
enum Rows {
    /// Standardised, `[n, d]`.
    Features(Tensor),
    /// For the sentence CNN, some at a time.
    Tokens(Vec<Sentences>),
}

/// Features through a network, `[n, dims]`.
fn points(weights: &Weights, view: View, rows: &Rows) -> Result<Tensor, DscmrError> {
    let name = match view {
        View::Image => "image",
        View::Text => "text",
    };
    let rows = match rows {
        Rows::Features(rows) => rows.clone(),
        Rows::Tokens(some) => {
            let read: Vec<Tensor> =
                some.iter().map(|sentences| sentences.features(weights)).collect::<Result<_, _>>()?;
            Tensor::cat(&read, 0)?
        }
    };
    Ok(linear(&hidden(weights, name, &rows)?, &weights["shared.weight"], &weights["shared.bias"])?)
}

/// exp(sharpness · x) scaled to sum 1.
pub(crate) fn softmax(outputs: &[f32], sharpness: f64) -> Vec<f32> {
    let most = outputs.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let powers: Vec<f64> = outputs.iter().map(|&x| (sharpness * f64::from(x - most)).exp()).collect();
    let sum: f64 = powers.iter().sum();
    powers.into_iter().map(|p| (p / sum) as f32).collect()
}
