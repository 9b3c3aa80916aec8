//! Retrieves candidates from the vector index of each requested modality, and from the keyword index.

use std::{collections::HashMap, sync::Arc};

use super::{
    embedding::Origin,
    vector_search::{VectorQuery, VectorSearch},
};
use crate::{
    catalog::{Catalog, Filter},
    engine::{Direction, EngineError, Kind, Query, ServingSnapshot},
    index::{SearchResult, Strategy},
    model::QueryEmbedding,
};

/// The maximum number of candidates of the keyword index.
const KEYWORD_CANDIDATES: u32 = 100;

/// A candidate, whose item has not been loaded.
#[derive(Debug, Clone)]
pub(super) struct Candidate {
    pub(super) kind: Kind,
    /// The key of an item or of a caption.
    pub(super) key: i64,
    /// The key of the item that it is, or belongs to. Set for captions by [`super::dedupe`].
    pub(super) item: i64,
    /// Cosine with the query.
    pub(super) score: f32,
    /// Calibrated probability of being relevant.
    pub(super) relevance: f32,
    /// Rank in the vector ranking, from 1, if it is part of it. Set by [`super::fuse`].
    pub(super) vector_rank: Option<usize>,
    /// Rank in the keyword ranking, from 1, if it is part of it.
    pub(super) keyword_rank: Option<usize>,
}

/// Candidates in no particular order, and how the first index was searched.
///
/// The number of candidates does not depend on the requested number of results, so that a shorter page is a prefix of a
/// longer one.
pub(super) async fn retrieve(
    search: &VectorSearch,
    catalog: &Catalog,
    snapshot: &Arc<ServingSnapshot>,
    (embedding, origin): (&QueryEmbedding, Origin),
    query: &Query,
    keywords: Option<&str>,
) -> Result<(Vec<Candidate>, Strategy), EngineError> {
    let mut candidates = Vec::new();
    let mut strategy = None;
    for &kind in query.target.kinds() {
        let allowed = allowed_keys(catalog, &query.filter, kind).await?;
        let filter = allowed.as_ref().map(|keys| keys.iter().map(|key| key.cast_unsigned()).collect());
        let vector_query = VectorQuery {
            snapshot: Arc::clone(snapshot),
            kind,
            vector: embedding.point.clone(),
            exact: query.exact,
            ef: query.ef,
            filter,
        };
        let SearchResult { hits, strategy: used } = search.search(vector_query, query.deadline).await?;
        strategy.get_or_insert(used);
        let (direction, calibration) = (direction(origin.source, kind), snapshot.model.calibration());
        let candidate = |key: i64, score: f32| Candidate {
            kind,
            key,
            item: key,
            score,
            relevance: calibration.relevance(direction, score),
            vector_rank: None,
            keyword_rank: None,
        };
        let mut position = HashMap::new();
        for hit in hits {
            position.insert(hit.key, candidates.len());
            candidates.push(Candidate { vector_rank: Some(0), ..candidate(hit.key.cast_signed(), hit.score) });
        }
        let Some(keywords) = keywords else { continue };
        let keys = match kind {
            Kind::Image => catalog.search_items(keywords, allowed.as_deref(), KEYWORD_CANDIDATES).await?,
            Kind::Text => catalog.search_captions(keywords, allowed.as_deref(), KEYWORD_CANDIDATES).await?,
        };
        for (key, rank) in keys.into_iter().zip(1..) {
            match position.get(&key.cast_unsigned()) {
                Some(&at) => candidates[at].keyword_rank = Some(rank),
                None => {
                    // Without a vector its relevance is unknown.
                    let Some(vector) = snapshot.indexes.vector(kind, key) else { continue };
                    let score = embedding.point.cosine(&vector);
                    candidates.push(Candidate { keyword_rank: Some(rank), ..candidate(key, score) });
                }
            }
        }
    }
    Ok((candidates, strategy.unwrap_or(Strategy::Exact)))
}

fn direction(source: Kind, kind: Kind) -> Direction {
    match (source, kind) {
        (Kind::Text, Kind::Image) => Direction::TextToImage,
        (Kind::Image, Kind::Text) => Direction::ImageToText,
        (Kind::Image, Kind::Image) => Direction::ImageToImage,
        (Kind::Text, Kind::Text) => Direction::TextToText,
    }
}

/// The keys that match a filter; `None` if all do.
async fn allowed_keys(catalog: &Catalog, filter: &Filter, kind: Kind) -> Result<Option<Vec<i64>>, EngineError> {
    if filter.is_empty() {
        return Ok(None);
    }
    Ok(Some(match kind {
        Kind::Image => catalog.image_keys_matching(filter).await?,
        Kind::Text => catalog.caption_keys_matching(filter).await?,
    }))
}
