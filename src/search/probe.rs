//! From words, a picture or an item to the point of the common space that a query asks with.

use serde::Serialize;

use super::{Generation, Kind, SearchError};
use crate::{catalog::Item, dscmr::FeatureMatrix, index::VectorIndex, vector::UnitVector};

/// Labels that an answer predicts for its query.
const PREDICTED_LABELS: usize = 3;

/// A class that a query seems to belong to.
#[derive(Debug, Clone, PartialEq, Serialize, utoipa::ToSchema)]
pub struct PredictedLabel {
    /// The class.
    pub label: String,
    /// How sure the label layer is, in [0, 1].
    pub probability: f32,
}

/// A query that went through its encoder.
#[derive(Debug, Clone)]
pub(super) struct Encoded {
    /// What it was.
    pub(super) source: Kind,
    /// The encoder's features, `[d]`.
    pub(super) features: Vec<f32>,
    /// The part of its tokens that the encoder does not know; 0 for a picture.
    pub(super) unknown_token_ratio: f32,
}

/// What a query asks with.
#[derive(Debug, Clone)]
pub(super) struct Probe {
    /// Its modality; of several, that which weighs most.
    pub(super) source: Kind,
    pub(super) point: UnitVector,
    /// The part of its tokens that nobody knows.
    pub(super) unknown_token_ratio: f32,
    /// Classes that it seems to belong to, most probable first.
    pub(super) predicted_labels: Vec<PredictedLabel>,
    /// The key of the item that it is, which is no answer to itself.
    pub(super) own_item: Option<i64>,
}

impl Probe {
    /// Through the live model.
    pub(super) fn of(generation: &Generation, encoded: Encoded) -> Result<Self, SearchError> {
        let Encoded { source, features, unknown_token_ratio } = encoded;
        let model = &generation.model;
        let unknown_token_ratio = match source {
            Kind::Text => model.unknown_token_ratio(&features).unwrap_or(unknown_token_ratio),
            Kind::Image => unknown_token_ratio,
        };
        let matrix = one_row(features)?;
        let mut points = match source {
            Kind::Image => model.embed_images(&matrix)?,
            Kind::Text => model.embed_texts(&matrix)?,
        };
        let point = points.pop().ok_or_else(no_point)?;
        let mut predicted_labels = classes(generation, source, &matrix)?;
        predicted_labels.truncate(PREDICTED_LABELS);
        Ok(Self { source, point, unknown_token_ratio, predicted_labels, own_item: None })
    }

    /// An item: its picture if it has one, else its first caption.
    pub(super) fn of_item(generation: &Generation, item: &Item) -> Result<Self, SearchError> {
        let picture = generation.images.get(item.key.cast_unsigned()).map(|point| (Kind::Image, point));
        let captions = item.captions.iter().filter_map(|caption| generation.texts.get(caption.key.cast_unsigned()));
        let (source, point) =
            picture.or_else(|| captions.map(|point| (Kind::Text, point)).next()).ok_or_else(|| {
                SearchError::BadQuery {
                    field: "item".into(),
                    reason: format!("{:?} has no point in the common space yet, so nothing can be near it", item.id),
                }
            })?;
        let own_item = Some(item.key);
        Ok(Self { source, point, unknown_token_ratio: 0.0, predicted_labels: Vec::new(), own_item })
    }

    /// Several, each times its weight; negative weights lead away.
    pub(super) fn composed(terms: Vec<(Self, f32)>) -> Result<Self, SearchError> {
        let refuse = |reason: &str| SearchError::BadQuery { field: "terms".into(), reason: reason.into() };
        let heaviest = terms.iter().max_by(|a, b| a.1.total_cmp(&b.1)).filter(|(_, weight)| *weight > 0.0);
        let (heaviest, _) = heaviest.ok_or_else(|| refuse("at least one weight is above 0"))?;
        let mut sum = vec![0f32; heaviest.point.dims()];
        for (term, weight) in &terms {
            sum.iter_mut().zip(term.point.as_slice()).for_each(|(sum, x)| *sum += weight * x);
        }
        let point =
            UnitVector::new(sum, heaviest.point.dims()).map_err(|_| refuse("the terms cancel each other out"))?;
        let unknown = terms.iter().map(|(term, _)| term.unknown_token_ratio).fold(0.0, f32::max);
        Ok(Self { point, unknown_token_ratio: unknown, ..heaviest.clone() })
    }
}

/// How probable each class is, most probable first.
pub(super) fn classes(
    generation: &Generation,
    source: Kind,
    features: &FeatureMatrix,
) -> Result<Vec<PredictedLabel>, SearchError> {
    let model = &generation.model;
    let mut probabilities = match source {
        Kind::Image => model.classify_images(features)?,
        Kind::Text => model.classify_texts(features)?,
    };
    let probabilities = probabilities.pop().ok_or_else(no_point)?;
    let labels = model.classes().iter().zip(probabilities);
    let mut labels: Vec<PredictedLabel> =
        labels.map(|(label, probability)| PredictedLabel { label: label.clone(), probability }).collect();
    labels.sort_by(|a, b| b.probability.total_cmp(&a.probability));
    Ok(labels)
}

/// One vector of features as a matrix.
pub(super) fn one_row(features: Vec<f32>) -> Result<FeatureMatrix, SearchError> {
    FeatureMatrix::new(features.len(), features)
        .ok_or_else(|| SearchError::Background("an encoder gave features of length 0".into()))
}

fn no_point() -> SearchError {
    SearchError::Background("the model gave no point for its input".into())
}
