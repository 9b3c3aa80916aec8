//! A split's points, and which of them belong together.

use std::collections::HashMap;

use serde::{Deserialize, Serialize};

use crate::{
    core::UnitVector,
    dataset::Split,
    evaluation::{Place, Retrieval, retrieve, spread_out},
    model::{Direction, DscmrError, Model, TrainingData, heads::side_by_side},
};

/// Pairs that a calibration is fitted to or measured on, at most; beyond, they are taken at equal distances.
const PAIRS: usize = 400_000;

/// Pictures of the validation split that judge, at most; beyond, they are taken at equal distances.
const JUDGING: usize = 2000;

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
pub(crate) struct Points<'a> {
    pub(crate) data: &'a TrainingData,
    /// Rows of the split's pictures.
    pub(crate) items: Vec<usize>,
    /// Rows of its captions.
    pub(crate) texts: Vec<usize>,
    pub(crate) image_points: Vec<UnitVector>,
    pub(crate) text_points: Vec<UnitVector>,
    /// Sentences with equal features read the same; a number for each different one.
    reads: Vec<u32>,
}

impl<'a> Points<'a> {
    /// All points of a split.
    pub(crate) fn of(model: &Model, data: &'a TrainingData, split: Split) -> Result<Self, DscmrError> {
        Self::at_most(model, data, split, usize::MAX)
    }

    /// Those of the validation split by which choices are made: of a large one some, because all of them against all would
    /// take longer than the epoch that they judge.
    pub(crate) fn of_validation(model: &Model, data: &'a TrainingData) -> Result<Self, DscmrError> {
        Self::at_most(model, data, Split::Validation, JUDGING)
    }

    fn at_most(model: &Model, data: &'a TrainingData, split: Split, most: usize) -> Result<Self, DscmrError> {
        let items: Vec<usize> = (0..data.splits.len()).filter(|&item| data.splits[item] == split).collect();
        let items: Vec<usize> = spread_out(&items, most).copied().collect();
        let texts: Vec<usize> = (0..data.text_items.len())
            .filter(|&text| items.binary_search(&(data.text_items[text] as usize)).is_ok())
            .collect();
        if items.is_empty() || texts.is_empty() {
            return Err(DscmrError::NotEnough(format!("the {split:?} split has no pictures with captions")));
        }
        let image_points = model.embed_images(&data.images.select(&items))?;
        let text_points = model.embed_texts(&data.texts.select(&texts))?;
        let reads = data.reads(texts.iter().copied());
        Ok(Self { data, items, texts, image_points, text_points, reads })
    }

    /// The points with those of another space of the same split beside them.
    pub(crate) fn beside(&self, other: &Self, weight: f64) -> Self {
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

    pub(crate) fn quality(&self) -> Quality {
        let (image_to_text, text_to_image) = (self.image_to_text(), self.text_to_image());
        Quality {
            map_image_to_text: image_to_text.mean_average_precision(),
            map_text_to_image: text_to_image.mean_average_precision(),
            mean_recall: 100.0 * f64::midpoint(image_to_text.mean_recall(), text_to_image.mean_recall()),
        }
    }

    /// The row of the item that the split's caption `text` describes.
    pub(crate) fn item_of(&self, text: usize) -> usize {
        self.data.text_items[self.texts[text]] as usize
    }

    /// Whether two items share a class.
    pub(crate) fn share(&self, a: usize, b: usize) -> bool {
        self.data.labels[a].iter().any(|label| self.data.labels[b].contains(label))
    }

    /// All points with their rows, pictures before captions.
    pub(crate) fn all(&self) -> impl Iterator<Item = (Place, usize, &UnitVector)> {
        let images = self.items.iter().map(|&item| (Place::Picture(item), item)).zip(&self.image_points);
        let texts = self.texts.iter().map(|&text| (Place::Caption(text), self.data.text_items[text] as usize));
        images.chain(texts.zip(&self.text_points)).map(|((place, item), point)| (place, item, point))
    }

    pub(crate) fn image_to_text(&self) -> Retrieval {
        let reads_of = self.reads_by_item();
        retrieve(
            &self.image_points,
            &self.text_points,
            |image, text| self.share(self.items[image], self.item_of(text)),
            |image, text| self.items[image] == self.item_of(text),
            |image, text| reads_of[&self.items[image]].contains(&self.reads[text]),
        )
    }

    pub(crate) fn text_to_image(&self) -> Retrieval {
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
    pub(crate) fn pairs(&self, direction: Direction) -> Vec<(f32, bool)> {
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
