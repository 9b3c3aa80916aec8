//! Combines the terms of a query into one vector of the common space.

use super::{request::Kind, response::PredictedLabel, validate::bad_query};
use crate::{
    catalog::Item,
    core::UnitVector,
    engine::{error::EngineError, serving::ServingSnapshot},
    model::QueryEmbedding,
};

/// Origin of an embedded query.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Origin {
    /// Its modality; of several terms, that of the one with the largest weight.
    pub(super) source: Kind,
    /// The key of the item that is the query, which is excluded from the results.
    pub(super) own_item: Option<i64>,
}

impl Origin {
    pub(super) fn new(source: Kind) -> Self {
        Self { source, own_item: None }
    }
}

/// The vector of an item: that of its picture if it has one, else that of its first caption.
pub(super) fn embed_item(snapshot: &ServingSnapshot, item: &Item) -> Result<(QueryEmbedding, Origin), EngineError> {
    let picture = snapshot.indexes.vector(Kind::Image, item.key).map(|point| (Kind::Image, point));
    let captions = item.captions.iter().filter_map(|caption| snapshot.indexes.vector(Kind::Text, caption.key));
    let (source, point) = picture.or_else(|| captions.map(|point| (Kind::Text, point)).next()).ok_or_else(|| {
        let reason = format!("{:?} has no vector in the common space yet, so nothing can be similar to it", item.id);
        bad_query("item", reason)
    })?;
    let embedding = QueryEmbedding { point, probabilities: Vec::new(), unknown_token_ratio: None };
    Ok((embedding, Origin { source, own_item: Some(item.key) }))
}

/// One embedding for several terms: the normalised sum of `weight × vector`. Classes and origin are those of the term
/// with the largest weight, which must be positive.
pub(super) fn weighted_sum(
    terms: Vec<((QueryEmbedding, Origin), f32)>,
) -> Result<(QueryEmbedding, Origin), EngineError> {
    let refuse = |reason: &str| bad_query("terms", reason.into());
    let heaviest = terms.iter().max_by(|a, b| a.1.total_cmp(&b.1)).filter(|(_, weight)| *weight > 0.0);
    let ((heaviest, origin), _) = heaviest.ok_or_else(|| refuse("at least one weight has to be above 0"))?;
    let mut sum = vec![0f32; heaviest.point.dims()];
    for ((term, _), weight) in &terms {
        sum.iter_mut().zip(term.point.as_slice()).for_each(|(sum, x)| *sum += weight * x);
    }
    let point = UnitVector::new(sum, heaviest.point.dims()).map_err(|_| refuse("the terms cancel each other out"))?;
    let unknown = terms.iter().filter_map(|((term, _), _)| term.unknown_token_ratio).reduce(f32::max);
    Ok((QueryEmbedding { point, probabilities: heaviest.probabilities.clone(), unknown_token_ratio: unknown }, *origin))
}

/// The classes of an embedding, most probable first, at most `count`. Empty for an item, whose classes are known.
pub(super) fn predicted_labels(
    snapshot: &ServingSnapshot,
    embedding: &QueryEmbedding,
    count: usize,
) -> Vec<PredictedLabel> {
    let mut labels: Vec<(&String, f32)> =
        snapshot.model.classes().iter().zip(embedding.probabilities.iter().copied()).collect();
    labels.sort_by(|a, b| b.1.total_cmp(&a.1));
    labels.truncate(count);
    labels.into_iter().map(|(label, probability)| PredictedLabel { label: label.clone(), probability }).collect()
}
