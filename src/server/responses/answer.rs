//! The answer to a query.

use std::{collections::BTreeMap, sync::Arc};

use serde::Serialize;
use utoipa::ToSchema;

use super::item::ItemFields;
use crate::{
    engine::{Answer, ExcludedCounts, Hit, Kind, PredictedLabel, Target, Timings},
    index::Strategy,
};

/// The answer to a query.
#[derive(Serialize, ToSchema)]
pub(crate) struct AnswerView {
    /// As in the header X-Request-Id.
    request_id: String,
    /// The model that answered.
    model: String,
    /// The index that answered.
    index_generation: u64,
    query: QueryView,
    /// Results of this page, best first.
    results: Vec<ResultView>,
    /// How many results there are on all pages.
    total: usize,
    /// Whether even the best result is probably not relevant.
    no_confident_match: bool,
    filtered: ExcludedCounts,
    #[serde(skip_serializing_if = "Option::is_none")]
    facets: Option<FacetsView>,
    /// Leads to the next page, for ten minutes.
    next_cursor: Option<String>,
    took_ms: Timings,
    strategy: Strategy,
    /// Whether the collection holds what the index that answered does not, such as what `diptych import` took in beside the
    /// service. A reindex mends that.
    partial: bool,
}

/// What the query was taken for.
#[derive(Serialize, ToSchema)]
struct QueryView {
    /// From what to what, such as `text_to_image`.
    direction: String,
    /// The part of its tokens that the encoder does not know.
    unknown_token_ratio: f32,
    /// Classes that it seems to belong to, most probable first.
    predicted_labels: Vec<PredictedLabel>,
}

/// A result.
#[derive(Serialize, ToSchema)]
struct ResultView {
    /// Its place in the whole answer, from 1.
    rank: usize,
    kind: Kind,
    #[serde(flatten)]
    item: ItemFields,
    /// Cosine with the query, from -1 to 1.
    score: f32,
    /// Calibrated probability that it is relevant.
    relevance: f32,
    /// A caption's text.
    #[serde(skip_serializing_if = "Option::is_none")]
    text: Option<String>,
    /// A caption's place among those of its item, from 0.
    #[serde(skip_serializing_if = "Option::is_none")]
    caption: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    explain: Option<Explanation>,
}

/// How a result was found.
#[derive(Serialize, ToSchema)]
struct Explanation {
    vector: ByVector,
    /// Null unless keywords brought it in.
    keyword: Option<ByKeywords>,
}

/// Its place by the common space.
#[derive(Serialize, ToSchema)]
struct ByVector {
    cosine: f32,
    /// From 1; null if keywords alone brought it in.
    rank: Option<usize>,
}

/// Its place by keywords.
#[derive(Serialize, ToSchema)]
struct ByKeywords {
    /// From 1.
    rank: usize,
    /// Words of the query that its item holds.
    matched: Vec<String>,
}

/// Counts of results, or of items, by what they have.
#[derive(Serialize, ToSchema)]
pub(crate) struct FacetsView {
    /// Classes with how many bear them.
    label: LabelCounts,
}

/// Classes with how many bear them.
pub(crate) type LabelCounts = BTreeMap<String, u64>;

impl From<LabelCounts> for FacetsView {
    fn from(label: LabelCounts) -> Self {
        Self { label }
    }
}

impl AnswerView {
    pub(crate) fn new(answer: Answer, request_id: String, explain: bool) -> Self {
        let direction = direction(answer.source, answer.target);
        Self {
            request_id,
            model: answer.model,
            index_generation: answer.generation,
            query: QueryView {
                direction,
                unknown_token_ratio: answer.unknown_token_ratio,
                predicted_labels: answer.predicted_labels,
            },
            results: answer.results.into_iter().map(|found| ResultView::new(found, explain)).collect(),
            total: answer.total,
            no_confident_match: answer.no_confident_match,
            filtered: answer.excluded,
            facets: answer.facets.map(|labels| {
                labels.into_iter().map(|(label, count)| (label, count as u64)).collect::<LabelCounts>().into()
            }),
            next_cursor: answer.next_cursor,
            took_ms: answer.took,
            strategy: answer.strategy,
            partial: answer.partial,
        }
    }
}

impl ResultView {
    fn new(found: Hit, explain: bool) -> Self {
        let Hit { score, relevance, rank, vector_rank, keyword_rank, matched, item, caption } = found;
        let text = caption.and_then(|position| item.captions.get(position)).map(|caption| caption.text.clone());
        let explanation = || Explanation {
            vector: ByVector { cosine: score, rank: vector_rank },
            keyword: keyword_rank.map(|rank| ByKeywords { rank, matched }),
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

/// `text_to_image` and its like.
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
