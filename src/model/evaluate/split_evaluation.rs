//! Evaluation of a model on a split: the metrics of [`crate::evaluation`] applied to its embeddings and predictions.

use std::collections::HashMap;

use serde::{Deserialize, Serialize};

use super::{quality::Quality, split_embeddings::SplitEmbeddings};
use crate::{
    dataset::Split,
    evaluation::{
        ClassPrecision, Direction, Recall, ReliabilityBin, Report, RetrievalMetrics, Spread, bootstrap_interval,
        chance_average_precision, expected_calibration_error, reliability_bins,
    },
    model::{Model, ModelError, TrainingData, trained_model::Modality},
};

/// Measurements on the validation split, by which a model is promoted or not.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Validation {
    /// Retrieval quality.
    pub quality: Quality,
    /// Distribution of the image embeddings in the space.
    pub spread: Spread,
}

/// Measures a model on the validation split of `data`, of which a large one is subsampled.
///
/// # Errors
/// Same as [`evaluate`].
pub fn validate(model: &Model, data: &TrainingData) -> Result<Validation, ModelError> {
    let embeddings = SplitEmbeddings::of_validation(model, data)?;
    Ok(Validation { quality: embeddings.quality(), spread: Spread::measure(&embeddings.image_points) })
}

/// Evaluates a model on a split of `data` by the protocol of [`crate::evaluation`]. Each caption is a query and a
/// gallery entry of its own.
///
/// # Errors
/// [`ModelError::NotEnough`] if the split is empty; or if the features do not fit the model.
pub fn evaluate(model: &Model, data: &TrainingData, split: Split) -> Result<Report, ModelError> {
    Ok(SplitEvaluation::new(model, data, split)?.report(model))
}

/// Rankings and predictions of a split, from which report and diagnostics are computed.
pub(crate) struct SplitEvaluation<'a> {
    pub(crate) embeddings: SplitEmbeddings<'a>,
    pub(crate) image_to_text: RetrievalMetrics,
    pub(crate) text_to_image: RetrievalMetrics,
    /// Predicted class of each image.
    pub(crate) predicted: Vec<u32>,
    /// Predicted class of each caption.
    predicted_by_text: Vec<u32>,
}

impl<'a> SplitEvaluation<'a> {
    pub(crate) fn new(model: &Model, data: &'a TrainingData, split: Split) -> Result<Self, ModelError> {
        let embeddings = SplitEmbeddings::new(model, data, split)?;
        let (image_to_text, text_to_image) = (embeddings.image_to_text(), embeddings.text_to_image());
        let predicted = argmax(&model.label_outputs(Modality::Image, &data.images.select(&embeddings.items))?);
        let predicted_by_text = argmax(&model.label_outputs(Modality::Text, &data.texts.select(&embeddings.texts))?);
        Ok(Self { embeddings, image_to_text, text_to_image, predicted, predicted_by_text })
    }

    /// Predicted relevance and observed frequency of relevant pairs.
    pub(crate) fn reliability(&self, model: &Model, direction: Direction) -> [ReliabilityBin; 10] {
        let predicted = |(cosine, relevant)| (f64::from(model.calibration().relevance(direction, cosine)), relevant);
        reliability_bins(self.embeddings.pairs(direction).into_iter().map(predicted))
    }

    pub(crate) fn report(&self, model: &Model) -> Report {
        let Self { embeddings, image_to_text, text_to_image, predicted, predicted_by_text } = self;
        let data = embeddings.data;
        let text_owners: Vec<usize> = (0..embeddings.texts.len()).map(|text| embeddings.item_of(text)).collect();
        let error = |direction| expected_calibration_error(&self.reliability(model, direction));
        let recall = |at: &dyn Fn(usize) -> f64| Recall { at_1: at(1), at_5: at(5), at_10: at(10) };
        Report {
            images: embeddings.items.len(),
            captions: embeddings.texts.len(),
            classes: data.classes.len(),
            map_image_to_text: image_to_text.mean_average_precision(),
            map_text_to_image: text_to_image.mean_average_precision(),
            interval_image_to_text: bootstrap_interval(&image_to_text.average_precision),
            interval_text_to_image: bootstrap_interval(&text_to_image.average_precision),
            chance_image_to_text: chance(&embeddings.items, &text_owners, data),
            chance_text_to_image: chance(&text_owners, &embeddings.items, data),
            recall_image_to_text: recall(&|k| image_to_text.recall(k)),
            recall_text_to_image: recall(&|k| text_to_image.recall(k)),
            duplicate_aware_image_to_text: recall(&|k| image_to_text.duplicate_aware_recall(k)),
            duplicate_aware_text_to_image: recall(&|k| text_to_image.duplicate_aware_recall(k)),
            label_accuracy_image: accuracy(predicted, &embeddings.items, data),
            label_accuracy_text: accuracy(predicted_by_text, &text_owners, data),
            calibration_error_image_to_text: error(Direction::ImageToText),
            calibration_error_text_to_image: error(Direction::TextToImage),
            per_class: per_class(embeddings, image_to_text, text_to_image),
        }
    }
}

/// Class with the largest output in each row.
fn argmax(outputs: &[Vec<f32>]) -> Vec<u32> {
    let of_row = |row: &Vec<f32>| (0u32..).zip(row).max_by(|a, b| a.1.total_cmp(b.1)).map_or(0, |(class, _)| class);
    outputs.iter().map(of_row).collect()
}

/// Mean average precision of a random ranking. It is cached per set of labels, on which alone it depends.
fn chance(queries: &[usize], gallery: &[usize], data: &TrainingData) -> f64 {
    let mut cache: HashMap<&[u32], f64> = HashMap::new();
    let of_query = |&query: &usize| {
        let labels = data.labels[query].as_slice();
        *cache.entry(labels).or_insert_with(|| {
            let relevant = |entry: &&usize| data.labels[**entry].iter().any(|label| labels.contains(label));
            chance_average_precision(gallery.iter().filter(relevant).count(), gallery.len())
        })
    };
    queries.iter().map(of_query).sum::<f64>() / queries.len().max(1) as f64
}

/// Fraction of the predicted classes that the row's item has.
fn accuracy(predicted: &[u32], items: &[usize], data: &TrainingData) -> f64 {
    let correct = predicted.iter().zip(items).filter(|(class, item)| data.labels[**item].contains(class));
    correct.count() as f64 / items.len().max(1) as f64
}

fn per_class(
    embeddings: &SplitEmbeddings<'_>,
    image_to_text: &RetrievalMetrics,
    text_to_image: &RetrievalMetrics,
) -> Vec<ClassPrecision> {
    let has_class = |item: usize, class: u32| embeddings.data.labels[item].contains(&class);
    let mean = |values: &[f64]| values.iter().sum::<f64>() / values.len().max(1) as f64;
    let of_class = |(class, label): (u32, &String)| {
        let images = embeddings.items.iter().zip(&image_to_text.average_precision);
        let images: Vec<f64> = images.filter(|(item, _)| has_class(**item, class)).map(|(_, ap)| *ap).collect();
        let texts = (0..embeddings.texts.len()).zip(&text_to_image.average_precision);
        let texts: Vec<f64> =
            texts.filter(|(text, _)| has_class(embeddings.item_of(*text), class)).map(|(_, ap)| *ap).collect();
        ClassPrecision {
            label: label.clone(),
            images: images.len(),
            interval_image_to_text: bootstrap_interval(&images),
            interval_text_to_image: bootstrap_interval(&texts),
            image_to_text: mean(&images),
            text_to_image: mean(&texts),
        }
    };
    (0u32..).zip(&embeddings.data.classes).map(of_class).collect()
}
