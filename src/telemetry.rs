//! How is the service observed?
//!
//! Log lines go to standard error, since standard output is for results. Metrics are for Prometheus; the gauges of an
//! index have the label `index` (`pictures` or `captions`).
//!
//! | metric | kind | meaning |
//! |---|---|---|
//! | `diptych_http_requests_total` | counter | requests, by `method`, `route` and `status` |
//! | `diptych_http_request_seconds` | histogram | duration of a request, by `route` |
//! | `diptych_query_stage_seconds` | histogram | duration by `stage`: `queue`, `encode`, `search`, `hydrate` |
//! | `diptych_query_batch_texts` | histogram | texts per batch of the encoder; the sum is the number of encoded texts |
//! | `diptych_query_queue_depth` | gauge | queries waiting for an `encoder`: `text`, `image` |
//! | `diptych_query_cache_hits_total`, `…_misses_total` | counter | texts found and not found in the query cache |
//! | `diptych_query_cache_entries`, `…_bytes` | gauge | size of the query cache |
//! | `diptych_index_generation` | gauge | generation of the index in use |
//! | `diptych_index_degraded` | gauge | 1 while scans replace an index that has to be rebuilt |
//! | `diptych_index_points`, `…_delta_points`, `…_tombstones`, `…_memory_bytes` | gauge | size of an index |
//! | `diptych_index_recall_at_10`, `…_recall_at_10_bound`, `diptych_index_orphans` | gauge | last self-test |

use std::sync::LazyLock;

use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};
use tracing_subscriber::{EnvFilter, fmt};

use crate::config::{Common, LogFormat};

/// Error for an invalid log filter.
#[derive(Debug, thiserror::Error)]
#[error(
    "--log {filter:?} is invalid: {reason}; allowed are error, warn, info, debug, trace, or a filter such as \
     diptych=debug"
)]
pub struct BadFilter {
    filter: String,
    reason: String,
}

/// Buckets of request durations in seconds, from a cached thumbnail to the start of a training.
const SECONDS: [f64; 12] = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0];

/// Buckets of stage durations in seconds.
const STAGE_SECONDS: [f64; 14] =
    [0.0001, 0.00025, 0.0005, 0.001, 0.002, 0.003, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 1.0, 10.0];

/// Buckets of batch sizes.
const TEXTS: [f64; 7] = [1.0, 2.0, 4.0, 8.0, 12.0, 16.0, 32.0];

/// The process's recorder, installed on first use.
static METRICS: LazyLock<PrometheusHandle> = LazyLock::new(|| {
    let named = |name: &str| Matcher::Full(name.to_owned());
    let recorder = PrometheusBuilder::new()
        .set_buckets(&SECONDS)
        .and_then(|builder| builder.set_buckets_for_metric(named("diptych_query_stage_seconds"), &STAGE_SECONDS))
        .and_then(|builder| builder.set_buckets_for_metric(named("diptych_query_batch_texts"), &TEXTS))
        .expect("there are buckets")
        .build_recorder();
    let handle = recorder.handle();
    // A recorder that another library installed stays in place; then ours remains empty.
    let _ = metrics::set_global_recorder(recorder);
    handle
});

/// Installs the recorder; values recorded before are lost.
pub fn start_metrics() {
    LazyLock::force(&METRICS);
}

/// Aggregates recorded values into the histograms' buckets. Until then every single value is kept, so code that records
/// values calls this regularly, in case the metrics are not scraped.
pub fn tidy_metrics() {
    METRICS.run_upkeep();
}

/// Resident memory of the process in bytes. `None` if the system does not provide it.
pub fn memory_bytes() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    Some(line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()? * 1024)
}

/// All metrics of the process in Prometheus's text format.
pub fn render_metrics() -> String {
    if let Some(bytes) = memory_bytes() {
        metrics::gauge!("process_resident_memory_bytes").set(bytes as f64);
    }
    METRICS.render()
}

/// Starts logging for the process. A second call has no effect.
///
/// # Errors
/// [`BadFilter`].
pub fn start(common: &Common) -> Result<(), BadFilter> {
    let filter =
        EnvFilter::try_new(&common.log).map_err(|e| BadFilter { filter: common.log.clone(), reason: e.to_string() })?;
    let lines = fmt().with_env_filter(filter).with_writer(std::io::stderr).with_target(false);
    // An error means that logging was started before, as in tests that start several services in one process.
    let _ = match common.log_format {
        LogFormat::Text => lines.compact().try_init(),
        LogFormat::Json => lines.json().try_init(),
    };
    Ok(())
}
