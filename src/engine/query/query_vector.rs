//! From words, a picture or an item to the point of the common space that a query asks with.

use std::{sync::Arc, time::Duration};

use serde::Serialize;

use crate::{
    catalog::Item,
    core::UnitVector,
    engine::{error::EngineError, query::request::Kind, serving::snapshot::Generation},
    index::{Neighbours, VectorIndex},
    model::Asked,
};

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

/// A query that went through its encoder and its subnetwork.
#[derive(Debug, Clone)]
pub(in crate::engine) struct EncodedQuery {
    /// What it was.
    pub(in crate::engine) source: Kind,
    /// What the model made of it.
    pub(in crate::engine) asked: Arc<Asked>,
    /// The part of its tokens that nobody knows; 0 for a picture.
    pub(in crate::engine) unknown_token_ratio: f32,
    /// What is near it, of those kinds that were scanned on the way.
    pub(in crate::engine) near: Vec<(Kind, Neighbours)>,
    pub(in crate::engine) spent: StageTimes,
}

/// Where a term's time went, encoding aside.
#[derive(Debug, Clone, Copy, Default)]
pub(in crate::engine) struct StageTimes {
    /// Waiting for the encoder.
    pub(in crate::engine) waited: Duration,
    /// Scanning on the way.
    pub(in crate::engine) searched: Duration,
}

/// What a query asks with.
#[derive(Debug, Clone)]
pub(in crate::engine) struct QueryVector {
    /// Its modality; of several, that which weighs most.
    pub(in crate::engine) source: Kind,
    pub(in crate::engine) point: UnitVector,
    /// The part of its tokens that nobody knows.
    pub(in crate::engine) unknown_token_ratio: f32,
    /// Classes that it seems to belong to, most probable first.
    pub(in crate::engine) predicted_labels: Vec<PredictedLabel>,
    /// What is near it, of those kinds that are known already.
    pub(in crate::engine) near: Vec<(Kind, Neighbours)>,
    /// The key of the item that it is, which is no answer to itself.
    pub(in crate::engine) own_item: Option<i64>,
}

impl QueryVector {
    /// That of one term.
    pub(in crate::engine) fn of(generation: &Generation, encoded: EncodedQuery) -> Self {
        let EncodedQuery { source, asked, unknown_token_ratio, near, .. } = encoded;
        let predicted_labels = classes(generation, &asked, PREDICTED_LABELS);
        Self { source, point: asked.point.clone(), unknown_token_ratio, predicted_labels, near, own_item: None }
    }

    /// An item: its picture if it has one, else its first caption.
    pub(in crate::engine) fn of_item(generation: &Generation, item: &Item) -> Result<Self, EngineError> {
        let picture = generation.images.get(item.key.cast_unsigned()).map(|point| (Kind::Image, point));
        let captions = item.captions.iter().filter_map(|caption| generation.texts.get(caption.key.cast_unsigned()));
        let (source, point) =
            picture.or_else(|| captions.map(|point| (Kind::Text, point)).next()).ok_or_else(|| {
                EngineError::BadQuery {
                    field: "item".into(),
                    reason: format!("{:?} has no point in the common space yet, so nothing can be near it", item.id),
                }
            })?;
        let own_item = Some(item.key);
        Ok(Self { source, point, unknown_token_ratio: 0.0, predicted_labels: Vec::new(), near: Vec::new(), own_item })
    }

    /// Several, each times its weight; negative weights lead away.
    pub(in crate::engine) fn composed(terms: Vec<(Self, f32)>) -> Result<Self, EngineError> {
        let refuse = |reason: &str| EngineError::BadQuery { field: "terms".into(), reason: reason.into() };
        let heaviest = terms.iter().max_by(|a, b| a.1.total_cmp(&b.1)).filter(|(_, weight)| *weight > 0.0);
        let (heaviest, _) = heaviest.ok_or_else(|| refuse("at least one weight is above 0"))?;
        let mut sum = vec![0f32; heaviest.point.dims()];
        for (term, weight) in &terms {
            sum.iter_mut().zip(term.point.as_slice()).for_each(|(sum, x)| *sum += weight * x);
        }
        let point =
            UnitVector::new(sum, heaviest.point.dims()).map_err(|_| refuse("the terms cancel each other out"))?;
        let unknown = terms.iter().map(|(term, _)| term.unknown_token_ratio).fold(0.0, f32::max);
        Ok(Self { point, unknown_token_ratio: unknown, near: Vec::new(), ..heaviest.clone() })
    }
}

/// How probable classes are, the most probable first, at most so many.
pub(in crate::engine) fn classes(generation: &Generation, asked: &Asked, most: usize) -> Vec<PredictedLabel> {
    let mut labels: Vec<(&String, f32)> =
        generation.model.classes().iter().zip(asked.probabilities.iter().copied()).collect();
    labels.sort_by(|a, b| b.1.total_cmp(&a.1));
    labels.truncate(most);
    labels.into_iter().map(|(label, probability)| PredictedLabel { label: label.clone(), probability }).collect()
}
