//! A model against a split: the joining place of the space that was learned and the measures of it.

use std::collections::HashMap;

use serde::{Deserialize, Serialize};

use super::{
    Calibration, Direction, DscmrError, Model, TrainingData,
    model::{View, softmax},
    parts::side_by_side,
};
use crate::{
    dataset::Split,
    evaluation::{
        ClassPrecision, Logistic, Recall, Report, Retrieval, chance_average_precision, expected_calibration_error,
        retrieve,
    },
    vector::UnitVector,
};

/// Pairs that a calibration is fitted to or measured on, at most; beyond, they are taken at equal distances.
const PAIRS: usize = 400_000;

/// How good a space is on a split, in short.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Quality {
    /// Class mAP, pictures ask for captions.
    pub map_image_to_text: f64,
    /// Class mAP, words ask for pictures.
    pub map_text_to_image: f64,
    /// mR: the mean of the six recalls, in percent.
    pub mean_recall: f64,
}

impl Quality {
    /// Mean of both directions' class mAP.
    pub fn map(&self) -> f64 {
        f64::midpoint(self.map_image_to_text, self.map_text_to_image)
    }
}

/// A split's points with all that tells which of them belong together.
pub(super) struct Points<'a> {
    data: &'a TrainingData,
    items: Vec<usize>,
    texts: Vec<usize>,
    image_points: Vec<UnitVector>,
    text_points: Vec<UnitVector>,
    /// Sentences with equal features read the same; a number for each different one.
    reads: Vec<u32>,
}

impl<'a> Points<'a> {
    pub(super) fn of(model: &Model, data: &'a TrainingData, split: Split) -> Result<Self, DscmrError> {
        let items: Vec<usize> = (0..data.splits.len()).filter(|&item| data.splits[item] == split).collect();
        let texts: Vec<usize> =
            (0..data.text_items.len()).filter(|&text| data.splits[data.text_items[text] as usize] == split).collect();
        if items.is_empty() || texts.is_empty() {
            return Err(DscmrError::NotEnough(format!("the {split:?} split has no pictures with captions")));
        }
        let image_points = model.embed_images(&data.images.select(&items))?;
        let text_points = model.embed_texts(&data.texts.select(&texts))?;
        let reads = data.reads(texts.iter().copied());
        Ok(Self { data, items, texts, image_points, text_points, reads })
    }

    /// The points with those of another space of the same split beside them.
    pub(super) fn beside(&self, other: &Self, weight: f64) -> Self {
        let beside =
            |ours: &[UnitVector], theirs: &[UnitVector]| side_by_side(&[(weight, ours), (1.0 - weight, theirs)]);
        Self {
            data: self.data,
            items: self.items.clone(),
            texts: self.texts.clone(),
            image_points: beside(&self.image_points, &other.image_points),
            text_points: beside(&self.text_points, &other.text_points),
            reads: self.reads.clone(),
        }
    }

    pub(super) fn quality(&self) -> Quality {
        let (image_to_text, text_to_image) = (self.image_to_text(), self.text_to_image());
        Quality {
            map_image_to_text: image_to_text.mean_average_precision(),
            map_text_to_image: text_to_image.mean_average_precision(),
            mean_recall: 100.0 * f64::midpoint(image_to_text.mean_recall(), text_to_image.mean_recall()),
        }
    }

    fn item_of(&self, text: usize) -> usize {
        self.data.text_items[self.texts[text]] as usize
    }

    fn share(&self, a: usize, b: usize) -> bool {
        self.data.labels[a].iter().any(|label| self.data.labels[b].contains(label))
    }

    pub(super) fn image_to_text(&self) -> Retrieval {
        let reads_of = self.reads_by_item();
        retrieve(
            &self.image_points,
            &self.text_points,
            |image, text| self.share(self.items[image], self.item_of(text)),
            |image, text| self.items[image] == self.item_of(text),
            |image, text| reads_of[&self.items[image]].contains(&self.reads[text]),
        )
    }

    pub(super) fn text_to_image(&self) -> Retrieval {
        let reads_of = self.reads_by_item();
        retrieve(
            &self.text_points,
            &self.image_points,
            |text, image| self.share(self.item_of(text), self.items[image]),
            |text, image| self.item_of(text) == self.items[image],
            |text, image| reads_of[&self.items[image]].contains(&self.reads[text]),
        )
    }

    /// For each item what its captions read.
    fn reads_by_item(&self) -> HashMap<usize, Vec<u32>> {
        let mut reads: HashMap<usize, Vec<u32>> = self.items.iter().map(|&item| (item, Vec::new())).collect();
        for (text, &read) in self.reads.iter().enumerate() {
            reads.entry(self.item_of(text)).or_default().push(read);
        }
        reads
    }

    /// (cosine, shares a class) of pairs of one direction; a point is never paired with itself.
    fn pairs(&self, direction: Direction) -> Vec<(f32, bool)> {
        let image = |i: usize| (self.items[i], &self.image_points[i]);
        let text = |t: usize| (self.item_of(t), &self.text_points[t]);
        type Side<'s> = (usize, Box<dyn Fn(usize) -> (usize, &'s UnitVector) + 's>);
        let images = || -> Side<'_> { (self.items.len(), Box::new(image)) };
        let texts = || -> Side<'_> { (self.texts.len(), Box::new(text)) };
        let ((queries, query), (entries, entry), same) = match direction {
            Direction::ImageToText => (images(), texts(), false),
            Direction::TextToImage => (texts(), images(), false),
            Direction::ImageToImage => (images(), images(), true),
            Direction::TextToText => (texts(), texts(), true),
        };
        let all = queries * entries;
        let step = all.div_ceil(PAIRS).max(1);
        (0..all)
            .step_by(step)
            .map(|pair| (pair / entries, pair % entries))
            .filter(|(q, e)| !(same && q == e))
            .map(|(q, e)| {
                let ((a, x), (b, y)) = (query(q), entry(e));
                (x.cosine(y), self.share(a, b))
            })
            .collect()
    }
}

/// Fits relevance and label probabilities on the validation split.
pub(super) fn calibrate(model: &mut Model, data: &TrainingData) -> Result<(), DscmrError> {
    let points = Points::of(model, data, Split::Validation)?;
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

/// How good `model` is on a split of `data`, by the protocol of [`crate::evaluation`]. Every caption is a query and a gallery
/// entry of its own.
///
/// # Errors
/// [`DscmrError::NotEnough`] if the split is empty; or if the features do not fit the model.
pub fn evaluate(model: &Model, data: &TrainingData, split: Split) -> Result<Report, DscmrError> {
    let points = Points::of(model, data, split)?;
    let (image_to_text, text_to_image) = (points.image_to_text(), points.text_to_image());
    let image_labels = model.label_outputs(View::Image, &data.images.select(&points.items))?;
    let text_labels = model.label_outputs(View::Text, &data.texts.select(&points.texts))?;
    let text_owners: Vec<usize> = (0..points.texts.len()).map(|text| points.item_of(text)).collect();
    let error = |direction| {
        let promised = |(cosine, relevant)| (f64::from(model.calibration().relevance(direction, cosine)), relevant);
        expected_calibration_error(points.pairs(direction).into_iter().map(promised))
    };
    let recall = |at: &dyn Fn(usize) -> f64| Recall { at_1: at(1), at_5: at(5), at_10: at(10) };
    Ok(Report {
        pictures: points.items.len(),
        captions: points.texts.len(),
        classes: data.classes.len(),
        map_image_to_text: image_to_text.mean_average_precision(),
        map_text_to_image: text_to_image.mean_average_precision(),
        chance_image_to_text: chance(&points.items, &text_owners, data),
        chance_text_to_image: chance(&text_owners, &points.items, data),
        recall_image_to_text: recall(&|k| image_to_text.recall(k)),
        recall_text_to_image: recall(&|k| text_to_image.recall(k)),
        duplicate_aware_image_to_text: recall(&|k| image_to_text.duplicate_aware_recall(k)),
        duplicate_aware_text_to_image: recall(&|k| text_to_image.duplicate_aware_recall(k)),
        label_accuracy_image: accuracy(&image_labels, &points.items, data),
        label_accuracy_text: accuracy(&text_labels, &text_owners, data),
        calibration_error_image_to_text: error(Direction::ImageToText),
        calibration_error_text_to_image: error(Direction::TextToImage),
        per_class: per_class(&points, &image_to_text, &text_to_image),
    })
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

/// How often the largest output is a label of the row's item.
fn accuracy(outputs: &[Vec<f32>], items: &[usize], data: &TrainingData) -> f64 {
    let right = outputs.iter().zip(items).filter(|(row, item)| {
        let best = (0u32..).zip(row.iter()).max_by(|a, b| a.1.total_cmp(b.1)).map(|(class, _)| class);
        best.is_some_and(|class| data.labels[**item].contains(&class))
    });
    right.count() as f64 / items.len().max(1) as f64
}

fn per_class(points: &Points<'_>, image_to_text: &Retrieval, text_to_image: &Retrieval) -> Vec<ClassPrecision> {
    let bears = |item: usize, class: u32| points.data.labels[item].contains(&class);
    let mean = |values: Vec<f64>| values.iter().sum::<f64>() / values.len().max(1) as f64;
    let of_class = |(class, label): (u32, &String)| {
        let images = points.items.iter().zip(&image_to_text.average_precision);
        let images: Vec<f64> = images.filter(|(item, _)| bears(**item, class)).map(|(_, ap)| *ap).collect();
        let texts = (0..points.texts.len()).zip(&text_to_image.average_precision);
        let texts: Vec<f64> =
            texts.filter(|(text, _)| bears(points.item_of(*text), class)).map(|(_, ap)| *ap).collect();
        ClassPrecision {
            label: label.clone(),
            pictures: images.len(),
            image_to_text: mean(images),
            text_to_image: mean(texts),
        }
    };
    (0u32..).zip(&points.data.classes).map(of_class).collect()
}
