//! Responses to queries.

use std::{collections::BTreeMap, sync::Arc};

use serde::Serialize;
use utoipa::ToSchema;

use super::request::{Kind, Target};
use crate::{catalog::Item, index::Strategy};

pub use crate::evaluation::Direction;

/// A predicted class of a query.
#[derive(Debug, Clone, PartialEq)]
pub struct PredictedLabel {
    /// The class.
    pub label: String,
    /// Its probability by the label layer, in [0, 1].
    pub probability: f32,
}

/// A result.
#[derive(Debug, Clone)]
pub struct Hit {
    /// Cosine with the query, in [-1, 1].
    pub score: f32,
    /// Calibrated probability of being relevant.
    pub relevance: f32,
    /// Rank among all results, from 1.
    pub rank: usize,
    /// Rank in the vector ranking, from 1, if it is part of it.
    pub vector_rank: Option<usize>,
    /// Rank in the keyword ranking, from 1, if it is part of it.
    pub keyword_rank: Option<usize>,
    /// Words of the query that the item has, in a hybrid search.
    pub matched: Vec<String>,
    /// The item.
    pub item: Arc<Item>,
    /// For a caption: its position among the item's captions.
    pub caption: Option<usize>,
}

/// Milliseconds that the stages of a search took.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, ToSchema)]
pub struct Timings {
    /// All stages.
    pub total: f64,
    /// Waiting for the encoder.
    pub queue: f64,
    /// Encoding texts and images as vectors; close to 0 for cached texts.
    pub encode: f64,
    /// Searching the index.
    pub search: f64,
    /// Loading the items.
    pub hydrate: f64,
}

/// Candidates that are not results.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = FilteredCounts)]
pub struct ExcludedCounts {
    /// Less relevant than `min_relevance`.
    pub below_threshold: usize,
    /// Deleted since they were indexed.
    pub deleted: usize,
}

/// A page of results, and the fields that all pages share.
#[derive(Debug, Clone)]
pub struct Answer {
    /// The version of the model.
    pub model: String,
    /// The generation of the index.
    pub generation: u64,
    /// The modality of the query.
    pub source: Kind,
    /// The requested modality of the results.
    pub target: Target,
    /// The fraction of the query's tokens that are unknown, in [0, 1]; 0 for a picture.
    pub unknown_token_ratio: f32,
    /// Predicted classes of the query, most probable first.
    pub predicted_labels: Vec<PredictedLabel>,
    /// Results of this page, best first.
    pub results: Vec<Hit>,
    /// The number of results on all pages.
    pub total: usize,
    /// Numbers of candidates that are not results.
    pub excluded: ExcludedCounts,
    /// Labels of all results with the number of results that have them, if requested.
    pub facets: Option<BTreeMap<String, usize>>,
    /// Whether even the best result is probably not relevant.
    pub no_confident_match: bool,
    /// The cursor of the next page, if there is one.
    pub next_cursor: Option<String>,
    /// Durations of the stages.
    pub took: Timings,
    /// How the index was searched.
    pub strategy: Strategy,
    /// Whether the collection has changes that the index had not applied yet.
    pub partial: bool,
}
