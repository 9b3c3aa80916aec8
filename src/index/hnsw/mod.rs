//! The graph: Hierarchical Navigable Small World (Malkov & Yashunin 2016), built by `hnsw_rs`, laid flat and walked here.
//!
//! How many candidates a walk keeps does not depend on `k`, unless `k` is larger: otherwise the first ten of twenty could
//! differ from the ten. A walk gives candidates; their scores are those of the vectors themselves, so that a graph and a
//! scan never disagree about a score.

mod build;
mod duplicates;
pub(in crate::index) mod links;
mod refine;
mod repair;
pub(in crate::index) mod scalar_quantization;
mod search;

use std::sync::{LazyLock, Mutex, PoisonError, atomic::AtomicBool};

use super::{
    ExactIndex, GraphParameters, Hit, IndexError, Memory, Neighbours, SearchParams, Strategy, Traversal, VectorIndex,
    exact::{scan_batch, scan_one},
    kernels::dots,
    tombstones::Tombstones,
    top_k::by_rank,
    vectors::{Points, Queries},
};
use crate::core::{Isa, UnitVector};
use duplicates::Twins;
use links::Links;
use scalar_quantization::Codes;
use search::{Bytes, Floats, Metric, Reach, Scratch, product_of, walk};

/// Walks that the machine can run at once. The system is asked for it once, because it reads files to answer.
static AT_ONCE: LazyLock<usize> = LazyLock::new(crate::compute::cores);

/// A navigable graph over points.
#[derive(Debug)]
pub struct GraphIndex {
    points: Points,
    links: Links,
    /// The points as bytes, if walks go by them.
    codes: Option<Codes>,
    parameters: GraphParameters,
    /// What walks that are over left for those to come, for as many as the machine can run at once.
    scratch: Mutex<Vec<Scratch>>,
}

impl GraphIndex {
    /// Links the points into a graph on threads of its own. `progress` is told how much is done, in points; `stop` ends the
    /// build within a second.
    ///
    /// # Errors
    /// [`IndexError::Stopped`], [`IndexError::Threads`], [`IndexError::Memory`].
    pub fn build(
        points: ExactIndex,
        parameters: &GraphParameters,
        progress: &(dyn Fn(usize) + Sync),
        stop: &AtomicBool,
    ) -> Result<Self, IndexError> {
        let points = points.into_points();
        // Threads of its own, so that a build neither starves nor is starved by whoever encodes at the same time.
        let pool = rayon::ThreadPoolBuilder::new()
            .num_threads(parameters.threads.max(1))
            .thread_name(|n| format!("index-build-{n}"))
            .build()
            .map_err(|e| IndexError::Threads(e.to_string()))?;
        pool.install(|| {
            let twins = Twins::of(&points);
            let draft = build::draft(&points, &twins, parameters, progress, stop)?;
            let links = refine::refine(&points, &twins, draft, parameters.ef_construction, progress, stop)?;
            let links = repair::connect(&points, &twins, links);
            let codes = match parameters.traversal {
                Traversal::Byte => Some(Codes::new(points.dims(), points.rows())?),
                Traversal::Float => None,
            };
            progress(points.len());
            Ok(Self { points, links, codes, parameters: *parameters, scratch: Mutex::default() })
        })
    }

    /// A graph as it lies on disk, or none if there are not as many points, links and codes.
    pub(super) fn from_parts(
        points: Points,
        links: Links,
        codes: Option<Codes>,
        parameters: GraphParameters,
    ) -> Option<Self> {
        let fits = links.len() == points.len() && codes.as_ref().is_none_or(|c| c.rows().len() == points.len());
        fits.then_some(Self { points, links, codes, parameters, scratch: Mutex::default() })
    }

    pub(super) fn points(&self) -> &Points {
        &self.points
    }

    pub(super) fn links(&self) -> &Links {
        &self.links
    }

    pub(super) fn codes(&self) -> Option<&Codes> {
        self.codes.as_ref()
    }

    /// How it was built, and how it is walked.
    pub fn parameters(&self) -> &GraphParameters {
        &self.parameters
    }

    /// Number of points that no walk can reach; a scan finds them.
    pub fn orphans(&self) -> usize {
        repair::orphans(&self.links)
    }

    /// The search, with some positions dead.
    pub(super) fn search_alive(
        &self,
        query: &UnitVector,
        params: &SearchParams<'_>,
        dead: &Tombstones,
    ) -> Result<Neighbours, IndexError> {
        let dims = self.points.dims();
        params.check(dims, query)?;
        let queries = Queries::one(dims, query)?;
        let (ef, len) = (params.ef.unwrap_or(self.parameters.ef_search).max(params.k).max(1), self.len());
        let narrow = params.filter.is_some_and(|filter| is_narrow(filter.len(), ef, len));
        if !(params.exact || narrow || ef.saturating_mul(2) >= len)
            && let Some(hits) = self.walk(&queries, ef, params, dead)
        {
            return Ok(Neighbours { hits, strategy: Strategy::Graph });
        }
        Ok(scan_one(&self.points, &queries, params, dead))
    }

    /// The first `k` of the `ef` candidates to which a walk leads, or none if there were fewer.
    fn walk(&self, queries: &Queries, ef: usize, params: &SearchParams<'_>, dead: &Tombstones) -> Option<Vec<Hit>> {
        let query = queries.rows().row(0);
        let mut scratch = self.scratch.lock().unwrap_or_else(PoisonError::into_inner).pop().unwrap_or_default();
        let isa = Isa::best();
        let hits = match &self.codes {
            None => {
                let metric = Floats { isa, query, rows: self.points.rows(), products: Vec::new() };
                let whole = self.admitted(metric, ef, params, dead, &mut scratch);
                let hit = |(gap, at)| self.points.hit(at as usize, product_of(gap));
                whole.then(|| scratch.found().map(hit).collect::<Vec<Hit>>())
            }
            Some(codes) => {
                let coded = codes.query(query);
                let metric = Bytes { isa, query: &coded, rows: codes.rows(), products: Vec::new() };
                let whole = self.admitted(metric, ef, params, dead, &mut scratch);
                whole.then(|| {
                    let at: Vec<u32> = scratch.found().map(|(_, at)| at).collect();
                    let mut products = Vec::new();
                    dots(isa, query, self.points.rows(), &at, &mut products);
                    at.iter().zip(products).map(|(&at, product)| self.points.hit(at as usize, product)).collect()
                })
            }
        };
        let mut kept = self.scratch.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.len() < *AT_ONCE {
            kept.push(scratch);
        }
        drop(kept);
        // A walk that ends in a badly connected corner must not make an answer short.
        let mut hits = hits.filter(|hits| hits.len() >= ef)?;
        hits.sort_unstable_by(by_rank);
        hits.truncate(params.k);
        Some(hits)
    }

    fn admitted(
        &self,
        mut metric: impl Metric,
        ef: usize,
        params: &SearchParams<'_>,
        dead: &Tombstones,
        scratch: &mut Scratch,
    ) -> bool {
        let (links, metric) = (&self.links, &mut metric);
        let alive = |at: u32| dead.count() == 0 || !dead.contains(at as usize);
        match params.filter {
            None if dead.count() == 0 => walk(links, metric, Reach { ef, budget: usize::MAX }, |_| true, scratch),
            None => walk(links, metric, Reach { ef, budget: usize::MAX }, alive, scratch),
            Some(filter) => {
                // A walk that looks at half of all points has cost more than a scan of those that the filter lets through.
                let reach = Reach { ef, budget: self.len() / 2 };
                let keys = self.points.keys();
                walk(links, metric, reach, |at| alive(at) && filter.contains(keys[at as usize]), scratch)
            }
        }
    }
}

/// Whether a scan of the `allowed` points is cheaper than a walk. A walk has to pass `len / allowed` points for each of
/// `ef` that it may keep, and looks at about ten neighbours of each; a scan looks at `allowed`.
fn is_narrow(allowed: u64, ef: usize, len: usize) -> bool {
    let (allowed, ef, len) = (allowed as f64, ef as f64, len as f64);
    allowed * allowed <= 10.0 * ef * len
}

impl VectorIndex for GraphIndex {
    fn dims(&self) -> usize {
        self.points.dims()
    }

    fn len(&self) -> usize {
        self.points.len()
    }

    fn search(&self, query: &UnitVector, params: &SearchParams<'_>) -> Result<Neighbours, IndexError> {
        self.search_alive(query, params, &Tombstones::default())
    }

    fn search_batch(&self, queries: &[UnitVector], params: &SearchParams<'_>) -> Result<Vec<Neighbours>, IndexError> {
        if params.exact {
            scan_batch(&self.points, queries, params)
        } else {
            queries.iter().map(|query| self.search(query, params)).collect()
        }
    }

    fn get(&self, key: u64) -> Option<UnitVector> {
        self.points.get(key)
    }

    fn sample(&self, count: usize) -> Vec<UnitVector> {
        self.points.sample(count)
    }

    fn strategy(&self) -> Strategy {
        Strategy::Graph
    }

    fn memory(&self) -> Memory {
        let scratch = self.scratch.lock().unwrap_or_else(PoisonError::into_inner);
        Memory {
            points: self.points.bytes(),
            codes: self.codes.as_ref().map_or(0, |codes| codes.rows().len() * codes.rows().stride()),
            links: self.links.bytes(),
            delta: 0,
            scratch: scratch.iter().map(Scratch::bytes).sum(),
        }
    }
}
