//! Input of a training: features of images and captions, labels, splits, and which caption belongs to which item.

use std::{borrow::Cow, collections::HashMap};

use crate::{
    dataset::Split,
    encoders::{TokenEmbeddings, token_ids},
};

/// Row-major matrix with one feature vector per row.
#[derive(Debug, Clone, PartialEq)]
pub struct FeatureMatrix {
    cols: usize,
    values: Vec<f32>,
}

impl FeatureMatrix {
    /// A matrix of `[rows, cols]` values in row-major order. `None` if `cols` is 0 or does not divide their number.
    pub fn new(cols: usize, values: Vec<f32>) -> Option<Self> {
        (cols > 0 && values.len().is_multiple_of(cols)).then_some(Self { cols, values })
    }

    /// Number of feature vectors.
    pub fn rows(&self) -> usize {
        self.values.len() / self.cols
    }

    /// Length of a feature vector.
    pub fn cols(&self) -> usize {
        self.cols
    }

    /// Feature vector `row`, `[cols]`.
    pub fn row(&self, row: usize) -> &[f32] {
        &self.values[row * self.cols..(row + 1) * self.cols]
    }

    /// Copies the given rows, in their order.
    pub fn select(&self, rows: &[usize]) -> Self {
        Self { cols: self.cols, values: rows.iter().flat_map(|&row| self.row(row).iter().copied()).collect() }
    }

    /// All values, `[rows, cols]`.
    pub fn values(&self) -> &[f32] {
        &self.values
    }
}

/// Features of a labelled collection. Row `i` of `images`, `labels` and `splits` is item `i`.
#[derive(Debug, Clone)]
pub struct TrainingData {
    /// Image features, `[items, d_image]`.
    pub images: FeatureMatrix,
    /// Caption features, `[captions, d_text]`.
    pub texts: FeatureMatrix,
    /// Item of each caption, `[captions]`.
    pub text_items: Vec<u32>,
    /// Classes of each item, as positions in `classes`. Items without a class belong to the training split, and only
    /// the pair head is trained on them.
    pub labels: Vec<Vec<u32>>,
    /// Split of each item.
    pub splits: Vec<Split>,
    /// Class names.
    pub classes: Vec<String>,
    /// Initial embeddings of the tokens, if `texts` are token ids.
    pub token_embeddings: Option<TokenEmbeddings>,
}

impl TrainingData {
    /// blake3 of classes, labels, splits and the items of the captions.
    pub fn labels_hash(&self) -> String {
        let mut hasher = Hasher::default();
        hasher.json(&serde_json::json!([self.classes, self.labels]));
        hasher.json(&serde_json::json!([self.splits, self.text_items]));
        hasher.finish()
    }

    /// blake3 of all features.
    pub fn features_hash(&self) -> String {
        let mut hasher = Hasher::default();
        for matrix in [&self.images, &self.texts] {
            hasher.json(&serde_json::json!([matrix.rows(), matrix.cols()]));
            hasher.0.update(bytemuck::cast_slice(matrix.values()));
        }
        if let Some(embeddings) = &self.token_embeddings {
            hasher.0.update(bytemuck::cast_slice(&embeddings.values));
        }
        hasher.finish()
    }

    /// Features of a caption that do not depend on a training: its encoder features, or the sum of its tokens' initial
    /// embeddings.
    pub(crate) fn untrained_text_features(&self, text: usize) -> Cow<'_, [f32]> {
        let row = self.texts.row(text);
        let Some(embeddings) = &self.token_embeddings else { return Cow::Borrowed(row) };
        let mut sum = vec![0f32; embeddings.dims];
        for token in token_ids(row).filter_map(|id| embeddings.row(id)) {
            sum.iter_mut().zip(token).for_each(|(sum, x)| *sum += x);
        }
        Cow::Owned(sum)
    }

    /// Numbers the groups of captions with equal text, from 0. Captions with equal features have equal text.
    pub(crate) fn text_groups(&self, texts: impl Iterator<Item = usize>) -> Vec<u32> {
        let mut groups = HashMap::new();
        let group = |text| {
            // Hashes as keys, because a second copy of all features would take much memory.
            let bits = blake3::hash(bytemuck::cast_slice(self.texts.row(text)));
            let next = groups.len() as u32;
            *groups.entry(bits).or_insert(next)
        };
        texts.map(group).collect()
    }
}

/// Hash of a sequence of values.
#[derive(Default)]
pub(crate) struct Hasher(blake3::Hasher);

impl Hasher {
    /// Adds a value with its length, so that different sequences never have the same input.
    pub(crate) fn json(&mut self, value: &serde_json::Value) {
        let text = value.to_string();
        self.0.update(&(text.len() as u64).to_le_bytes()).update(text.as_bytes());
    }

    pub(crate) fn finish(&self) -> String {
        self.0.finalize().to_hex().to_string()
    }
}
