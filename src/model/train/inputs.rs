//! Input shared by the trainings of both heads: normalized features, pairs, the token table.

use std::collections::BTreeSet;

use candle_core::{Device, Tensor};

use super::checkpoint::fingerprint;
use crate::{
    dataset::Split,
    model::{
        FeatureMatrix, Head, Model, ModelError, Normalizer, TrainSettings, TrainedHead, TrainingData, Vocabulary,
        tensor, text_cnn::TextCnnShape, trained_model::Origin,
    },
};

/// Input of a training.
pub(crate) struct TrainingInputs<'a> {
    pub(crate) data: &'a TrainingData,
    pub(crate) settings: &'a TrainSettings,
    encoders: &'a (String, String),
    pub(crate) images: ScaledFeatures<'a>,
    pub(crate) texts: ScaledFeatures<'a>,
    /// Set if text features are token ids.
    pub(crate) token_table: Option<TokenTable>,
    /// (row of the image, row of the caption) for every caption of the training split.
    pairs: Vec<(usize, usize)>,
    pub(crate) device: Device,
    /// Identifies data and settings.
    pub(crate) fingerprint: String,
}

/// Known tokens with their initial embeddings.
pub(crate) struct TokenTable {
    pub(crate) vocabulary: Vocabulary,
    /// Initial embeddings, `[tokens, dims]`.
    pub(crate) embeddings: Vec<f32>,
    /// Length of a text's features.
    features: usize,
    /// Length of an embedding.
    dims: usize,
}

impl TokenTable {
    fn new(data: &TrainingData, rows: &[usize]) -> Option<Self> {
        let embeddings = data.token_embeddings.as_ref()?;
        let (vocabulary, table) = Vocabulary::new(&data.texts, rows, embeddings);
        Some(Self { vocabulary, embeddings: table, features: data.texts.cols(), dims: embeddings.dims })
    }

    pub(crate) fn shape(&self) -> TextCnnShape {
        TextCnnShape { features: self.features, tokens: self.vocabulary.len(), embedding: self.dims }
    }
}

/// Features that are normalized on access. A normalized copy would double the memory of the largest data structure.
pub(crate) struct ScaledFeatures<'a> {
    normalizer: Normalizer,
    matrix: &'a FeatureMatrix,
}

impl<'a> ScaledFeatures<'a> {
    fn new(matrix: &'a FeatureMatrix, training_rows: &[usize], power: f64) -> Self {
        Self { normalizer: Normalizer::fit(matrix, training_rows, power), matrix }
    }

    /// Normalized features of the given rows, in their order, `[rows, d]`.
    pub(crate) fn select(&self, rows: impl ExactSizeIterator<Item = usize>) -> Result<Tensor, ModelError> {
        let shape = (rows.len(), self.matrix.cols());
        Ok(tensor(self.normalizer.apply(self.matrix, rows), shape)?)
    }
}

impl<'a> TrainingInputs<'a> {
    pub(crate) fn new(
        data: &'a TrainingData,
        settings: &'a TrainSettings,
        encoders: &'a (String, String),
        device: Device,
    ) -> Self {
        let pairs: Vec<(usize, usize)> = (0usize..)
            .zip(&data.text_items)
            .map(|(text, &item)| (item as usize, text))
            .filter(|(item, _)| data.splits[*item] == Split::Train)
            .collect();
        // The statistics count each image once, however many captions it has.
        let image_rows: Vec<usize> = pairs.iter().map(|(item, _)| *item).collect::<BTreeSet<_>>().into_iter().collect();
        let text_rows: Vec<usize> = pairs.iter().map(|(_, text)| *text).collect();
        let images = ScaledFeatures::new(&data.images, &image_rows, settings.image_power);
        let token_table = TokenTable::new(data, &text_rows);
        // Token ids must not be normalized.
        let texts = match token_table {
            Some(_) => ScaledFeatures { normalizer: Normalizer::identity(data.texts.cols()), matrix: &data.texts },
            None => ScaledFeatures::new(&data.texts, &text_rows, 1.0),
        };
        let fingerprint = fingerprint(data, settings, encoders);
        Self { data, settings, encoders, images, texts, token_table, pairs, device, fingerprint }
    }

    /// Training pairs of a head: (row of the image, row of the caption) for every caption of the training split. The
    /// class head uses those of labelled items only.
    pub(crate) fn pairs(&self, head: Head) -> Vec<(usize, usize)> {
        let of_head = |(item, _): &&(usize, usize)| head == Head::Pair || !self.data.labels[*item].is_empty();
        self.pairs.iter().filter(of_head).copied().collect()
    }

    /// A model of these heads that is not calibrated yet.
    pub(crate) fn model(&self, heads: Vec<TrainedHead>) -> Model {
        let origin = Origin {
            classes: self.data.classes.clone(),
            encoders: self.encoders.clone(),
            settings: self.settings.clone(),
            images: self.images.normalizer.clone(),
            texts: self.texts.normalizer.clone(),
            vocabulary: self.token_table.as_ref().map(|table| table.vocabulary.clone()),
        };
        Model::new(origin, heads)
    }
}
