//! A live index at one moment.

use std::{collections::BTreeMap, sync::Arc};

use super::{
    super::{
        IndexError, Memory, Neighbours, SearchParams, StaticIndex, Strategy, VectorIndex,
        exact::scan,
        tombstones::Tombstones,
        top_k::Best,
        vectors::{Points, Queries},
    },
    Change,
};
use crate::core::UnitVector;

/// An index that does not change: a base, less its dead points, and a delta.
#[derive(Debug)]
pub struct Snapshot {
    base: Arc<StaticIndex>,
    dead: Tombstones,
    /// From the oldest and largest to the newest and smallest. A key has one living point at most, there or in the base.
    segments: Vec<Segment>,
}

/// Some points of the delta.
#[derive(Debug, Clone)]
struct Segment {
    points: Arc<Points>,
    dead: Tombstones,
}

impl Segment {
    fn alive(&self) -> usize {
        self.points.len() - self.dead.count()
    }

    /// Where the living point of a key lies.
    fn position(&self, key: u64) -> Option<usize> {
        self.points.position(key).filter(|&position| !self.dead.contains(position))
    }
}

impl Snapshot {
    pub(super) fn of(base: StaticIndex) -> Self {
        Self { base: Arc::new(base), dead: Tombstones::default(), segments: Vec::new() }
    }

    /// What the delta and the tombstones are relative to.
    pub fn base(&self) -> &StaticIndex {
        &self.base
    }

    /// Points of the base that are dead.
    pub fn dead_in_base(&self) -> usize {
        self.dead.count()
    }

    /// Points of the delta.
    pub fn delta_len(&self) -> usize {
        self.segments.iter().map(Segment::alive).sum()
    }

    /// Segments of the delta.
    #[cfg(test)]
    pub(super) fn segments(&self) -> usize {
        self.segments.len()
    }

    /// All points, as a base is built from them.
    pub fn points(&self) -> Vec<(u64, UnitVector)> {
        self.living().map(|(points, position)| (points.keys()[position], points.point(position))).collect()
    }

    /// The snapshot after `changes`.
    pub(super) fn with(&self, changes: Vec<Change>) -> Result<Self, IndexError> {
        let mut next = Self { base: Arc::clone(&self.base), dead: self.dead.clone(), segments: self.segments.clone() };
        let mut last: BTreeMap<u64, Option<UnitVector>> = BTreeMap::new();
        for change in changes {
            match change {
                Change::Put(key, point) => last.insert(key, Some(point)),
                Change::Remove(key) => last.insert(key, None),
            };
        }
        last.keys().for_each(|&key| next.bury(key));
        let new: Vec<(u64, UnitVector)> = last.into_iter().filter_map(|(key, point)| Some((key, point?))).collect();
        if !new.is_empty() {
            next.segments
                .push(Segment { points: Arc::new(Points::new(self.dims(), new)?), dead: Tombstones::default() });
        }
        next.tidy()?;
        Ok(next)
    }

    /// Marks the point of a key as dead, if there is one.
    fn bury(&mut self, key: u64) {
        if let Some(position) = self.in_base(key) {
            self.dead.insert(position);
        }
        for segment in &mut self.segments {
            if let Some(position) = segment.position(key) {
                segment.dead.insert(position);
            }
        }
    }

    /// Drops segments that are dead, and merges those at the end that are not larger than the next.
    fn tidy(&mut self) -> Result<(), IndexError> {
        self.segments.retain(|segment| segment.alive() > 0);
        while let [.., older, newer] = &self.segments[..]
            && older.alive() <= newer.alive()
        {
            let merged = Points::merged([(&older.points, &older.dead), (&newer.points, &newer.dead)])?;
            self.segments.truncate(self.segments.len() - 2);
            self.segments.push(Segment { points: Arc::new(merged), dead: Tombstones::default() });
        }
        Ok(())
    }

    fn scan_segments(&self, queries: &Queries, params: &SearchParams<'_>, best: &mut [Best]) {
        for segment in &self.segments {
            scan(&segment.points, queries, params, &segment.dead, best);
        }
    }

    fn in_base(&self, key: u64) -> Option<usize> {
        self.base.points().position(key).filter(|&position| !self.dead.contains(position))
    }

    /// All living points: where they lie.
    fn living(&self) -> impl Iterator<Item = (&Points, usize)> {
        let base = [(self.base.points(), &self.dead)].into_iter();
        let parts = base.chain(self.segments.iter().map(|segment| (&*segment.points, &segment.dead)));
        parts.flat_map(|(points, dead)| {
            (0..points.len()).filter(|&position| !dead.contains(position)).map(move |position| (points, position))
        })
    }
}

impl VectorIndex for Snapshot {
    fn dims(&self) -> usize {
        self.base.dims()
    }

    fn len(&self) -> usize {
        self.base.len() - self.dead.count() + self.delta_len()
    }

    fn search(&self, query: &UnitVector, params: &SearchParams<'_>) -> Result<Neighbours, IndexError> {
        let base = self.base.search_alive(query, params, &self.dead)?;
        if self.segments.is_empty() {
            return Ok(base);
        }
        let mut best = [Best::new(params.k)];
        base.hits.into_iter().for_each(|hit| best[0].offer(hit));
        self.scan_segments(&Queries::one(self.dims(), query)?, params, &mut best);
        let strategy = match base.strategy {
            Strategy::Exact => Strategy::Exact,
            Strategy::Graph | Strategy::GraphAndDelta => Strategy::GraphAndDelta,
        };
        let [best] = best;
        Ok(Neighbours { hits: best.take(), strategy })
    }

    fn search_batch(&self, queries: &[UnitVector], params: &SearchParams<'_>) -> Result<Vec<Neighbours>, IndexError> {
        if !params.exact && self.base.strategy() != Strategy::Exact {
            return queries.iter().map(|query| self.search(query, params)).collect();
        }
        queries.iter().try_for_each(|query| params.check(self.dims(), query))?;
        let rows = Queries::new(self.dims(), queries.iter())?;
        let mut best = vec![Best::new(params.k); queries.len()];
        scan(self.base.points(), &rows, params, &self.dead, &mut best);
        self.scan_segments(&rows, params, &mut best);
        Ok(best.into_iter().map(|best| Neighbours { hits: best.take(), strategy: Strategy::Exact }).collect())
    }

    fn get(&self, key: u64) -> Option<UnitVector> {
        if let Some(position) = self.in_base(key) {
            return Some(self.base.points().point(position));
        }
        let in_segment = |segment: &Segment| Some(segment.points.point(segment.position(key)?));
        self.segments.iter().find_map(in_segment)
    }

    fn sample(&self, count: usize) -> Vec<UnitVector> {
        let step = self.len().div_ceil(count.max(1)).max(1);
        self.living().step_by(step).take(count).map(|(points, position)| points.point(position)).collect()
    }

    fn strategy(&self) -> Strategy {
        match self.base.strategy() {
            Strategy::Graph if !self.segments.is_empty() => Strategy::GraphAndDelta,
            other => other,
        }
    }

    fn memory(&self) -> Memory {
        let segments = self.segments.iter().map(|segment| segment.points.bytes() + segment.dead.bytes());
        Memory { delta: self.dead.bytes() + segments.sum::<usize>(), ..self.base.memory() }
    }
}
