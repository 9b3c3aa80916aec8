//! From a point to the ranking of what is near it, and from that to a page.
//!
//! How many candidates the index is asked for does not depend on how many the caller wants: a longer page must begin like
//! a shorter one. Captions that read the same are one result, for nobody wants "a piece of farmland" forty times.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    sync::Arc,
    time::Instant,
};

use crate::{
    catalog::{Catalog, Filter, Item, Watermark, tokenize},
    engine::{
        error::EngineError,
        query::{
            item_cache::ItemCache,
            query_vector::QueryVector,
            request::{Answer, Direction, ExcludedCounts, Hit, Kind, Query, Target, Timings},
        },
        serving::snapshot::Generation,
    },
    index::{KeySet, LiveIndex, Neighbours, SearchParams, Strategy, VectorIndex},
};

/// Neighbours that the index is asked for.
pub(in crate::engine) const CANDIDATES: usize = 200;

/// Items that keywords may bring in.
const KEYWORD_CANDIDATES: u32 = 100;

/// k of reciprocal rank fusion, as its authors chose it (Cormack, Clarke and Büttcher, SIGIR 2009).
const RRF_K: f32 = 60.0;

/// Below this probability of the best result, an answer says that it found nothing that it would vouch for.
const CONFIDENCE_THRESHOLD: f32 = 0.5;

/// All results of a query, in order, with what an answer says beside them.
#[derive(Debug)]
pub(in crate::engine) struct Ranking {
    /// All but results and times.
    head: Answer,
    ranked: Vec<Ranked>,
    /// The query's words, if keywords counted.
    words: Vec<String>,
}

/// A result before anything but its place is known of it.
#[derive(Debug, Clone)]
struct Ranked {
    kind: Kind,
    /// The key of an item or of a caption.
    key: i64,
    /// The key of the item that it is, or is of.
    item: i64,
    score: f32,
    relevance: f32,
    vector_rank: Option<usize>,
    keyword_rank: Option<usize>,
}

impl Ranked {
    /// Its item, and for a caption its place among the item's. `None` if it is gone.
    fn found_in<'i>(&self, items: &'i HashMap<i64, Arc<Item>>) -> Option<(&'i Arc<Item>, Option<usize>)> {
        let item = items.get(&self.item)?;
        match self.kind {
            Kind::Image => item.content_hash.is_some().then_some((item, None)),
            Kind::Text => Some((item, Some(item.captions.iter().position(|caption| caption.key == self.key)?))),
        }
    }

    /// By reciprocal rank fusion.
    fn fused(&self, keyword_weight: f32) -> f32 {
        let part = |weight: f32, rank: Option<usize>| rank.map_or(0.0, |rank| weight / (RRF_K + rank as f32));
        part(1.0 - keyword_weight, self.vector_rank) + part(keyword_weight, self.keyword_rank)
    }
}

/// Ranks what is near a probe. `text` holds the query's words, `came_to` is how far the indexes had come before anything was
/// searched, `took` says how long it took until now.
pub(in crate::engine) async fn rank(
    generation: &Generation,
    shown: &ItemCache,
    mut probe: QueryVector,
    text: Option<&str>,
    query: &Query,
    came_to: Watermark,
    took: Timings,
) -> Result<Ranking, EngineError> {
    let began = Instant::now();
    let catalog = shown.catalog();
    let text = text.filter(|_| query.keyword_weight > 0.0);
    let mut ranked = Vec::new();
    let mut strategy = Strategy::Exact;
    for &kind in query.target.kinds() {
        let allowed = allowed(catalog, &query.filter, kind).await?;
        let index = index_of(generation, kind);
        let filter: Option<KeySet> = allowed.as_ref().map(|keys| keys.iter().map(|key| key.cast_unsigned()).collect());
        let params =
            SearchParams { exact: query.exact, ef: query.ef, filter: filter.as_ref(), ..SearchParams::top(CANDIDATES) };
        let near = probe.near.iter().position(|(near, _)| *near == kind).map(|at| probe.near.swap_remove(at).1);
        let Neighbours { hits, strategy: found_by } = match near {
            Some(near) => near,
            None => index.search(&probe.point, &params)?,
        };
        strategy = if ranked.is_empty() { found_by } else { strategy };
        let direction = direction(probe.source, kind);
        let calibration = generation.model.calibration();
        let placed = |key: i64, score: f32| Ranked {
            kind,
            key,
            item: key,
            score,
            relevance: calibration.relevance(direction, score),
            vector_rank: None,
            keyword_rank: None,
        };
        let mut known = HashMap::new();
        for hit in hits {
            known.insert(hit.key, ranked.len());
            ranked.push(Ranked { vector_rank: Some(0), ..placed(hit.key.cast_signed(), hit.score) });
        }
        let Some(text) = text else { continue };
        let keys = match kind {
            Kind::Image => catalog.search_items(text, allowed.as_deref(), KEYWORD_CANDIDATES).await?,
            Kind::Text => catalog.search_captions(text, allowed.as_deref(), KEYWORD_CANDIDATES).await?,
        };
        for (key, rank) in keys.into_iter().zip(1..) {
            match known.get(&key.cast_unsigned()) {
                Some(&at) => ranked[at].keyword_rank = Some(rank),
                // What has no point yet cannot be told how relevant it is.
                None => {
                    let Some(point) = index.get(key.cast_unsigned()) else { continue };
                    ranked.push(Ranked { keyword_rank: Some(rank), ..placed(key, probe.point.cosine(&point)) });
                }
            }
        }
    }
    // Two kinds have calibrations of their own, so it is their relevance that compares.
    let nearer = |a: &Ranked, b: &Ranked| match query.target {
        Target::Any => b.relevance.total_cmp(&a.relevance).then(b.score.total_cmp(&a.score)),
        _ => b.score.total_cmp(&a.score),
    };
    ranked.sort_by(nearer);
    ranked.iter_mut().filter(|r| r.vector_rank.is_some()).zip(1..).for_each(|(r, rank)| r.vector_rank = Some(rank));
    if text.is_some() {
        let fused = |r: &Ranked| r.fused(query.keyword_weight);
        ranked.sort_by(|a, b| fused(b).total_cmp(&fused(a)).then_with(|| nearer(a, b)));
    }
    let search = ms(began);

    let hydrating = Instant::now();
    let mut left_out = ExcludedCounts::default();
    let before = ranked.len();
    ranked.retain(|r| query.min_relevance.is_none_or(|min| r.relevance >= min));
    left_out.below_threshold = before - ranked.len();
    distinct(shown, &mut ranked, &mut left_out, came_to, probe.own_item).await?;
    let facets = if query.facets { Some(facets(catalog, &ranked).await?) } else { None };
    let best = ranked.iter().map(|r| r.relevance).fold(0.0, f32::max);
    let head = Answer {
        model: generation.record.version.clone(),
        generation: generation.number,
        source: probe.source,
        target: query.target,
        unknown_token_ratio: probe.unknown_token_ratio,
        predicted_labels: probe.predicted_labels,
        results: Vec::new(),
        total: ranked.len(),
        left_out,
        facets,
        no_confident_match: best < CONFIDENCE_THRESHOLD,
        next_cursor: None,
        partial: shown.latest_watermark().await? > came_to,
        took: Timings { total: took.total + ms(began), search: took.search + search, hydrate: ms(hydrating), ..took },
        strategy,
    };
    Ok(Ranking { head, ranked, words: text.map(tokenize).unwrap_or_default() })
}

impl Ranking {
    pub(in crate::engine) fn len(&self) -> usize {
        self.ranked.len()
    }

    /// The query's words that an item holds.
    fn matched(&self, item: &Item) -> Vec<String> {
        if self.words.is_empty() {
            return Vec::new();
        }
        let said = item.captions.iter().map(|caption| &caption.text).chain(&item.labels).chain([&item.id]);
        let said: HashSet<String> = said.flat_map(|text| tokenize(text)).collect();
        self.words.iter().filter(|word| said.contains(*word)).cloned().collect()
    }

    /// The page that begins at a place, and the place after it. What has gone since is passed over.
    pub(in crate::engine) async fn page(
        &self,
        shown: &ItemCache,
        begin: usize,
        limit: usize,
    ) -> Result<(Answer, usize), EngineError> {
        let began = Instant::now();
        let mut results = Vec::new();
        let mut next = begin.min(self.ranked.len());
        while results.len() < limit && next < self.ranked.len() {
            let some = &self.ranked[next..self.ranked.len().min(next + limit - results.len())];
            let items = shown.items(&some.iter().map(|r| r.item).collect::<Vec<i64>>()).await?;
            for (ranked, rank) in some.iter().zip(next + 1..) {
                let Some((item, caption)) = ranked.found_in(&items) else { continue };
                let Ranked { score, relevance, vector_rank, keyword_rank, .. } = *ranked;
                let matched = self.matched(item);
                results.push(Hit {
                    score,
                    relevance,
                    rank,
                    vector_rank,
                    keyword_rank,
                    matched,
                    item: Arc::clone(item),
                    caption,
                });
            }
            next += some.len();
        }
        let mut answer = Answer { results, ..self.head.clone() };
        let took = ms(began);
        if begin > 0 {
            answer.took = Timings { total: took, hydrate: took, ..Timings::default() };
        } else {
            answer.took.hydrate += took;
            answer.took.total += took;
        }
        Ok((answer, next))
    }
}

pub(in crate::engine) fn ms(since: Instant) -> f64 {
    since.elapsed().as_secs_f64() * 1000.0
}

pub(in crate::engine) fn index_of(generation: &Generation, kind: Kind) -> &LiveIndex {
    match kind {
        Kind::Image => &generation.images,
        Kind::Text => &generation.texts,
    }
}

fn direction(source: Kind, kind: Kind) -> Direction {
    match (source, kind) {
        (Kind::Text, Kind::Image) => Direction::TextToImage,
        (Kind::Image, Kind::Text) => Direction::ImageToText,
        (Kind::Image, Kind::Image) => Direction::ImageToImage,
        (Kind::Text, Kind::Text) => Direction::TextToText,
    }
}

/// Keys of all that a filter lets through; `None` if it lets everything through.
async fn allowed(catalog: &Catalog, filter: &Filter, kind: Kind) -> Result<Option<Vec<i64>>, EngineError> {
    if filter.is_empty() {
        return Ok(None);
    }
    Ok(Some(match kind {
        Kind::Image => catalog.image_keys_matching(filter).await?,
        Kind::Text => catalog.caption_keys_matching(filter).await?,
    }))
}

/// Leaves one of each: captions that read the same are one result, and what is gone or the query itself is none. Asks for no
/// more than that takes: most candidates are on a page that nobody looks at.
async fn distinct(
    shown: &ItemCache,
    ranked: &mut Vec<Ranked>,
    left_out: &mut ExcludedCounts,
    came_to: Watermark,
    own_item: Option<i64>,
) -> Result<(), EngineError> {
    let keys = |kind| -> Vec<i64> { ranked.iter().filter(|r| r.kind == kind).map(|r| r.key).collect() };
    // An index that has come as far as the catalog holds what that does.
    let pictures = keys(Kind::Image);
    let gone = if pictures.is_empty() || shown.latest_watermark().await? <= came_to {
        HashSet::new()
    } else {
        shown.catalog().keys_without_image(&pictures).await?
    };
    let captions = shown.catalog().captions_by_key(&keys(Kind::Text)).await?;
    let mut seen = HashSet::new();
    ranked.retain_mut(|candidate| {
        let (item, fresh) = match candidate.kind {
            Kind::Image => (Some(candidate.key).filter(|key| !gone.contains(key)), true),
            Kind::Text => match captions.get(&candidate.key) {
                Some(caption) => (Some(caption.item), seen.insert(caption.text.as_str())),
                None => (None, false),
            },
        };
        let Some(item) = item else {
            left_out.deleted += 1;
            return false;
        };
        candidate.item = item;
        fresh && Some(item) != own_item
    });
    Ok(())
}

/// Classes with how many results bear them.
async fn facets(catalog: &Catalog, ranked: &[Ranked]) -> Result<BTreeMap<String, usize>, EngineError> {
    let items: Vec<i64> = ranked.iter().map(|r| r.item).collect();
    let labels = catalog.labels_by_item(&items).await?;
    let mut facets = BTreeMap::new();
    for label in items.iter().filter_map(|item| labels.get(item)).flatten() {
        *facets.entry(label.clone()).or_insert(0) += 1;
    }
    Ok(facets)
}
