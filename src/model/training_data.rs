//! What the trainer learns from: features of pictures and sentences, who describes whom, and what they show.

use std::{borrow::Cow, collections::HashMap};

use crate::{
    dataset::Split,
    encoders::{TokenEmbeddings, token_ids},
};

/// A row-major matrix of finite numbers, one feature vector a row.
#[derive(Debug, Clone, PartialEq)]
pub struct FeatureMatrix {
    cols: usize,
    values: Vec<f32>,
}

impl FeatureMatrix {
    /// Takes `[rows, cols]` values, row by row. `None` if `cols` is 0 or does not divide the number of values.
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

    /// Some rows, in the order given.
    pub fn select(&self, rows: &[usize]) -> Self {
        Self { cols: self.cols, values: rows.iter().flat_map(|&row| self.row(row).iter().copied()).collect() }
    }

    /// All values, `[rows, cols]`.
    pub fn values(&self) -> &[f32] {
        &self.values
    }
}

/// A labelled collection of pictures with sentences, as features. Row `i` of `images`, `labels` and `splits` is item `i`.
#[derive(Debug, Clone)]
pub struct TrainingData {
    /// Picture features, `[items, d_image]`.
    pub images: FeatureMatrix,
    /// Sentence features, `[captions, d_text]`.
    pub texts: FeatureMatrix,
    /// For each caption the item that it describes, `[captions]`.
    pub text_items: Vec<u32>,
    /// For each item its classes, as positions in `classes`. One without any is of the training split, and only the pair part
    /// learns from it.
    pub labels: Vec<Vec<u32>>,
    /// For each item its part in learning.
    pub splits: Vec<Split>,
    /// Class names.
    pub classes: Vec<String>,
    /// Where `texts` are tokens: what these mean before anything is learned.
    pub token_embeddings: Option<TokenEmbeddings>,
}

impl TrainingData {
    /// blake3 of what the items are: classes, labels, splits and who describes whom.
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

    /// What a caption says without anything learned: its features, or the sum of what its tokens mean.
    pub(crate) fn plain_text(&self, text: usize) -> Cow<'_, [f32]> {
        let row = self.texts.row(text);
        let Some(embeddings) = &self.token_embeddings else { return Cow::Borrowed(row) };
        let mut sum = vec![0f32; embeddings.dims];
        for token in token_ids(row).filter_map(|id| embeddings.row(id)) {
            sum.iter_mut().zip(token).for_each(|(sum, x)| *sum += x);
        }
        Cow::Owned(sum)
    }

    /// A number for what each caption reads: captions with equal features read the same.
    pub(crate) fn reads(&self, texts: impl Iterator<Item = usize>) -> Vec<u32> {
        let mut known = HashMap::new();
        let read = |text| {
            // A hash, because all sentences' features once more would be much memory.
            let bits = blake3::hash(bytemuck::cast_slice(self.texts.row(text)));
            let next = known.len() as u32;
            *known.entry(bits).or_insert(next)
        };
        texts.map(read).collect()
    }
}

/// A hash of several things in order.
#[derive(Default)]
pub(crate) struct Hasher(blake3::Hasher);

impl Hasher {
    /// Adds a value, with its length, so that no two lists of values read the same.
    pub(crate) fn json(&mut self, value: &serde_json::Value) {
        let text = value.to_string();
        self.0.update(&(text.len() as u64).to_le_bytes()).update(text.as_bytes());
    }

    pub(crate) fn finish(&self) -> String {
        self.0.finalize().to_hex().to_string()
    }
}
