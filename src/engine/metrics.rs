//! What Prometheus is told of indexes, queries and tasks.

use metrics::{gauge, histogram};

use crate::{
    engine::{
        engine::Engine,
        query::request::Timings,
        serving::snapshot::{CAPTIONS, PICTURES},
    },
    index::{SelfTest, VectorIndex},
};

impl Engine {
    /// Tells what waits, what is kept, what is at work and what the live indexes are at this moment.
    pub fn observe(&self) {
        gauge!("diptych_query_queue_depth", "encoder" => "text").set(self.texts.waiting() as f64);
        gauge!("diptych_query_queue_depth", "encoder" => "image").set(self.worker.waiting() as f64);
        let (entries, bytes) = self.texts.kept();
        gauge!("diptych_query_cache_entries").set(entries as f64);
        gauge!("diptych_query_cache_bytes").set(bytes as f64);
        gauge!("diptych_tasks_at_work").set(self.tasks_at_work() as f64);
        let Some(generation) = self.live() else { return };
        gauge!("diptych_index_generation").set(generation.number as f64);
        gauge!("diptych_index_degraded").set(if generation.degraded.is_some() { 1.0 } else { 0.0 });
        for (index, live) in [(PICTURES, &generation.images), (CAPTIONS, &generation.texts)] {
            let snapshot = live.snapshot();
            gauge!("diptych_index_points", "index" => index).set(snapshot.len() as f64);
            gauge!("diptych_index_delta_points", "index" => index).set(snapshot.delta_len() as f64);
            gauge!("diptych_index_tombstones", "index" => index).set(snapshot.dead_in_base() as f64);
            gauge!("diptych_index_memory_bytes", "index" => index).set(snapshot.memory().total() as f64);
        }
    }
}

/// Tells where the time of a query went.
pub(in crate::engine) fn asked(took: &Timings) {
    let stages = [("queue", took.queue), ("encode", took.encode), ("search", took.search), ("hydrate", took.hydrate)];
    for (stage, ms) in stages {
        histogram!("diptych_query_stage_seconds", "stage" => stage).record(ms / 1000.0);
    }
}

/// Tells what a self-test found. Until the first one there is nothing to tell.
pub(in crate::engine) fn tested(index: &'static str, test: &SelfTest) {
    gauge!("diptych_index_recall_at_10", "index" => index).set(test.recall_at_10);
    for (bound, value) in ["lower", "upper"].into_iter().zip(test.interval) {
        gauge!("diptych_index_recall_at_10_bound", "index" => index, "bound" => bound).set(value);
    }
    gauge!("diptych_index_orphans", "index" => index).set(test.orphans as f64);
}
