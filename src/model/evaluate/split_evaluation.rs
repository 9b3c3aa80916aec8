//! A model against a split: the joining place of the space that was learned and the measures of it.

use std::collections::HashMap;

use serde::{Deserialize, Serialize};

use super::split_embeddings::Points;
use crate::{
    dataset::Split,
    evaluation::{
        ClassPrecision, Logistic, Recall, ReliabilityBin, Report, Retrieval, Spread, bootstrap_interval,
        chance_average_precision, expected_calibration_error, reliability,
    },
    model::{
        Calibration, Direction, DscmrError, Model, Quality, TrainingData,
        trained_model::{View, softmax},
    },
};

/// Fits relevance and label probabilities on the validation split.
pub(crate) fn calibrate(model: &mut Model, data: &TrainingData) -> Result<(), DscmrError> {
    let points = Points::of_validation(model, data)?;
    let fit = |direction| Logistic::fit(&points.pairs(direction));
    let calibration = Calibration {
        image_to_text: fit(Direction::ImageToText),
        text_to_image: fit(Direction::TextToImage),
        image_to_image: fit(Direction::ImageToImage),
        text_to_text: fit(Direction::TextToText),
    };
    let outputs = model.label_outputs(View::Image, &data.images.select(&points.items))?;
    let truth: Vec<&[u32]> = points.items.iter().map(|&item| data.labels[item].as_slice()).collect();
    model.calibrate(calibration, sharpness(&outputs, &truth));
    Ok(())
}

/// The scale of the label layer's outputs under which the softmax makes the truth most likely, on a grid from 1 to 64.
fn sharpness(outputs: &[Vec<f32>], truth: &[&[u32]]) -> f64 {
    let likelihood = |scale: f64| -> f64 {
        let of_row = |(row, labels): (&Vec<f32>, &&[u32])| {
            let probabilities = softmax(row, scale);
            let right: f32 = labels.iter().map(|&label| probabilities[label as usize]).sum();
            f64::from(right.max(1e-9)).ln()
        };
        outputs.iter().zip(truth).map(of_row).sum()
    };
    let grid = (0..=24).map(|n| 2f64.powf(f64::from(n) / 4.0));
    grid.max_by(|&a, &b| likelihood(a).total_cmp(&likelihood(b))).unwrap_or(1.0)
}

/// A model on the validation split: what decides whether it may answer.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Validation {
    /// How good it is.
    pub quality: Quality,
    /// How its pictures lie in the space.
    pub spread: Spread,
}

/// Measures a model on the validation split of `data`; of a large one, on some of it.
///
/// # Errors
/// As [`evaluate`].
pub fn validate(model: &Model, data: &TrainingData) -> Result<Validation, DscmrError> {
    let points = Points::of_validation(model, data)?;
    Ok(Validation { quality: points.quality(), spread: Spread::of(&points.image_points) })
}

/// How good `model` is on a split of `data`, by the protocol of [`crate::evaluation`]. Every caption is a query and a gallery
/// entry of its own.
///
/// # Errors
/// [`DscmrError::NotEnough`] if the split is empty; or if the features do not fit the model.
pub fn evaluate(model: &Model, data: &TrainingData, split: Split) -> Result<Report, DscmrError> {
    Ok(Measured::of(model, data, split)?.report(model))
}

/// A split, measured: what its numbers in short and its curves are made of.
pub(crate) struct Measured<'a> {
    pub(crate) points: Points<'a>,
    pub(crate) image_to_text: Retrieval,
    pub(crate) text_to_image: Retrieval,
    /// The largest output of the label layer for each picture.
    pub(crate) named: Vec<u32>,
    named_by_text: Vec<u32>,
}

impl<'a> Measured<'a> {
    pub(crate) fn of(model: &Model, data: &'a TrainingData, split: Split) -> Result<Self, DscmrError> {
        let points = Points::of(model, data, split)?;
        let (image_to_text, text_to_image) = (points.image_to_text(), points.text_to_image());
        let named = largest(&model.label_outputs(View::Image, &data.images.select(&points.items))?);
        let named_by_text = largest(&model.label_outputs(View::Text, &data.texts.select(&points.texts))?);
        Ok(Self { points, image_to_text, text_to_image, named, named_by_text })
    }

    /// Promised relevance against what was found.
    pub(crate) fn reliability(&self, model: &Model, direction: Direction) -> [ReliabilityBin; 10] {
        let promised = |(cosine, relevant)| (f64::from(model.calibration().relevance(direction, cosine)), relevant);
        reliability(self.points.pairs(direction).into_iter().map(promised))
    }

    pub(crate) fn report(&self, model: &Model) -> Report {
        let Self { points, image_to_text, text_to_image, named, named_by_text } = self;
        let data = points.data;
        let text_owners: Vec<usize> = (0..points.texts.len()).map(|text| points.item_of(text)).collect();
        let error = |direction| expected_calibration_error(&self.reliability(model, direction));
        let recall = |at: &dyn Fn(usize) -> f64| Recall { at_1: at(1), at_5: at(5), at_10: at(10) };
        Report {
            pictures: points.items.len(),
            captions: points.texts.len(),
            classes: data.classes.len(),
            map_image_to_text: image_to_text.mean_average_precision(),
            map_text_to_image: text_to_image.mean_average_precision(),
            interval_image_to_text: bootstrap_interval(&image_to_text.average_precision),
            interval_text_to_image: bootstrap_interval(&text_to_image.average_precision),
            chance_image_to_text: chance(&points.items, &text_owners, data),
            chance_text_to_image: chance(&text_owners, &points.items, data),
            recall_image_to_text: recall(&|k| image_to_text.recall(k)),
            recall_text_to_image: recall(&|k| text_to_image.recall(k)),
            duplicate_aware_image_to_text: recall(&|k| image_to_text.duplicate_aware_recall(k)),
            duplicate_aware_text_to_image: recall(&|k| text_to_image.duplicate_aware_recall(k)),
            label_accuracy_image: accuracy(named, &points.items, data),
            label_accuracy_text: accuracy(named_by_text, &text_owners, data),
            calibration_error_image_to_text: error(Direction::ImageToText),
            calibration_error_text_to_image: error(Direction::TextToImage),
            per_class: per_class(points, image_to_text, text_to_image),
        }
    }
}

/// The class of each row's largest output.
fn largest(outputs: &[Vec<f32>]) -> Vec<u32> {
    let of_row = |row: &Vec<f32>| (0u32..).zip(row).max_by(|a, b| a.1.total_cmp(b.1)).map_or(0, |(class, _)| class);
    outputs.iter().map(of_row).collect()
}

/// Mean over queries of the average precision that a random order would have. Queries with the same labels have the same.
fn chance(queries: &[usize], gallery: &[usize], data: &TrainingData) -> f64 {
    let mut known: HashMap<&[u32], f64> = HashMap::new();
    let of_query = |&query: &usize| {
        let labels = data.labels[query].as_slice();
        *known.entry(labels).or_insert_with(|| {
            let shares = |entry: &&usize| data.labels[**entry].iter().any(|label| labels.contains(label));
            chance_average_precision(gallery.iter().filter(shares).count(), gallery.len())
        })
    };
    queries.iter().map(of_query).sum::<f64>() / queries.len().max(1) as f64
}

/// How often the class that was named is one of the row's item.
fn accuracy(named: &[u32], items: &[usize], data: &TrainingData) -> f64 {
    let right = named.iter().zip(items).filter(|(class, item)| data.labels[**item].contains(class));
    right.count() as f64 / items.len().max(1) as f64
}

fn per_class(points: &Points<'_>, image_to_text: &Retrieval, text_to_image: &Retrieval) -> Vec<ClassPrecision> {
    let bears = |item: usize, class: u32| points.data.labels[item].contains(&class);
    let mean = |values: &[f64]| values.iter().sum::<f64>() / values.len().max(1) as f64;
    let of_class = |(class, label): (u32, &String)| {
        let images = points.items.iter().zip(&image_to_text.average_precision);
        let images: Vec<f64> = images.filter(|(item, _)| bears(**item, class)).map(|(_, ap)| *ap).collect();
        let texts = (0..points.texts.len()).zip(&text_to_image.average_precision);
        let texts: Vec<f64> =
            texts.filter(|(text, _)| bears(points.item_of(*text), class)).map(|(_, ap)| *ap).collect();
        ClassPrecision {
            label: label.clone(),
            pictures: images.len(),
            interval_image_to_text: bootstrap_interval(&images),
            interval_text_to_image: bootstrap_interval(&texts),
            image_to_text: mean(&images),
            text_to_image: mean(&texts),
        }
    };
    (0u32..).zip(&points.data.classes).map(of_class).collect()
}
