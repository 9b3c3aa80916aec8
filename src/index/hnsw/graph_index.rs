//! The index that searches a graph.
//!
//! The number of candidates that a search keeps does not depend on `k`, unless `k` is larger: otherwise the first ten
//! of twenty hits could differ from the top ten. A search of the graph only finds candidates. Their scores are computed
//! from the full vectors, so that graph and scan always agree on a score.

use std::sync::{LazyLock, atomic::AtomicBool};

use parking_lot::Mutex;

use super::{
    build,
    duplicates::DuplicateGroups,
    links::Links,
    refine, repair,
    scalar_quantization::Codes,
    search::{ByteMetric, FloatMetric, Metric, SearchBuffers, SearchLimits, product_from_bits, search_layers},
};
use crate::{
    core::{SimdLevel, UnitVector},
    index::{
        ExactIndex, GraphParameters, Hit, IndexError, MemoryUsage, SearchParams, SearchResult, Strategy, Tombstones,
        Traversal, VectorIndex, VectorTable,
        exact::{scan_batch, scan_one},
        hit::by_rank,
        kernels::dots,
        vectors::Queries,
    },
};

/// Number of searches that the machine can run at once. Cached, because the system reads files to tell.
static CORES: LazyLock<usize> = LazyLock::new(crate::compute::cores);

/// Points and a navigable graph of them.
#[derive(Debug)]
pub struct GraphIndex {
    points: VectorTable,
    links: Links,
    /// Quantized points, if searches compare those.
    codes: Option<Codes>,
    parameters: GraphParameters,
    /// Buffers of finished searches for later ones, at most one for each core.
    buffers: Mutex<Vec<SearchBuffers>>,
}

impl GraphIndex {
    /// Builds a graph of the points on threads of its own. `progress` receives the number of finished points; `stop`
    /// ends the build within a second.
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
        // A pool of its own, so that the build and encoders that run at the same time do not starve each other.
        let pool = rayon::ThreadPoolBuilder::new()
            .num_threads(parameters.threads.max(1))
            .thread_name(|n| format!("index-build-{n}"))
            .build()
            .map_err(|e| IndexError::Threads(e.to_string()))?;
        pool.install(|| {
            let duplicates = DuplicateGroups::find(&points);
            let draft = build::build_draft(&points, &duplicates, parameters, progress, stop)?;
            let links = refine::refine(&points, &duplicates, draft, parameters.ef_construction, progress, stop)?;
            let links = repair::connect_orphans(&points, &duplicates, links);
            let codes = match parameters.traversal {
                Traversal::Byte => Some(Codes::new(points.dims(), points.rows())?),
                Traversal::Float => None,
            };
            progress(points.len());
            Ok(Self { points, links, codes, parameters: *parameters, buffers: Mutex::default() })
        })
    }

    /// Creates an index from parts that were read from disk. `None` if they do not have the same number of points.
    pub(in crate::index) fn from_parts(
        points: VectorTable,
        links: Links,
        codes: Option<Codes>,
        parameters: GraphParameters,
    ) -> Option<Self> {
        let fits = links.len() == points.len() && codes.as_ref().is_none_or(|c| c.rows().len() == points.len());
        fits.then_some(Self { points, links, codes, parameters, buffers: Mutex::default() })
    }

    pub(in crate::index) fn points(&self) -> &VectorTable {
        &self.points
    }

    pub(in crate::index) fn links(&self) -> &Links {
        &self.links
    }

    pub(in crate::index) fn codes(&self) -> Option<&Codes> {
        self.codes.as_ref()
    }

    /// How the graph was built and is searched.
    pub fn parameters(&self) -> &GraphParameters {
        &self.parameters
    }

    /// Number of points that a search of the graph cannot reach; a scan finds them.
    pub fn orphans(&self) -> usize {
        repair::count_orphans(&self.links)
    }

    /// Searches among the points that are not deleted.
    pub(in crate::index) fn search_alive(
        &self,
        query: &UnitVector,
        params: &SearchParams<'_>,
        deleted: &Tombstones,
    ) -> Result<SearchResult, IndexError> {
        let dims = self.points.dims();
        params.check(dims, query)?;
        let queries = Queries::one(dims, query)?;
        let (ef, len) = (params.ef.unwrap_or(self.parameters.ef_search).max(params.k).max(1), self.len());
        let narrow = params.filter.is_some_and(|filter| is_narrow(filter.len(), ef, len));
        if !(params.exact || narrow || ef.saturating_mul(2) >= len)
            && let Some(hits) = self.search_graph(&queries, ef, params, deleted)
        {
            return Ok(SearchResult { hits, strategy: Strategy::Graph });
        }
        Ok(scan_one(&self.points, &queries, params, deleted))
    }

    /// The best `k` of the `ef` candidates that a search of the graph finds. `None` if it finds fewer candidates.
    fn search_graph(
        &self,
        queries: &Queries,
        ef: usize,
        params: &SearchParams<'_>,
        deleted: &Tombstones,
    ) -> Option<Vec<Hit>> {
        let query = queries.rows().row(0);
        let mut buffers = self.buffers.lock().pop().unwrap_or_default();
        let simd = SimdLevel::best();
        let hits = match &self.codes {
            None => {
                let metric = FloatMetric { simd, query, rows: self.points.rows(), products: Vec::new() };
                let complete = self.find_candidates(metric, ef, params, deleted, &mut buffers);
                let hit = |(bits, at)| self.points.hit(at as usize, product_from_bits(bits));
                complete.then(|| buffers.found().map(hit).collect::<Vec<Hit>>())
            }
            Some(codes) => {
                let quantized = codes.quantize_query(query);
                let metric = ByteMetric { simd, query: &quantized, rows: codes.rows(), products: Vec::new() };
                let complete = self.find_candidates(metric, ef, params, deleted, &mut buffers);
                complete.then(|| {
                    let at: Vec<u32> = buffers.found().map(|(_, at)| at).collect();
                    let mut products = Vec::new();
                    dots(simd, query, self.points.rows(), &at, &mut products);
                    at.iter().zip(products).map(|(&at, product)| self.points.hit(at as usize, product)).collect()
                })
            }
        };
        let mut unused = self.buffers.lock();
        if unused.len() < *CORES {
            unused.push(buffers);
        }
        drop(unused);
        // A search that ends in a badly connected region must not shorten the result.
        let mut hits = hits.filter(|hits| hits.len() >= ef)?;
        hits.sort_unstable_by(by_rank);
        hits.truncate(params.k);
        Some(hits)
    }

    /// Leaves `ef` candidates that are not deleted and pass the filter in `buffers`. Returns `false` if the search gave
    /// up.
    fn find_candidates(
        &self,
        mut metric: impl Metric,
        ef: usize,
        params: &SearchParams<'_>,
        deleted: &Tombstones,
        buffers: &mut SearchBuffers,
    ) -> bool {
        let (links, metric) = (&self.links, &mut metric);
        let alive = |at: u32| deleted.count() == 0 || !deleted.contains(at as usize);
        let unlimited = SearchLimits { ef, budget: usize::MAX };
        match params.filter {
            None if deleted.count() == 0 => search_layers(links, metric, unlimited, |_| true, buffers),
            None => search_layers(links, metric, unlimited, alive, buffers),
            Some(filter) => {
                // Once half of all points have been compared, a scan of the points that pass the filter would have been
                // cheaper.
                let limits = SearchLimits { ef, budget: self.len() / 2 };
                let keys = self.points.keys();
                let admit = |at: u32| alive(at) && filter.contains(keys[at as usize]);
                search_layers(links, metric, limits, admit, buffers)
            }
        }
    }
}

/// Whether a scan of the `allowed` points is cheaper than a search of the graph. The search passes `len / allowed`
/// points for each of the `ef` that it keeps, and compares about ten neighbors of each; a scan compares `allowed`
/// points.
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

    fn search(&self, query: &UnitVector, params: &SearchParams<'_>) -> Result<SearchResult, IndexError> {
        self.search_alive(query, params, &Tombstones::default())
    }

    fn search_batch(&self, queries: &[UnitVector], params: &SearchParams<'_>) -> Result<Vec<SearchResult>, IndexError> {
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

    fn memory(&self) -> MemoryUsage {
        MemoryUsage {
            points: self.points.bytes(),
            codes: self.codes.as_ref().map_or(0, |codes| codes.rows().len() * codes.rows().stride()),
            links: self.links.bytes(),
            delta: 0,
            scratch: self.buffers.lock().iter().map(SearchBuffers::bytes).sum(),
        }
    }
}
