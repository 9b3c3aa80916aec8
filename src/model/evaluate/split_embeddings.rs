//! Embeddings of a split, with the ground truth that metrics compare them with.

use std::collections::HashMap;

use crate::{
    core::UnitVector,
    dataset::Split,
    evaluation::{Direction, EntryRef, RetrievalMetrics, evaluate_retrieval, evenly_spaced},
    model::{Model, ModelError, Quality, TrainingData, heads::concat_weighted},
};

/// Maximum number of pairs for fitting or measuring a calibration; of more, evenly spaced ones are taken.
const MAX_PAIRS: usize = 400_000;

/// Maximum number of validation images for selecting epochs and weights; of more, evenly spaced ones are taken.
const MAX_SELECTION_IMAGES: usize = 2000;

/// Embeddings of the images and captions of a split.
pub(crate) struct SplitEmbeddings<'a> {
    pub(crate) data: &'a TrainingData,
    /// Rows of the images.
    pub(crate) items: Vec<usize>,
    /// Rows of the captions.
    pub(crate) texts: Vec<usize>,
    pub(crate) image_points: Vec<UnitVector>,
    pub(crate) text_points: Vec<UnitVector>,
    /// Group of each caption; captions of a group have the same text.
    text_groups: Vec<u32>,
}

impl<'a> SplitEmbeddings<'a> {
    /// Embeds a whole split.
    pub(crate) fn new(model: &Model, data: &'a TrainingData, split: Split) -> Result<Self, ModelError> {
        Self::of_at_most(model, data, split, usize::MAX)
    }

    /// Embeds the validation split for selecting epochs and weights. A large one is subsampled, because ranking all
    /// against all would take longer than an epoch.
    pub(crate) fn of_validation(model: &Model, data: &'a TrainingData) -> Result<Self, ModelError> {
        Self::of_at_most(model, data, Split::Validation, MAX_SELECTION_IMAGES)
    }

    fn of_at_most(model: &Model, data: &'a TrainingData, split: Split, max_images: usize) -> Result<Self, ModelError> {
        let items: Vec<usize> = (0..data.splits.len()).filter(|&item| data.splits[item] == split).collect();
        let items: Vec<usize> = evenly_spaced(&items, max_images).copied().collect();
        let texts: Vec<usize> = (0..data.text_items.len())
            .filter(|&text| items.binary_search(&(data.text_items[text] as usize)).is_ok())
            .collect();
        if items.is_empty() || texts.is_empty() {
            return Err(ModelError::NotEnough(format!("the {} split has no images with captions", split.name())));
        }
        let image_points = model.embed_images(&data.images.select(&items))?;
        let text_points = model.embed_texts(&data.texts.select(&texts))?;
        let text_groups = data.text_groups(texts.iter().copied());
        Ok(Self { data, items, texts, image_points, text_points, text_groups })
    }

    /// Combines these embeddings, with the given weight, and those of another head for the same split.
    pub(crate) fn concat(&self, other: &Self, weight: f64) -> Self {
        let concat =
            |own: &[UnitVector], other: &[UnitVector]| concat_weighted(&[(weight, own), (1.0 - weight, other)]);
        Self {
            data: self.data,
            items: self.items.clone(),
            texts: self.texts.clone(),
            image_points: concat(&self.image_points, &other.image_points),
            text_points: concat(&self.text_points, &other.text_points),
            text_groups: self.text_groups.clone(),
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

    /// Row of the item of a caption, which is given by its position in the split.
    pub(crate) fn item_of(&self, text: usize) -> usize {
        self.data.text_items[self.texts[text]] as usize
    }

    /// Whether two items share a class.
    pub(crate) fn share_label(&self, a: usize, b: usize) -> bool {
        self.data.labels[a].iter().any(|label| self.data.labels[b].contains(label))
    }

    /// All embeddings with the rows of their items, images before captions.
    pub(crate) fn entries(&self) -> impl Iterator<Item = (EntryRef, usize, &UnitVector)> {
        let images = self.items.iter().map(|&item| (EntryRef::Image(item), item)).zip(&self.image_points);
        let texts = self.texts.iter().map(|&text| (EntryRef::Caption(text), self.data.text_items[text] as usize));
        images.chain(texts.zip(&self.text_points)).map(|((entry, item), point)| (entry, item, point))
    }

    pub(crate) fn image_to_text(&self) -> RetrievalMetrics {
        let groups = self.text_groups_by_item();
        evaluate_retrieval(
            &self.image_points,
            &self.text_points,
            |image, text| self.share_label(self.items[image], self.item_of(text)),
            |image, text| self.items[image] == self.item_of(text),
            |image, text| groups[&self.items[image]].contains(&self.text_groups[text]),
        )
    }

    pub(crate) fn text_to_image(&self) -> RetrievalMetrics {
        let groups = self.text_groups_by_item();
        evaluate_retrieval(
            &self.text_points,
            &self.image_points,
            |text, image| self.share_label(self.item_of(text), self.items[image]),
            |text, image| self.item_of(text) == self.items[image],
            |text, image| groups[&self.items[image]].contains(&self.text_groups[text]),
        )
    }

    /// Groups of each item's captions.
    fn text_groups_by_item(&self) -> HashMap<usize, Vec<u32>> {
        let mut groups: HashMap<usize, Vec<u32>> = self.items.iter().map(|&item| (item, Vec::new())).collect();
        for (text, &group) in self.text_groups.iter().enumerate() {
            groups.entry(self.item_of(text)).or_default().push(group);
        }
        groups
    }

    /// (cosine, whether a class is shared) of pairs in one direction. An entry is never paired with itself.
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
        let step = all.div_ceil(MAX_PAIRS).max(1);
        (0..all)
            .step_by(step)
            .map(|pair| (pair / entries, pair % entries))
            .filter(|(q, e)| !(same && q == e))
            .map(|(q, e)| {
                let ((a, x), (b, y)) = (query(q), entry(e));
                (x.cosine(y), self.share_label(a, b))
            })
            .collect()
    }
}
