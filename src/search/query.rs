//! One query and its answer.
//!
//! How many candidates the index is asked for does not depend on how many the caller wants: a longer page must begin like
//! a shorter one. Captions that read the same are one result, for nobody wants "a piece of farmland" forty times.

use std::{collections::HashSet, time::Instant};

use serde::Serialize;

use super::{Generation, SearchError};
use crate::{
    catalog::{Catalog, Item},
    dscmr::FeatureMatrix,
    index::{Hit, KeySet, Neighbours, SearchParams, Strategy, VectorIndex},
    vector::UnitVector,
};

pub use crate::dscmr::Direction;

/// Neighbours that the index is asked for.
const CANDIDATES: usize = 200;

/// Labels that an answer predicts for its query.
const PREDICTED_LABELS: usize = 3;

/// Below this probability of the best result, an answer says that it found nothing that it would vouch for.
const CONFIDENT: f32 = 0.5;

/// What is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Target {
    /// Pictures.
    Image,
    /// Captions.
    Text,
}

/// Which items may be in an answer.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Filter {
    /// For each of these lists: the item bears at least one of its classes.
    pub any_of: Vec<Vec<String>>,
}

/// How a query wants to be answered.
#[derive(Debug, Clone, PartialEq)]
pub struct Query {
    /// What is wanted.
    pub target: Target,
    /// How many results, at most.
    pub limit: usize,
    /// Results below this probability are left out.
    pub min_relevance: Option<f32>,
    /// Look at every point, whatever the index.
    pub exact: bool,
    /// Which items may be in the answer.
    pub filter: Filter,
}

/// A class that the query seems to belong to.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct PredictedLabel {
    /// The class.
    pub label: String,
    /// How sure the label layer is, in [0, 1].
    pub probability: f32,
}

/// A result.
#[derive(Debug, Clone)]
pub struct Found {
    /// Cosine with the query, in [-1, 1].
    pub score: f32,
    /// Calibrated probability that it is relevant.
    pub relevance: f32,
    /// The item.
    pub item: Item,
    /// For a caption: its place among the item's captions.
    pub caption: Option<usize>,
}

/// Milliseconds that the parts of an answer took.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize)]
pub struct Timings {
    /// All of it.
    pub total: f64,
    /// From words or pixels to a point of the common space.
    pub encode: f64,
    /// From the point to keys.
    pub search: f64,
    /// From keys to what is known of them.
    pub hydrate: f64,
}

/// An answer.
#[derive(Debug, Clone)]
pub struct Answer {
    /// The model that answered.
    pub model: String,
    /// The generation that answered.
    pub generation: u64,
    /// From which modality to which.
    pub direction: Direction,
    /// The part of the query's tokens that the encoder does not know; 0 for a picture.
    pub unknown_token_ratio: f32,
    /// Classes that the query seems to belong to, most probable first.
    pub predicted_labels: Vec<PredictedLabel>,
    /// Results, best first.
    pub results: Vec<Found>,
    /// How many of the candidates are left after `min_relevance` and after equal captions became one.
    pub total: usize,
    /// Whether even the best result is probably not relevant.
    pub no_confident_match: bool,
    /// Where the time went.
    pub took: Timings,
    /// How the index found it.
    pub strategy: Strategy,
}

/// A query that went through its encoder.
#[derive(Debug, Clone)]
pub(super) struct Encoded {
    /// Where it came from.
    pub(super) source: Target,
    /// The encoder's features, `[d]`.
    pub(super) features: Vec<f32>,
    /// As in [`Answer`].
    pub(super) unknown_token_ratio: f32,
}

struct Placed {
    point: UnitVector,
    predicted_labels: Vec<PredictedLabel>,
}

/// Answers an encoded query from one generation. `encode_ms` is how long the encoder took.
pub(super) async fn answer(
    generation: &Generation,
    catalog: &Catalog,
    encoded: Encoded,
    query: Query,
    encode_ms: f64,
) -> Result<Answer, SearchError> {
    let began = Instant::now();
    let Encoded { source, features, unknown_token_ratio } = encoded;
    let unknown_token_ratio = match source {
        Target::Text => generation.model.unknown_token_ratio(&features).unwrap_or(unknown_token_ratio),
        Target::Image => unknown_token_ratio,
    };
    let placed = place(generation, source, features)?;
    let encode = encode_ms + ms(began);
    let direction = direction(source, query.target);

    let searching = Instant::now();
    let index = match query.target {
        Target::Image => &generation.images,
        Target::Text => &generation.texts,
    };
    let allowed = allowed(catalog, &query).await?;
    let params = SearchParams { exact: query.exact, filter: allowed.as_ref(), ..SearchParams::top(CANDIDATES) };
    let Neighbours { hits, strategy } = index.search(&placed.point, &params)?;
    let search = ms(searching);

    let hydrating = Instant::now();
    let scored = hits.into_iter().map(|hit| (hit, generation.model.calibration().relevance(direction, hit.score)));
    let scored: Vec<(Hit, f32)> = scored.filter(|(_, r)| query.min_relevance.is_none_or(|min| *r >= min)).collect();
    let (results, total) = hydrate(catalog, scored, &query).await?;
    let hydrate = ms(hydrating);

    Ok(Answer {
        model: generation.record.version.clone(),
        generation: generation.number,
        direction,
        unknown_token_ratio,
        predicted_labels: placed.predicted_labels,
        no_confident_match: results.first().is_none_or(|best| best.relevance < CONFIDENT),
        results,
        total,
        took: Timings { total: encode_ms + ms(began), encode, search, hydrate },
        strategy,
    })
}

fn ms(since: Instant) -> f64 {
    since.elapsed().as_secs_f64() * 1000.0
}

fn direction(source: Target, target: Target) -> Direction {
    match (source, target) {
        (Target::Text, Target::Image) => Direction::TextToImage,
        (Target::Image, Target::Text) => Direction::ImageToText,
        (Target::Image, Target::Image) => Direction::ImageToImage,
        (Target::Text, Target::Text) => Direction::TextToText,
    }
}

/// From features to a point of the common space and to classes.
fn place(generation: &Generation, source: Target, features: Vec<f32>) -> Result<Placed, SearchError> {
    let cols = features.len();
    let matrix = FeatureMatrix::new(cols, features)
        .ok_or_else(|| SearchError::Background("an encoder gave features of length 0".into()))?;
    let model = &generation.model;
    let (mut points, mut probabilities) = match source {
        Target::Image => (model.embed_images(&matrix)?, model.classify_images(&matrix)?),
        Target::Text => (model.embed_texts(&matrix)?, model.classify_texts(&matrix)?),
    };
    let (Some(point), Some(probabilities)) = (points.pop(), probabilities.pop()) else {
        return Err(SearchError::Background("the model gave no point for its input".into()));
    };
    let mut predicted_labels: Vec<PredictedLabel> = model
        .classes()
        .iter()
        .zip(probabilities)
        .map(|(label, probability)| PredictedLabel { label: label.clone(), probability })
        .collect();
    predicted_labels.sort_by(|a, b| b.probability.total_cmp(&a.probability));
    predicted_labels.truncate(PREDICTED_LABELS);
    Ok(Placed { point, predicted_labels })
}

/// Keys of all that the filter lets through; `None` if it lets everything through.
async fn allowed(catalog: &Catalog, query: &Query) -> Result<Option<KeySet>, SearchError> {
    let mut allowed: Option<KeySet> = None;
    for labels in &query.filter.any_of {
        let keys = match query.target {
            Target::Image => catalog.items_with_labels(labels).await?,
            Target::Text => catalog.captions_with_labels(labels).await?,
        };
        let keys: KeySet = keys.into_iter().map(i64::cast_unsigned).collect();
        allowed = Some(match allowed {
            Some(before) => before & keys,
            None => keys,
        });
    }
    Ok(allowed)
}

/// Fills in what the catalog knows of the hits. A hit whose item is gone since the index was built is left out.
async fn hydrate(
    catalog: &Catalog,
    scored: Vec<(Hit, f32)>,
    query: &Query,
) -> Result<(Vec<Found>, usize), SearchError> {
    let keys: Vec<i64> = scored.iter().map(|(hit, _)| hit.key.cast_signed()).collect();
    // (item, caption) of each hit that still exists.
    let places: Vec<Option<(i64, Option<i64>)>> = match query.target {
        Target::Image => keys.iter().map(|&key| Some((key, None))).collect(),
        Target::Text => {
            let items = catalog.caption_items(&keys).await?;
            keys.iter().map(|key| items.get(key).map(|&item| (item, Some(*key)))).collect()
        }
    };
    let items: Vec<i64> = places.iter().flatten().map(|(item, _)| *item).collect();
    let items = catalog.items(&items).await?;

    let mut results = Vec::new();
    let mut total = 0;
    let mut seen = HashSet::new();
    for ((hit, relevance), place) in scored.into_iter().zip(places) {
        let Some((item, caption)) = place.and_then(|(item, caption)| Some((items.get(&item)?, caption))) else {
            continue;
        };
        let caption = match caption {
            Some(key) => match item.captions.iter().position(|c| c.key == key) {
                Some(position) if seen.insert(item.captions[position].text.as_str()) => Some(position),
                _ => continue,
            },
            None => None,
        };
        total += 1;
        if results.len() < query.limit {
            results.push(Found { score: hit.score, relevance, item: item.clone(), caption });
        }
    }
    Ok((results, total))
}
