//! Those who are measured: ours, `hnsw_rs` as it is, and the peers in a Python process.

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

use crate::{Outcome, PASSES, data::Data, peers::Peer, timed};

pub(crate) const LINKS: usize = 16;
pub(crate) const EF_CONSTRUCTION: usize = 200;

/// One that was built and can be asked.
pub(crate) trait Engine {
    fn name(&self) -> &str;
    /// Seconds of CPU of the build, on one thread.
    fn build_seconds(&self) -> f64;
    /// The ten nearest of each query, and seconds of CPU of [`PASSES`] times all searches.
    fn search(&mut self, data: &Data, ef: usize) -> Outcome<(Vec<Vec<u64>>, f64)>;
}

pub(crate) struct Ours {
    pub(crate) name: &'static str,
    pub(crate) seconds: f64,
    pub(crate) graph: GraphIndex,
}

impl Ours {
    pub(crate) fn build(data: &Data, traversal: Traversal, threads: usize) -> Outcome<Self> {
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

impl Engine for Ours {
    fn name(&self) -> &str {
        self.name
    }

    fn build_seconds(&self) -> f64 {
        self.seconds
    }

    fn search(&mut self, data: &Data, ef: usize) -> Outcome<(Vec<Vec<u64>>, f64)> {
        let params = SearchParams { ef: Some(ef), ..SearchParams::top(10) };
        let pass = || data.queries.iter().map(|query| self.graph.search(query, &params)).collect::<Result<Vec<_>, _>>();
        let answers = pass()?;
        let (done, seconds) = timed(|| (0..PASSES).try_for_each(|_| pass().map(drop)));
        done?;
        Ok((keys(answers), seconds))
    }
}

/// What was found for each query.
pub(crate) fn keys(answers: Vec<SearchResult>) -> Vec<Vec<u64>> {
    answers.iter().map(|answer| answer.hits.iter().map(|hit| hit.key).collect()).collect()
}

#[derive(Clone, Copy)]
pub(crate) struct Gap;

impl Distance<f32> for Gap {
    fn eval(&self, a: &[f32], b: &[f32]) -> f32 {
        (1.0 - diptych::core::dot(a, b)).max(0.0)
    }
}

/// `hnsw_rs` with its own search.
pub(crate) struct Raw {
    seconds: f64,
    pub(crate) graph: Hnsw<'static, f32, Gap>,
}

impl Raw {
    pub(crate) fn build(data: &Data) -> Outcome<Self> {
        let before = ProcessTime::now();
        let graph = Hnsw::new(LINKS, data.base.len(), 16, EF_CONSTRUCTION, Gap);
        data.base.iter().enumerate().for_each(|(n, point)| graph.insert_slice((point.as_slice(), n)));
        Ok(Self { seconds: before.elapsed().as_secs_f64(), graph })
    }

    pub(crate) fn ask(&self, query: &UnitVector, ef: usize) -> Vec<u64> {
        self.graph.search(query.as_slice(), 10, ef).iter().map(|neighbour| neighbour.d_id as u64).collect()
    }
}

impl Engine for Raw {
    fn name(&self) -> &str {
        "hnsw_rs, its own search"
    }

    fn build_seconds(&self) -> f64 {
        self.seconds
    }

    fn search(&mut self, data: &Data, ef: usize) -> Outcome<(Vec<Vec<u64>>, f64)> {
        let pass = || data.queries.iter().map(|query| self.ask(query, ef)).collect();
        let keys = pass();
        let ((), seconds) = timed(|| (0..PASSES).for_each(|_| drop::<Vec<Vec<u64>>>(pass())));
        Ok((keys, seconds))
    }
}

/// The Python process in which the peers live.
pub(crate) struct Peers(Peer);

impl Peers {
    pub(crate) fn start(scratch: &Path) -> Outcome<Self> {
        Ok(Self(Peer::start("ann.py", &[&scratch.join("ann-venv")])?))
    }

    /// Seconds of CPU of the build of one of them, and bytes of its file.
    pub(crate) fn build(&mut self, name: &str, base: &Path, dims: usize) -> Outcome<(f64, u64)> {
        let request =
            json!({"op": "build", "name": name, "base": base, "dims": dims, "links": LINKS, "ef": EF_CONSTRUCTION});
        let answer = self.0.ask(&request)?;
        Ok((number(&answer, "cpu")?, number(&answer, "bytes")? as u64))
    }

    pub(crate) fn search(&mut self, name: &str, queries: &Path, ef: usize) -> Outcome<(Vec<Vec<u64>>, f64)> {
        let mut answer =
            self.0.ask(&json!({"op": "search", "name": name, "queries": queries, "ef": ef, "passes": PASSES}))?;
        Ok((serde_json::from_value(answer["keys"].take())?, number(&answer, "cpu")?))
    }

    /// Seconds of CPU of the matrix product of all queries with all points.
    pub(crate) fn product(&mut self, base: &Path, queries: &Path, dims: usize) -> Outcome<f64> {
        number(&self.0.ask(&json!({"op": "product", "base": base, "queries": queries, "dims": dims}))?, "cpu")
    }
}

fn number(answer: &Value, key: &str) -> Outcome<f64> {
    answer[key].as_f64().ok_or_else(|| format!("the peers' answer has no {key}").into())
}

/// Where a dataset lies for the peers.
pub(crate) struct Files {
    pub(crate) base: PathBuf,
    pub(crate) queries: PathBuf,
}
