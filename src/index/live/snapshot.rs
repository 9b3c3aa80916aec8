//! The state of a live index at one moment.

use std::{collections::BTreeMap, sync::Arc};

use crate::{
    core::UnitVector,
    index::{
        Change, IndexError, MemoryUsage, SearchParams, SearchResult, StaticIndex, Strategy, Tombstones, VectorIndex,
        VectorTable, exact::scan, top_k::TopK, vectors::Queries,
    },
};

/// An immutable index: a base without its deleted points, and a delta.
#[derive(Debug)]
pub struct Snapshot {
    base: Arc<StaticIndex>,
    deleted: Tombstones,
    /// From the oldest and largest to the newest and smallest. A key has at most one point alive, here or in the base.
    segments: Vec<Segment>,
}

/// A part of the delta.
#[derive(Debug, Clone)]
struct Segment {
    points: Arc<VectorTable>,
    deleted: Tombstones,
}

impl Segment {
    fn new(points: VectorTable) -> Self {
        Self { points: Arc::new(points), deleted: Tombstones::default() }
    }

    /// Number of points that are not deleted.
    fn len(&self) -> usize {
        self.points.len() - self.deleted.count()
    }

    /// Position of a key that is not deleted.
    fn position(&self, key: u64) -> Option<usize> {
        self.points.position(key).filter(|&position| !self.deleted.contains(position))
    }
}

impl Snapshot {
    pub(super) fn new(base: StaticIndex) -> Self {
        Self { base: Arc::new(base), deleted: Tombstones::default(), segments: Vec::new() }
    }

    /// The index to which the delta and the tombstones are relative.
    pub fn base(&self) -> &StaticIndex {
        &self.base
    }

    /// Number of deleted points of the base.
    pub fn deleted_in_base(&self) -> usize {
        self.deleted.count()
    }

    /// Number of points of the delta.
    pub fn delta_len(&self) -> usize {
        self.segments.iter().map(Segment::len).sum()
    }

    /// Number of segments of the delta.
    #[cfg(test)]
    pub(super) fn segments(&self) -> usize {
        self.segments.len()
    }

    /// All points with their keys, the input of a new base.
    pub fn points(&self) -> Vec<(u64, UnitVector)> {
        self.alive().map(|(points, position)| (points.keys()[position], points.point(position))).collect()
    }

    /// The state after `changes`.
    pub(super) fn with_changes(&self, changes: Vec<Change>) -> Result<Self, IndexError> {
        let (base, deleted) = (Arc::clone(&self.base), self.deleted.clone());
        let mut next = Self { base, deleted, segments: self.segments.clone() };
        let mut last: BTreeMap<u64, Option<UnitVector>> = BTreeMap::new();
        for change in changes {
            match change {
                Change::Put(key, point) => last.insert(key, Some(point)),
                Change::Remove(key) => last.insert(key, None),
            };
        }
        last.keys().for_each(|&key| next.mark_deleted(key));
        let new: Vec<(u64, UnitVector)> = last.into_iter().filter_map(|(key, point)| Some((key, point?))).collect();
        if !new.is_empty() {
            next.segments.push(Segment::new(VectorTable::new(self.dims(), new)?));
        }
        next.merge_segments()?;
        Ok(next)
    }

    /// Marks the point of a key as deleted, if there is one.
    fn mark_deleted(&mut self, key: u64) {
        if let Some(position) = self.position_in_base(key) {
            self.deleted.insert(position);
        }
        for segment in &mut self.segments {
            if let Some(position) = segment.position(key) {
                segment.deleted.insert(position);
            }
        }
    }

    /// Drops empty segments, and merges those at the end that are not larger than the next.
    fn merge_segments(&mut self) -> Result<(), IndexError> {
        self.segments.retain(|segment| segment.len() > 0);
        while let [.., older, newer] = &self.segments[..]
            && older.len() <= newer.len()
        {
            let merged = VectorTable::merged([(&older.points, &older.deleted), (&newer.points, &newer.deleted)])?;
            self.segments.truncate(self.segments.len() - 2);
            self.segments.push(Segment::new(merged));
        }
        Ok(())
    }

    fn scan_segments(&self, queries: &Queries, params: &SearchParams<'_>, best: &mut [TopK]) {
        for segment in &self.segments {
            scan(&segment.points, queries, params, &segment.deleted, best);
        }
    }

    /// Position of a key of the base that is not deleted.
    fn position_in_base(&self, key: u64) -> Option<usize> {
        self.base.points().position(key).filter(|&position| !self.deleted.contains(position))
    }

    /// Table and position of each point that is not deleted.
    fn alive(&self) -> impl Iterator<Item = (&VectorTable, usize)> {
        let base = [(self.base.points(), &self.deleted)].into_iter();
        let parts = base.chain(self.segments.iter().map(|segment| (&*segment.points, &segment.deleted)));
        parts.flat_map(|(points, deleted)| {
            (0..points.len()).filter(|&position| !deleted.contains(position)).map(move |position| (points, position))
        })
    }
}

impl VectorIndex for Snapshot {
    fn dims(&self) -> usize {
        self.base.dims()
    }

    fn len(&self) -> usize {
        self.base.len() - self.deleted.count() + self.delta_len()
    }

    fn search(&self, query: &UnitVector, params: &SearchParams<'_>) -> Result<SearchResult, IndexError> {
        let base = self.base.search_alive(query, params, &self.deleted)?;
        if self.segments.is_empty() {
            return Ok(base);
        }
        let mut best = [TopK::new(params.k)];
        base.hits.into_iter().for_each(|hit| best[0].push(hit));
        self.scan_segments(&Queries::one(self.dims(), query)?, params, &mut best);
        let strategy = match base.strategy {
            Strategy::Exact => Strategy::Exact,
            Strategy::Graph | Strategy::GraphAndDelta => Strategy::GraphAndDelta,
        };
        let [best] = best;
        Ok(SearchResult { hits: best.into_sorted(), strategy })
    }

    fn search_batch(&self, queries: &[UnitVector], params: &SearchParams<'_>) -> Result<Vec<SearchResult>, IndexError> {
        if !params.exact && self.base.strategy() != Strategy::Exact {
            return queries.iter().map(|query| self.search(query, params)).collect();
        }
        queries.iter().try_for_each(|query| params.check(self.dims(), query))?;
        let rows = Queries::new(self.dims(), queries.iter())?;
        let mut best = vec![TopK::new(params.k); queries.len()];
        scan(self.base.points(), &rows, params, &self.deleted, &mut best);
        self.scan_segments(&rows, params, &mut best);
        Ok(best.into_iter().map(|best| SearchResult { hits: best.into_sorted(), strategy: Strategy::Exact }).collect())
    }

    fn get(&self, key: u64) -> Option<UnitVector> {
        if let Some(position) = self.position_in_base(key) {
            return Some(self.base.points().point(position));
        }
        let in_segment = |segment: &Segment| Some(segment.points.point(segment.position(key)?));
        self.segments.iter().find_map(in_segment)
    }

    fn sample(&self, count: usize) -> Vec<UnitVector> {
        let step = self.len().div_ceil(count.max(1)).max(1);
        self.alive().step_by(step).take(count).map(|(points, position)| points.point(position)).collect()
    }

    fn strategy(&self) -> Strategy {
        match self.base.strategy() {
            Strategy::Graph if !self.segments.is_empty() => Strategy::GraphAndDelta,
            other => other,
        }
    }

    fn memory(&self) -> MemoryUsage {
        let segments = self.segments.iter().map(|segment| segment.points.bytes() + segment.deleted.bytes());
        MemoryUsage { delta: self.deleted.bytes() + segments.sum::<usize>(), ..self.base.memory() }
    }
}
