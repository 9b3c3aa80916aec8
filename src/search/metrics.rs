//! What Prometheus is told of the indexes.

use metrics::gauge;

use super::{
    Engine,
    generation::{CAPTIONS, PICTURES},
};
use crate::index::{SelfTest, VectorIndex};

impl Engine {
    /// Tells what the live indexes are at this moment.
    pub fn observe(&self) {
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

/// Tells what a self-test found. Until the first one there is nothing to tell.
pub(super) fn tested(index: &'static str, test: &SelfTest) {
    gauge!("diptych_index_recall_at_10", "index" => index).set(test.recall_at_10);
    for (bound, value) in ["lower", "upper"].into_iter().zip(test.interval) {
        gauge!("diptych_index_recall_at_10_bound", "index" => index, "bound" => bound).set(value);
    }
    gauge!("diptych_index_orphans", "index" => index).set(test.orphans as f64);
}
