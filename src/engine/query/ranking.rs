//! The complete ranking of a query, and its pages.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
    time::Instant,
};

use super::{item_cache::ItemCache, retrieve::Candidate};
use crate::{
    catalog::{Item, tokenize},
    engine::{Answer, EngineError, Hit, Kind, Timings},
};

/// The ranking of a query. Cursors point into it.
#[derive(Debug)]
pub(super) struct Ranking {
    /// The fields that all pages share.
    head: Answer,
    candidates: Vec<Candidate>,
    /// The words of the query in a hybrid search.
    keywords: Vec<String>,
}

impl Ranking {
    pub(super) fn new(head: Answer, candidates: Vec<Candidate>, keywords: Option<&str>) -> Self {
        Self { head, candidates, keywords: keywords.map(tokenize).unwrap_or_default() }
    }

    pub(super) fn len(&self) -> usize {
        self.candidates.len()
    }

    /// The page that begins at a position, and the position after it. Results that have been deleted since are skipped.
    pub(super) async fn page(
        &self,
        items: &ItemCache,
        begin: usize,
        limit: usize,
    ) -> Result<(Answer, usize), EngineError> {
        let began = Instant::now();
        let mut results = Vec::new();
        let mut next = begin.min(self.candidates.len());
        while results.len() < limit && next < self.candidates.len() {
            let some = &self.candidates[next..self.candidates.len().min(next + limit - results.len())];
            let found = items.items(&some.iter().map(|candidate| candidate.item).collect::<Vec<i64>>()).await?;
            results.extend(some.iter().zip(next + 1..).filter_map(|(one, rank)| self.hit(one, rank, &found)));
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

    /// `None` if the item, its picture or the caption was deleted.
    fn hit(&self, candidate: &Candidate, rank: usize, items: &HashMap<i64, Arc<Item>>) -> Option<Hit> {
        let item = items.get(&candidate.item)?;
        let caption = match candidate.kind {
            Kind::Image => item.content_hash.is_some().then_some(None)?,
            Kind::Text => Some(item.captions.iter().position(|caption| caption.key == candidate.key)?),
        };
        let Candidate { score, relevance, vector_rank, keyword_rank, .. } = *candidate;
        let matched = self.matched_keywords(item);
        Some(Hit { score, relevance, rank, vector_rank, keyword_rank, matched, item: Arc::clone(item), caption })
    }

    fn matched_keywords(&self, item: &Item) -> Vec<String> {
        if self.keywords.is_empty() {
            return Vec::new();
        }
        let texts = item.captions.iter().map(|caption| &caption.text).chain(&item.labels).chain([&item.id]);
        let present: HashSet<String> = texts.flat_map(|text| tokenize(text)).collect();
        self.keywords.iter().filter(|word| present.contains(*word)).cloned().collect()
    }
}

/// Milliseconds since an instant.
pub(super) fn ms(since: Instant) -> f64 {
    since.elapsed().as_secs_f64() * 1000.0
}
