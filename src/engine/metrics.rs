//! Gauges and histograms of queries, indexes and tasks.

use metrics::{gauge, histogram};

use super::{
    query::{Kind, Timings},
    serving::{CAPTIONS, PICTURES, ServingSnapshot},
};
use crate::index::SelfTest;

/// Exports the numbers of inputs that wait for their encoders.
pub(super) fn export_queues(texts: usize, pictures: usize) {
    gauge!("diptych_query_queue_depth", "encoder" => "text").set(texts as f64);
    gauge!("diptych_query_queue_depth", "encoder" => "image").set(pictures as f64);
}

/// Exports the size of the query cache.
pub(super) fn export_query_cache(entries: usize, bytes: usize) {
    gauge!("diptych_query_cache_entries").set(entries as f64);
    gauge!("diptych_query_cache_bytes").set(bytes as f64);
}

/// Exports the number of running tasks.
pub(super) fn export_tasks(running: usize) {
    gauge!("diptych_tasks_at_work").set(running as f64);
}

/// Exports the live indexes.
pub(super) fn export_indexes(snapshot: &ServingSnapshot) {
    gauge!("diptych_index_generation").set(snapshot.number as f64);
    gauge!("diptych_index_degraded").set(if snapshot.degraded_reason.is_some() { 1.0 } else { 0.0 });
    for (index, kind) in [(PICTURES, Kind::Image), (CAPTIONS, Kind::Text)] {
        let stats = snapshot.indexes.stats(kind);
        gauge!("diptych_index_points", "index" => index).set(stats.points as f64);
        gauge!("diptych_index_delta_points", "index" => index).set(stats.delta_points as f64);
        gauge!("diptych_index_tombstones", "index" => index).set(stats.tombstones as f64);
        gauge!("diptych_index_memory_bytes", "index" => index).set(stats.memory_bytes as f64);
    }
}

/// Records the durations of the stages of a query.
pub(super) fn record_stages(took: &Timings) {
    let stages = [("queue", took.queue), ("encode", took.encode), ("search", took.search), ("hydrate", took.hydrate)];
    for (stage, ms) in stages {
        histogram!("diptych_query_stage_seconds", "stage" => stage).record(ms / 1000.0);
    }
}

/// Exports the result of a self-test. Before the first one these gauges are absent.
pub(super) fn record_self_test(index: &'static str, test: &SelfTest) {
    gauge!("diptych_index_recall_at_10", "index" => index).set(test.recall_at_10);
    for (bound, value) in ["lower", "upper"].into_iter().zip(test.interval) {
        gauge!("diptych_index_recall_at_10_bound", "index" => index, "bound" => bound).set(value);
    }
    gauge!("diptych_index_orphans", "index" => index).set(test.orphans as f64);
}
