//! Responses of searches.

use std::{collections::BTreeMap, sync::Arc};

use serde::Serialize;
use utoipa::ToSchema;

use super::item::ItemFields;
use crate::{
    engine::{self, Answer, ExcludedCounts, Hit, Kind, Target, Timings},
    index::Strategy,
};

/// Results of a search.
#[derive(Serialize, ToSchema)]
pub(crate) struct SearchResponse {
    /// As in the header X-Request-Id.
    request_id: String,
    /// The model that answered.
    model: String,
    /// The index that answered.
    index_generation: u64,
    query: QueryInfo,
    /// Results of this page, most relevant first.
    results: Vec<SearchResult>,
    /// Results on all pages.
    total: usize,
    /// Whether even the first result is probably not relevant.
    no_confident_match: bool,
    filtered: ExcludedCounts,
    #[serde(skip_serializing_if = "Option::is_none")]
    facets: Option<FacetCounts>,
    /// Fetches the next page; valid for ten minutes. Null on the last page.
    next_cursor: Option<String>,
    took_ms: Timings,
    strategy: Strategy,
    /// Whether the collection has changes that the index lacks, such as those of `diptych import` next to a running
    /// service. A reindex includes them.
    partial: bool,
}

/// How the query was understood.
#[derive(Serialize, ToSchema)]
struct QueryInfo {
    /// Kinds of the query and of the results, such as `text_to_image`.
    direction: String,
    /// Fraction of the query's tokens that the text encoder does not know.
    unknown_token_ratio: f32,
    /// Labels that the query probably has, most probable first.
    predicted_labels: Vec<PredictedLabel>,
}

/// A label with its probability.
#[derive(Serialize, ToSchema)]
pub(crate) struct PredictedLabel {
    label: String,
    /// Probability of the label, from 0 to 1.
    probability: f32,
}

/// A result.
#[derive(Serialize, ToSchema)]
struct SearchResult {
    /// Position among all results, from 1.
    rank: usize,
    kind: Kind,
    #[serde(flatten)]
    item: ItemFields,
    /// Cosine similarity with the query, from -1 to 1.
    score: f32,
    /// Calibrated probability that the result is relevant.
    relevance: f32,
    /// The caption, if the result is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    text: Option<String>,
    /// Position of the caption among those of its item, from 0.
    #[serde(skip_serializing_if = "Option::is_none")]
    caption: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    explain: Option<Explanation>,
}

/// How a result was found.
#[derive(Serialize, ToSchema)]
struct Explanation {
    vector: VectorEvidence,
    /// Null unless the result is among those of the keyword ranking.
    keyword: Option<KeywordEvidence>,
}

/// Position in the vector ranking.
#[derive(Serialize, ToSchema)]
struct VectorEvidence {
    cosine: f32,
    /// From 1; null if only the keyword ranking has the result.
    rank: Option<usize>,
}

/// Position in the keyword ranking.
#[derive(Serialize, ToSchema)]
struct KeywordEvidence {
    /// From 1.
    rank: usize,
    /// Words of the query that the item has.
    matched: Vec<String>,
}

/// Counts by field and value.
#[derive(Serialize, ToSchema)]
pub(crate) struct FacetCounts {
    /// Results or items by label.
    label: BTreeMap<String, u64>,
}

impl FromIterator<(String, u64)> for FacetCounts {
    fn from_iter<I: IntoIterator<Item = (String, u64)>>(labels: I) -> Self {
        Self { label: labels.into_iter().collect() }
    }
}

impl SearchResponse {
    pub(crate) fn new(answer: Answer, request_id: String, explain: bool) -> Self {
        Self {
            request_id,
            model: answer.model,
            index_generation: answer.generation,
            query: QueryInfo {
                direction: direction(answer.source, answer.target),
                unknown_token_ratio: answer.unknown_token_ratio,
                predicted_labels: answer.predicted_labels.into_iter().map(PredictedLabel::from).collect(),
            },
            results: answer.results.into_iter().map(|hit| SearchResult::new(hit, explain)).collect(),
            total: answer.total,
            no_confident_match: answer.no_confident_match,
            filtered: answer.excluded,
            facets: answer
                .facets
                .map(|labels| labels.into_iter().map(|(label, count)| (label, count as u64)).collect()),
            next_cursor: answer.next_cursor,
            took_ms: answer.took,
            strategy: answer.strategy,
            partial: answer.partial,
        }
    }
}

impl SearchResult {
    fn new(hit: Hit, explain: bool) -> Self {
        let Hit { score, relevance, rank, vector_rank, keyword_rank, matched, item, caption } = hit;
        let text = caption.and_then(|position| item.captions.get(position)).map(|caption| caption.text.clone());
        let explanation = || Explanation {
            vector: VectorEvidence { cosine: score, rank: vector_rank },
            keyword: keyword_rank.map(|rank| KeywordEvidence { rank, matched }),
        };
        Self {
            rank,
            kind: if caption.is_some() { Kind::Text } else { Kind::Image },
            item: ItemFields::from(Arc::unwrap_or_clone(item)),
            score,
            relevance,
            text,
            caption,
            explain: explain.then(explanation),
        }
    }
}

impl From<engine::PredictedLabel> for PredictedLabel {
    fn from(engine::PredictedLabel { label, probability }: engine::PredictedLabel) -> Self {
        Self { label, probability }
    }
}

/// Kinds of a query and of its results, such as `text_to_image`.
fn direction(source: Kind, target: Target) -> String {
    let source = match source {
        Kind::Image => "image",
        Kind::Text => "text",
    };
    let target = match target {
        Target::Image => "image",
        Target::Text => "text",
        Target::Any => "any",
    };
    format!("{source}_to_{target}")
}
