//! What is it doing? Log lines on standard error, for standard output is for answers; and metrics for Prometheus.
//!
//! | metric | kind | what |
//! |---|---|---|
//! | `diptych_http_requests_total` | counter | requests, by `method`, `route` and `status` |
//! | `diptych_http_request_seconds` | histogram | all of a request, by `route` |
//! | `diptych_query_stage_seconds` | histogram | parts of a query, by `stage`: `queue`, `encode`, `search`, `hydrate` |
//! | `diptych_query_batch_texts` | histogram | texts that the encoder took together; its sum is all that it encoded |
//! | `diptych_query_queue_depth` | gauge | queries that wait, by `encoder`: `text`, `image` |
//! | `diptych_query_cache_hits_total`, `…_misses_total` | counter | texts whose points were kept, and those whose were not |
//! | `diptych_query_cache_entries`, `…_bytes` | gauge | texts whose points are kept, and what they take |
//! | `diptych_index_generation`, `diptych_index_degraded` | gauge | which index answers, and whether it is a makeshift |
//! | `diptych_index_points`, `…_delta_points`, `…_tombstones`, `…_memory_bytes` | gauge | an index, by `index`: `pictures`, `captions` |
//! | `diptych_index_recall_at_10`, `…_recall_at_10_bound`, `diptych_index_orphans` | gauge | what the last self-test found, by `index` |

use std::sync::LazyLock;

use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};
use tracing_subscriber::{EnvFilter, fmt};

use crate::config::{Common, LogFormat};

/// A log filter that cannot be understood.
#[derive(Debug, thiserror::Error)]
#[error(
    "--log {filter:?} cannot be understood: {reason}; allowed are error, warn, info, debug, trace, or a filter such as diptych=debug"
)]
pub struct BadFilter {
    filter: String,
    reason: String,
}

/// Seconds that tell requests apart, from a cached thumbnail to a training's first word.
const SECONDS: [f64; 12] = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0];

/// Seconds that tell the stages of a query apart.
const STAGE_SECONDS: [f64; 14] =
    [0.0001, 0.00025, 0.0005, 0.001, 0.002, 0.003, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 1.0, 10.0];

/// Sizes that tell batches apart.
const TEXTS: [f64; 7] = [1.0, 2.0, 4.0, 8.0, 12.0, 16.0, 32.0];

/// A process has one recorder, whichever service of it asks first.
static METRICS: LazyLock<PrometheusHandle> = LazyLock::new(|| {
    let named = |name: &str| Matcher::Full(name.to_owned());
    let recorder = PrometheusBuilder::new()
        .set_buckets(&SECONDS)
        .and_then(|builder| builder.set_buckets_for_metric(named("diptych_query_stage_seconds"), &STAGE_SECONDS))
        .and_then(|builder| builder.set_buckets_for_metric(named("diptych_query_batch_texts"), &TEXTS))
        .expect("there are buckets")
        .build_recorder();
    let handle = recorder.handle();
    // A recorder of someone else's in the same process keeps its place; ours then has nothing to tell.
    let _ = metrics::set_global_recorder(recorder);
    handle
});

/// Begins to keep what `metrics` macros are told; before that they are told in vain.
pub fn start_metrics() {
    LazyLock::force(&METRICS);
}

/// Sorts what was measured into the histograms' buckets. Until then every single measurement is kept, so whoever measures
/// calls this now and then, for there may be nobody who scrapes.
pub fn tidy_metrics() {
    METRICS.run_upkeep();
}

/// Bytes of memory that the process holds. `None` where the system does not say.
pub fn memory_bytes() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    Some(line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()? * 1024)
}

/// All metrics of the process in Prometheus' text format.
pub fn render_metrics() -> String {
    if let Some(bytes) = memory_bytes() {
        metrics::gauge!("process_resident_memory_bytes").set(bytes as f64);
    }
    METRICS.render()
}

/// Starts logging for the process. A second call keeps the first one's settings.
///
/// # Errors
/// [`BadFilter`].
pub fn start(common: &Common) -> Result<(), BadFilter> {
    let filter =
        EnvFilter::try_new(&common.log).map_err(|e| BadFilter { filter: common.log.clone(), reason: e.to_string() })?;
    let lines = fmt().with_env_filter(filter).with_writer(std::io::stderr).with_target(false);
    // A failure means that logging runs already, as in tests that start several services in one process.
    let _ = match common.log_format {
        LogFormat::Text => lines.compact().try_init(),
        LogFormat::Json => lines.json().try_init(),
    };
    Ok(())
}
