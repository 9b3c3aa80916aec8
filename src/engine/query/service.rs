//! Query API of a running collection.
//!
//! A query is embedded; its candidates are retrieved by vectors and keywords, fused into one ranking, and deduplicated.
//! The complete ranking is stored for its cursor, and a page of it is hydrated.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use futures_util::future::try_join_all;

use super::{
    ItemCache, bad_query, check_filter,
    cursors::{CursorStore, cursor},
    dedupe::dedupe,
    embedding::{Origin, embed_item, predicted_labels, weighted_sum},
    facets::count_labels,
    fuse::fuse,
    ranking::{Ranking, ms},
    retrieve::retrieve,
    text_encoder::BatchedTextEncoder,
    validate::{check_limit, check_query, check_text},
    vector_search::VectorSearch,
};
use crate::{
    catalog::{Catalog, Filter, LabelCount, Watermark},
    collection::{Collection, Encoders, encode_one},
    compute::WorkerPool,
    config::Limits,
    core::UnitVector,
    dataset::{self, PictureLimits},
    encoders::ImageEncoder,
    engine::{
        Answer, EngineError, ExcludedCounts, Kind, PredictedLabel, Query, QueryCache, Serving, ServingSnapshot, Term,
        Timings, metrics,
    },
    model::{FeatureMatrix, QueryEmbedding},
};

/// Inputs of a request that are encoded at the same time: enough to fill a batch of the encoder, and few enough to
/// leave room in the queue for others.
const CONCURRENT_INPUTS: usize = 16;

/// The number of labels that are predicted for a query.
const PREDICTED_LABELS: usize = 3;

/// If the relevance of the best result is below this, no match is confident.
const CONFIDENCE_THRESHOLD: f32 = 0.5;

/// Answers queries from the live snapshot.
pub struct QueryService {
    catalog: Catalog,
    picture_limits: PictureLimits,
    limits: Limits,
    serving: Arc<Serving>,
    image_encoder: Arc<dyn ImageEncoder>,
    image_workers: Arc<WorkerPool>,
    text_encoder: BatchedTextEncoder,
    vector_search: VectorSearch,
    items: ItemCache,
    cursors: CursorStore,
}

impl std::fmt::Debug for QueryService {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("QueryService").field("limits", &self.limits).finish_non_exhaustive()
    }
}

impl QueryService {
    pub(in crate::engine) fn start(
        collection: &Collection,
        encoders: &Encoders,
        limits: Limits,
        serving: Arc<Serving>,
        image_workers: Arc<WorkerPool>,
        query_cache: Arc<QueryCache>,
    ) -> std::io::Result<Self> {
        Ok(Self {
            catalog: collection.catalog.clone(),
            picture_limits: collection.limits,
            limits,
            serving,
            image_encoder: Arc::clone(&encoders.image),
            image_workers,
            text_encoder: BatchedTextEncoder::start(Arc::clone(&encoders.text), limits.queue, query_cache)?,
            vector_search: VectorSearch::start()?,
            items: ItemCache::new(collection.catalog.clone()),
            cursors: CursorStore::default(),
        })
    }

    /// Returns the first page of results of a query.
    ///
    /// # Errors
    /// [`EngineError::BadQuery`], [`EngineError::BadFilter`], [`EngineError::NoSuchItem`] for a query that is not
    /// valid; [`EngineError::Starting`], [`EngineError::Overloaded`], [`EngineError::TimedOut`]; or if a picture cannot
    /// be decoded, there is no model, or an operation fails.
    pub async fn search(&self, mut query: Query) -> Result<Answer, EngineError> {
        check_query(&self.catalog, &self.limits, &query).await?;
        let snapshot = self.serving.ready().await?;
        let began = Instant::now();
        let keywords = query.keywords().filter(|_| query.keyword_weight > 0.0);
        // Read before the search, so that the indexes are at least as new.
        let applied = snapshot.applied_watermark();
        let (embedding, origin, waited) =
            self.embed_terms(&snapshot, std::mem::take(&mut query.terms), query.deadline).await?;
        let (total, queue) = (ms(began), waited.as_secs_f64() * 1000.0);
        let took = Timings { total, queue, encode: (total - queue).max(0.0), ..Timings::default() };
        let ranking = self.rank(&snapshot, (embedding, origin), &query, keywords.as_deref(), applied, took).await?;
        let (mut answer, next) = ranking.page(&self.items, 0, query.limit).await?;
        metrics::record_stages(&answer.took);
        if next < ranking.len() {
            answer.next_cursor = Some(cursor(self.cursors.store(Arc::new(ranking)), next));
        }
        Ok(answer)
    }

    /// The page that a cursor points to.
    ///
    /// # Errors
    /// [`EngineError::BadQuery`] for a text that is not a cursor, [`EngineError::CursorExpired`]; or if the catalog
    /// fails.
    pub async fn next_page(&self, at: &str, limit: usize) -> Result<Answer, EngineError> {
        check_limit(&self.limits, limit)?;
        let (ranking, name, begin) = self.cursors.find(at)?;
        let (mut answer, next) = ranking.page(&self.items, begin, limit).await?;
        answer.next_cursor = (next < ranking.len()).then(|| cursor(name, next));
        Ok(answer)
    }

    /// The probability of each class for a text or a picture, most probable first, and the version of the model.
    ///
    /// # Errors
    /// Same as [`Self::search`]; [`EngineError::BadQuery`] for an item.
    pub async fn classify(&self, term: Term) -> Result<(String, Vec<PredictedLabel>), EngineError> {
        if matches!(term, Term::Item(_)) {
            return Err(bad_query("item", "only a text or a picture can be classified".into()));
        }
        let snapshot = self.serving.ready().await?;
        let (embedding, ..) = self.embed_term(&snapshot, term, None).await?;
        Ok((snapshot.record.version.clone(), predicted_labels(&snapshot, &embedding, usize::MAX)))
    }

    /// The vectors of texts, pictures or items, and the version of the model whose space they are in.
    ///
    /// # Errors
    /// Same as [`Self::search`].
    pub async fn embed(&self, terms: Vec<Term>) -> Result<(String, Vec<UnitVector>), EngineError> {
        if terms.len() > self.limits.max_results {
            let reason = format!("there are {}; the maximum is {}", terms.len(), self.limits.max_results);
            return Err(bad_query("inputs", reason));
        }
        let snapshot = self.serving.ready().await?;
        let mut vectors = Vec::with_capacity(terms.len());
        let mut terms = terms.into_iter().peekable();
        while terms.peek().is_some() {
            let some = terms.by_ref().take(CONCURRENT_INPUTS).map(|term| self.embed_term(&snapshot, term, None));
            vectors.extend(try_join_all(some).await?.into_iter().map(|(embedding, ..)| embedding.point));
        }
        Ok((snapshot.record.version.clone(), vectors))
    }

    /// Labels of the items that match a filter with the number of items that have them, most frequent first.
    ///
    /// # Errors
    /// [`EngineError::BadFilter`] for a field that no item has; or if the catalog fails.
    pub async fn facets(&self, filter: &Filter) -> Result<Vec<LabelCount>, EngineError> {
        check_filter(&self.catalog, filter).await?;
        Ok(self.catalog.label_counts(filter).await?)
    }

    /// Exports the lengths of queues and the size of the query cache.
    pub(in crate::engine) fn export_metrics(&self) {
        metrics::export_queues(self.text_encoder.waiting(), self.image_workers.waiting());
    }

    /// One embedding for all terms, and the longest time that a term waited for its encoder.
    async fn embed_terms(
        &self,
        snapshot: &Arc<ServingSnapshot>,
        terms: Vec<(Term, f32)>,
        deadline: Option<Instant>,
    ) -> Result<(QueryEmbedding, Origin, Duration), EngineError> {
        let weights: Vec<f32> = terms.iter().map(|(_, weight)| *weight).collect();
        let embedded = terms.into_iter().map(|(term, _)| self.embed_term(snapshot, term, deadline));
        let mut embedded = try_join_all(embedded).await?;
        if let [weight] = weights[..]
            && weight > 0.0
        {
            return Ok(embedded.remove(0));
        }
        let waited = embedded.iter().map(|(.., waited)| *waited).max().unwrap_or_default();
        let terms = embedded.into_iter().map(|(embedding, origin, _)| (embedding, origin)).zip(weights).collect();
        let (embedding, origin) = weighted_sum(terms)?;
        Ok((embedding, origin, waited))
    }

    /// The embedding of a term, and how long it waited for its encoder.
    async fn embed_term(
        &self,
        snapshot: &Arc<ServingSnapshot>,
        term: Term,
        deadline: Option<Instant>,
    ) -> Result<(QueryEmbedding, Origin, Duration), EngineError> {
        match term {
            Term::Item(id) => {
                let item = self.catalog.item(&id).await?.ok_or(EngineError::NoSuchItem(id))?;
                let (embedding, origin) = embed_item(snapshot, &item)?;
                Ok((embedding, origin, Duration::ZERO))
            }
            Term::Text(text) => {
                let text = check_text(&self.limits, &text)?;
                let (embedding, waited) = self.text_encoder.embed(text, snapshot, deadline).await?;
                Ok((embedding, Origin::new(Kind::Text), waited))
            }
            Term::Picture(bytes) => {
                let (embedding, waited) = self.embed_picture(snapshot, bytes, deadline).await?;
                Ok((embedding, Origin::new(Kind::Image), waited))
            }
        }
    }

    async fn embed_picture(
        &self,
        snapshot: &Arc<ServingSnapshot>,
        bytes: Vec<u8>,
        deadline: Option<Instant>,
    ) -> Result<(QueryEmbedding, Duration), EngineError> {
        let limits = self.picture_limits;
        // Most invalid pictures are detected by their header, without using a slot in the encoder's queue.
        dataset::inspect(&bytes, &limits)?;
        let (encoder, snapshot) = (Arc::clone(&self.image_encoder), Arc::clone(snapshot));
        let embed = move || -> Result<QueryEmbedding, EngineError> {
            let picture = dataset::decode(&bytes, &limits)?.picture;
            let features = encode_one(encoder.as_ref(), picture)?;
            let row = FeatureMatrix::new(features.len(), features);
            let row = row.ok_or_else(|| EngineError::internal("a picture has no features"))?;
            let embedding = snapshot.model.embed_image_queries(&row)?.pop();
            embedding.ok_or_else(|| EngineError::internal("the model returned no embedding for a picture"))
        };
        let done = self.image_workers.run(deadline, embed).await?;
        Ok((done.output?, done.waited))
    }

    /// All results in order. `applied` is the watermark of the indexes before they are searched, `took` the durations
    /// so far.
    async fn rank(
        &self,
        snapshot: &Arc<ServingSnapshot>,
        (embedding, origin): (QueryEmbedding, Origin),
        query: &Query,
        keywords: Option<&str>,
        applied: Watermark,
        took: Timings,
    ) -> Result<Ranking, EngineError> {
        let searching = Instant::now();
        let embedded = (&embedding, origin);
        let (mut candidates, strategy) =
            retrieve(&self.vector_search, &self.catalog, snapshot, embedded, query, keywords).await?;
        fuse(&mut candidates, query.target, keywords.map(|_| query.keyword_weight));
        let search = ms(searching);

        let hydrating = Instant::now();
        let retrieved = candidates.len();
        candidates.retain(|candidate| query.min_relevance.is_none_or(|min| candidate.relevance >= min));
        let below_threshold = retrieved - candidates.len();
        let deleted = dedupe(&self.items, &mut candidates, applied, origin.own_item).await?;
        let facets = if query.facets { Some(count_labels(&self.catalog, &candidates).await?) } else { None };
        let best = candidates.iter().map(|candidate| candidate.relevance).fold(0.0, f32::max);
        let head = Answer {
            model: snapshot.record.version.clone(),
            generation: snapshot.number,
            source: origin.source,
            target: query.target,
            unknown_token_ratio: embedding.unknown_token_ratio.unwrap_or(0.0),
            predicted_labels: predicted_labels(snapshot, &embedding, PREDICTED_LABELS),
            results: Vec::new(),
            total: candidates.len(),
            excluded: ExcludedCounts { below_threshold, deleted },
            facets,
            no_confident_match: best < CONFIDENCE_THRESHOLD,
            next_cursor: None,
            partial: self.items.latest_watermark().await? > applied,
            took: Timings { total: took.total + ms(searching), search, hydrate: ms(hydrating), ..took },
            strategy,
        };
        Ok(Ranking::new(head, candidates, keywords))
    }
}
