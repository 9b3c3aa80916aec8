//! Learning a common space: its parts one after the other, then the weight of each, then what its cosines mean.

use std::{collections::BTreeSet, fmt, path::Path, sync::atomic::AtomicBool};

use candle_core::{Device, Tensor};
use serde::{Deserialize, Serialize};

use super::{checkpoint::fingerprint, epoch_loop::Run};
use crate::{
    dataset::Split,
    model::{
        DscmrError, FeatureMatrix, Model, Objective, Part, Quality, Terms, TrainSettings, TrainingData,
        dscmr::network::tensor,
        evaluate::{split_embeddings::Points, split_evaluation::calibrate},
        heads::{Learned, weigh},
        normalizer::Standardisation,
        text_cnn::{SentenceShape, Vocabulary},
        trained_model::Origin,
    },
};

/// One pass over the training split.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Epoch {
    /// What was learned.
    pub part: Part,
    /// Its number, from 1 in each part.
    pub epoch: usize,
    /// The loss of its batches, mean over pairs: J for the class part, the contrast for the pair part.
    pub total: f64,
    /// The terms of J.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub terms: Option<Terms>,
    /// How good this part alone is on the validation split.
    pub validation: Quality,
    /// How long it took. Not part of what a model is, so that equal trainings are equal.
    #[serde(skip)]
    pub seconds: f64,
}

/// What a training tells of itself.
#[derive(Debug, Clone, Copy)]
pub enum Event<'a> {
    /// A part begins, or goes on where it was interrupted.
    Part {
        /// Which one.
        part: Part,
        /// Epochs that are done already.
        done: usize,
        /// Epochs that it takes at most.
        most: usize,
    },
    /// An epoch is over.
    Epoch(&'a Epoch),
}

impl Epoch {
    /// By what the best epoch of a part is chosen: mAP for classes, mR for pairs.
    pub(crate) fn score(&self) -> f64 {
        match self.part {
            Part::Class => self.validation.map(),
            Part::Pair => self.validation.mean_recall,
        }
    }
}

impl fmt::Display for Epoch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} part, epoch {:>3}  ", self.part.name(), self.epoch)?;
        match self.terms {
            Some(Terms { j1, j2, j3 }) => write!(f, "J {:.4}  J1 {j1:.4}  J2 {j2:.4}  J3 {j3:.4}", self.total)?,
            None => write!(f, "loss {:.4}", self.total)?,
        }
        let Quality { map_image_to_text, map_text_to_image, mean_recall } = self.validation;
        write!(f, "  validation mAP {map_image_to_text:.4} / {map_text_to_image:.4}  mR {mean_recall:.2}  ")?;
        write!(f, "{:.1} s", self.seconds)
    }
}

/// Learns a common space from the training split of `data`, choosing epochs and the parts' weights on its validation split.
/// The test split is not looked at. `encoders` are the ids of the encoders that made the features, `report` hears of each
/// part and epoch, and `stop` ends the training within a batch.
///
/// With a `checkpoints` folder the training is kept there every ten seconds, after each part and when it is stopped; a later
/// call with the same data and settings goes on from there and ends with the same weights.
///
/// # Errors
/// [`DscmrError::NotEnough`], [`DscmrError::NotFinite`], [`DscmrError::Settings`], [`DscmrError::Device`],
/// [`DscmrError::Stopped`]; or if a checkpoint cannot be written.
pub fn train(
    data: &TrainingData,
    settings: &TrainSettings,
    encoders: &(String, String),
    checkpoints: Option<&Path>,
    stop: &AtomicBool,
    report: &mut dyn FnMut(Event<'_>),
) -> Result<Model, DscmrError> {
    settings.check()?;
    check(data)?;
    let (device, computer) = settings.device.open()?;
    let settings = &TrainSettings { device, ..settings.clone() };
    let inputs = Inputs::new(data, settings, encoders, computer);
    let mut learn = |part| Run::begin(&inputs, part, checkpoints)?.learn(checkpoints, stop, report);
    let mut parts = vec![learn(Part::Class)?];
    if settings.objective == Objective::ClassAndPair {
        let pair = learn(Part::Pair)?;
        let points = |part: &Learned| Points::of_validation(&inputs.model(vec![part.clone()]), data);
        let weight = weigh(&points(&parts[0])?, &points(&pair)?, settings.pair.keep);
        // A part without weight would only make points longer.
        if weight < 1.0 {
            parts[0].weight = weight;
            parts.push(Learned { weight: 1.0 - weight, ..pair });
        }
    }
    let mut model = inputs.model(parts);
    calibrate(&mut model, data)?;
    Ok(model)
}

fn check(data: &TrainingData) -> Result<(), DscmrError> {
    let refuse = |reason: String| Err(DscmrError::NotEnough(reason));
    if data.classes.len() < 2 {
        let found = data.classes.first().map_or("no class".to_owned(), |class| format!("the one class {class:?}"));
        return refuse(format!(
            "a training tells classes apart and needs at least two, but the collection has {found}; label more items"
        ));
    }
    if let Some(item) = (0..data.splits.len()).find(|&i| data.splits[i] != Split::Train && data.labels[i].is_empty()) {
        return refuse(format!(
            "item {item} of the {} split has no class, so nothing can be measured by it",
            data.splits[item].name()
        ));
    }
    let labelled =
        |split| (0..data.splits.len()).filter(move |&i| data.splits[i] == split && !data.labels[i].is_empty());
    if labelled(Split::Train).count() < 2 {
        let found = labelled(Split::Train).count();
        return refuse(format!("the training split has {found} labelled items; at least 2 are needed"));
    }
    if labelled(Split::Validation).next().is_none() {
        return refuse(
            "the validation split is empty, so no epoch can be chosen; give each class at least three items, or name a \
             validation split"
                .into(),
        );
    }
    for (what, matrix) in [("picture", &data.images), ("sentence", &data.texts)] {
        if let Some(row) = (0..matrix.rows()).find(|&row| matrix.row(row).iter().any(|x| !x.is_finite())) {
            return Err(DscmrError::NotFinite { what, row });
        }
    }
    Ok(())
}

/// What all parts learn from.
pub(crate) struct Inputs<'a> {
    pub(crate) data: &'a TrainingData,
    pub(crate) settings: &'a TrainSettings,
    encoders: &'a (String, String),
    pub(crate) images: Features<'a>,
    pub(crate) texts: Features<'a>,
    /// Where sentences come as tokens.
    pub(crate) words: Option<Words>,
    /// (picture's row, caption's row) of every caption of the training split.
    pairs: Vec<(usize, usize)>,
    /// Where steps are taken.
    pub(crate) device: Device,
    /// Names data and settings.
    pub(crate) fingerprint: String,
}

/// The tokens that a training knows.
pub(crate) struct Words {
    pub(crate) vocabulary: Vocabulary,
    /// What they mean at first, `[tokens, dims]`.
    pub(crate) embeddings: Vec<f32>,
    /// Length of a sentence's features.
    features: usize,
    /// Length of an embedding.
    dims: usize,
}

impl Words {
    fn of(data: &TrainingData, rows: &[usize]) -> Option<Self> {
        let embeddings = data.token_embeddings.as_ref()?;
        let (vocabulary, table) = Vocabulary::of(&data.texts, rows, embeddings);
        Some(Self { vocabulary, embeddings: table, features: data.texts.cols(), dims: embeddings.dims })
    }

    pub(crate) fn shape(&self) -> SentenceShape {
        SentenceShape { features: self.features, tokens: self.vocabulary.len(), embedding: self.dims }
    }
}

/// Features that are standardised as they are taken: a second copy of all of them would be the largest thing in memory.
pub(crate) struct Features<'a> {
    scale: Standardisation,
    matrix: &'a FeatureMatrix,
}

impl<'a> Features<'a> {
    fn new(matrix: &'a FeatureMatrix, learned_from: &[usize], power: f64) -> Self {
        Self { scale: Standardisation::measure(matrix, learned_from, power), matrix }
    }

    /// Some rows, standardised, in the order given.
    pub(crate) fn take(&self, rows: impl ExactSizeIterator<Item = usize>) -> Result<Tensor, DscmrError> {
        let shape = (rows.len(), self.matrix.cols());
        Ok(tensor(self.scale.apply(self.matrix, rows), shape)?)
    }
}

impl<'a> Inputs<'a> {
    fn new(
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
        // Each picture counts once, however many captions it has.
        let image_rows: Vec<usize> = pairs.iter().map(|(item, _)| *item).collect::<BTreeSet<_>>().into_iter().collect();
        let text_rows: Vec<usize> = pairs.iter().map(|(_, text)| *text).collect();
        let images = Features::new(&data.images, &image_rows, settings.image_power);
        let words = Words::of(data, &text_rows);
        // Tokens are what they are.
        let texts = match words {
            Some(_) => Features { scale: Standardisation::none(data.texts.cols()), matrix: &data.texts },
            None => Features::new(&data.texts, &text_rows, 1.0),
        };
        let fingerprint = fingerprint(data, settings, encoders);
        Self { data, settings, encoders, images, texts, words, pairs, device, fingerprint }
    }

    /// What a part learns from: (picture's row, caption's row) of every caption of the training split, for the class part of
    /// labelled items alone.
    pub(crate) fn pairs(&self, part: Part) -> Vec<(usize, usize)> {
        let of_part = |(item, _): &&(usize, usize)| part == Part::Pair || !self.data.labels[*item].is_empty();
        self.pairs.iter().filter(of_part).copied().collect()
    }

    /// A space of these parts, without calibration.
    pub(crate) fn model(&self, parts: Vec<Learned>) -> Model {
        let origin = Origin {
            classes: self.data.classes.clone(),
            encoders: self.encoders.clone(),
            settings: self.settings.clone(),
            images: self.images.scale.clone(),
            texts: self.texts.scale.clone(),
            vocabulary: self.words.as_ref().map(|words| words.vocabulary.clone()),
        };
        Model::new(origin, parts)
    }
}
