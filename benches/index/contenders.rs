//! The engines that are compared: diptych, `hnsw_rs` with its own search, and the peers in a Python process.

use std::{
    path::{Path, PathBuf},
    sync::atomic::AtomicBool,
};

use cpu_time::ProcessTime;
use diptych::{
    core::UnitVector,
    index::{ExactIndex, GraphIndex, GraphParameters, SearchParams, SearchResult, Traversal, VectorIndex},
};
use hnsw_rs::prelude::{Distance, Hnsw};
use serde_json::{Value, json};

use crate::{
    data::Data,
    measure::{BenchResult, PASSES, timed},
    peers::Peer,
};

const LINKS: usize = 16;
const EF_CONSTRUCTION: usize = 200;

/// An engine with an index of the points.
pub(crate) trait Contender {
    fn name(&self) -> &str;
    /// CPU seconds of the build, on one thread.
    fn build_seconds(&self) -> f64;
    /// Keys of the ten nearest of each query, and CPU seconds of [`PASSES`] searches of all queries.
    fn search(&mut self, data: &Data, ef: usize) -> BenchResult<(Vec<Vec<u64>>, f64)>;
}

/// The graph index of diptych.
pub(crate) struct DiptychGraph {
    pub(crate) name: &'static str,
    pub(crate) seconds: f64,
    pub(crate) graph: GraphIndex,
}

impl DiptychGraph {
    pub(crate) fn build(data: &Data, traversal: Traversal, threads: usize) -> BenchResult<Self> {
        let points = data.base.iter().cloned().enumerate().map(|(n, point)| (n as u64, point)).collect();
        let exact = ExactIndex::new(data.dims, points)?;
        let parameters = GraphParameters {
            links: LINKS,
            ef_construction: EF_CONSTRUCTION,
            traversal,
            threads,
            ..GraphParameters::default()
        };
        let before = ProcessTime::now();
        let graph = GraphIndex::build(exact, &parameters, &|_| (), &AtomicBool::new(false))?;
        let name = match traversal {
            Traversal::Byte => "diptych, bytes and re-rank",
            Traversal::Float => "diptych, f32",
        };
        Ok(Self { name, seconds: before.elapsed().as_secs_f64(), graph })
    }
}

impl Contender for DiptychGraph {
    fn name(&self) -> &str {
        self.name
    }

    fn build_seconds(&self) -> f64 {
        self.seconds
    }

    fn search(&mut self, data: &Data, ef: usize) -> BenchResult<(Vec<Vec<u64>>, f64)> {
        let params = SearchParams { ef: Some(ef), ..SearchParams::top(10) };
        let pass = || data.queries.iter().map(|query| self.graph.search(query, &params)).collect::<Result<Vec<_>, _>>();
        let results = pass()?;
        let (done, seconds) = timed(|| (0..PASSES).try_for_each(|_| pass().map(drop)));
        done?;
        Ok((keys(results), seconds))
    }
}

/// Keys of the hits of each result.
pub(crate) fn keys(results: Vec<SearchResult>) -> Vec<Vec<u64>> {
    results.iter().map(|result| result.hits.iter().map(|hit| hit.key).collect()).collect()
}

/// `1 - cosine` of unit vectors.
#[derive(Clone, Copy)]
pub(crate) struct CosineDistance;

impl Distance<f32> for CosineDistance {
    fn eval(&self, a: &[f32], b: &[f32]) -> f32 {
        (1.0 - diptych::core::dot(a, b)).max(0.0)
    }
}

/// `hnsw_rs` with its own search.
pub(crate) struct HnswRs {
    seconds: f64,
    pub(crate) graph: Hnsw<'static, f32, CosineDistance>,
}

impl HnswRs {
    pub(crate) fn build(data: &Data) -> BenchResult<Self> {
        let before = ProcessTime::now();
        let graph = Hnsw::new(LINKS, data.base.len(), 16, EF_CONSTRUCTION, CosineDistance);
        data.base.iter().enumerate().for_each(|(n, point)| graph.insert_slice((point.as_slice(), n)));
        Ok(Self { seconds: before.elapsed().as_secs_f64(), graph })
    }

    fn search_one(&self, query: &UnitVector, ef: usize) -> Vec<u64> {
        self.graph.search(query.as_slice(), 10, ef).iter().map(|neighbor| neighbor.d_id as u64).collect()
    }
}

impl Contender for HnswRs {
    fn name(&self) -> &str {
        "hnsw_rs, its own search"
    }

    fn build_seconds(&self) -> f64 {
        self.seconds
    }

    fn search(&mut self, data: &Data, ef: usize) -> BenchResult<(Vec<Vec<u64>>, f64)> {
        let pass = || data.queries.iter().map(|query| self.search_one(query, ef)).collect();
        let keys = pass();
        let ((), seconds) = timed(|| (0..PASSES).for_each(|_| drop::<Vec<Vec<u64>>>(pass())));
        Ok((keys, seconds))
    }
}

/// The Python process that runs hnswlib, faiss and usearch.
pub(crate) struct PythonPeers(Peer);

impl PythonPeers {
    pub(crate) fn start(scratch: &Path) -> BenchResult<Self> {
        Ok(Self(Peer::start("ann.py", &[&scratch.join("ann-venv")])?))
    }

    /// CPU seconds of the build of one engine, and bytes of its file.
    pub(crate) fn build(&mut self, name: &str, base: &Path, dims: usize) -> BenchResult<(f64, u64)> {
        let request =
            json!({"op": "build", "name": name, "base": base, "dims": dims, "links": LINKS, "ef": EF_CONSTRUCTION});
        let response = self.0.request(&request)?;
        Ok((number(&response, "cpu")?, number(&response, "bytes")? as u64))
    }

    /// Like [`Contender::search`], for one engine.
    pub(crate) fn search(&mut self, name: &str, queries: &Path, ef: usize) -> BenchResult<(Vec<Vec<u64>>, f64)> {
        let request = json!({"op": "search", "name": name, "queries": queries, "ef": ef, "passes": PASSES});
        let mut response = self.0.request(&request)?;
        Ok((serde_json::from_value(response["keys"].take())?, number(&response, "cpu")?))
    }

    /// CPU seconds of the matrix product of all queries with all points.
    pub(crate) fn product(&mut self, base: &Path, queries: &Path, dims: usize) -> BenchResult<f64> {
        let request = json!({"op": "product", "base": base, "queries": queries, "dims": dims});
        number(&self.0.request(&request)?, "cpu")
    }
}

fn number(response: &Value, key: &str) -> BenchResult<f64> {
    response[key].as_f64().ok_or_else(|| format!("the peer's response has no {key}").into())
}

/// Files of a dataset, for the Python process.
pub(crate) struct DatasetFiles {
    pub(crate) base: PathBuf,
    pub(crate) queries: PathBuf,
}
