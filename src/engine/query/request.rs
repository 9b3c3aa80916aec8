//! A query and its answer, as whoever asks sees them.

use std::{collections::BTreeMap, sync::Arc, time::Instant};

use serde::Serialize;

use crate::{
    catalog::{Filter, Item},
    index::Strategy,
};

pub use crate::engine::query::query_vector::PredictedLabel;
pub use crate::model::Direction;

/// What a result, or a query, is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// A picture.
    Image,
    /// Words: a caption, or what somebody typed.
    Text,
}

/// What is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Target {
    /// Pictures.
    Image,
    /// Captions.
    Text,
    /// Both, by how probably they are relevant.
    Any,
}

impl Target {
    pub(in crate::engine) fn kinds(self) -> &'static [Kind] {
        match self {
            Self::Image => &[Kind::Image],
            Self::Text => &[Kind::Text],
            Self::Any => &[Kind::Image, Kind::Text],
        }
    }
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
    /// Candidates that a walk through the graph keeps.
    pub ef: Option<usize>,
    /// Which items may be in the answer.
    pub filter: Filter,
    /// How much the ranking by the query's words counts beside that by the common space, in [0, 1].
    pub keyword_weight: f32,
    /// Count the classes of all results.
    pub facets: bool,
    /// When an answer is worth nothing any more. What has not begun by then does not begin.
    pub deadline: Option<Instant>,
}

impl Query {
    /// The best `limit` results of a kind, without further wishes.
    pub fn top(target: Target, limit: usize) -> Self {
        Self {
            target,
            limit,
            min_relevance: None,
            exact: false,
            ef: None,
            filter: Filter::default(),
            keyword_weight: 0.0,
            facets: false,
            deadline: None,
        }
    }
}

/// A result.
#[derive(Debug, Clone)]
pub struct Hit {
    /// Cosine with the query, in [-1, 1].
    pub score: f32,
    /// Calibrated probability that it is relevant.
    pub relevance: f32,
    /// Its place in the whole answer, from 1.
    pub rank: usize,
    /// Its place in the ranking by the common space alone, from 1, if that brought it in.
    pub vector_rank: Option<usize>,
    /// Its place in the ranking by keywords alone, from 1, if that brought it in.
    pub keyword_rank: Option<usize>,
    /// The query's words that its item holds, if keywords were asked for.
    pub matched: Vec<String>,
    /// The item.
    pub item: Arc<Item>,
    /// For a caption: its place among the item's captions.
    pub caption: Option<usize>,
}

/// Milliseconds that the parts of an answer took.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, utoipa::ToSchema)]
pub struct Timings {
    /// All of it.
    pub total: f64,
    /// Waiting for the encoder.
    pub queue: f64,
    /// From words or pixels to a point of the common space; next to nothing for words that were asked a while ago.
    pub encode: f64,
    /// From the point to keys.
    pub search: f64,
    /// From keys to what is known of them.
    pub hydrate: f64,
}

/// Candidates that are no results, by why.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct ExcludedCounts {
    /// They are less probably relevant than `min_relevance` asks.
    pub below_threshold: usize,
    /// They are no longer in the collection.
    pub deleted: usize,
}

/// An answer.
#[derive(Debug, Clone)]
pub struct Answer {
    /// The model that answered.
    pub model: String,
    /// The generation that answered.
    pub generation: u64,
    /// What the query was.
    pub source: Kind,
    /// What was wanted.
    pub target: Target,
    /// The part of the query's tokens that nobody knows; 0 for a picture.
    pub unknown_token_ratio: f32,
    /// Classes that the query seems to belong to, most probable first.
    pub predicted_labels: Vec<PredictedLabel>,
    /// Results of this page, best first.
    pub results: Vec<Hit>,
    /// How many of the candidates are results, on all pages.
    pub total: usize,
    /// How many are not, and why.
    pub left_out: ExcludedCounts,
    /// Classes of all results with how many bear them, if that was asked for.
    pub facets: Option<BTreeMap<String, usize>>,
    /// Whether even the best result is probably not relevant.
    pub no_confident_match: bool,
    /// Where the next page is found, if there is one.
    pub next_cursor: Option<String>,
    /// Where the time went.
    pub took: Timings,
    /// How the index found it.
    pub strategy: Strategy,
    /// Whether the collection has changed and the index that answered has not come that far.
    pub partial: bool,
}
