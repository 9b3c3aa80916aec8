//! Responses with the state of the service.

use serde::Serialize;
use utoipa::ToSchema;

/// Readiness of the service.
#[derive(Serialize, ToSchema)]
pub(crate) struct ReadyResponse {
    pub(crate) status: Readiness,
    /// Why the service is degraded.
    pub(crate) reason: Option<String>,
    /// The active model.
    pub(crate) model: String,
    pub(crate) index_generation: u64,
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Readiness {
    Ready,
    /// Queries are answered by scans until the index is rebuilt.
    Degraded,
}

/// Version, model, size and limits of the service.
#[derive(Serialize, ToSchema)]
pub(crate) struct InfoResponse {
    pub(crate) name: &'static str,
    pub(crate) version: &'static str,
    /// Null until a model is trained.
    pub(crate) model: Option<ModelInfo>,
    pub(crate) collection: CollectionInfo,
    pub(crate) limits: LimitsInfo,
}

/// The active model.
#[derive(Serialize, ToSchema)]
pub(crate) struct ModelInfo {
    pub(crate) version: String,
    /// Dimensions of the common space.
    pub(crate) dims: usize,
    pub(crate) classes: usize,
    pub(crate) image_encoder: String,
    pub(crate) text_encoder: String,
    pub(crate) index_generation: u64,
}

/// Size of the collection.
#[derive(Serialize, ToSchema)]
pub(crate) struct CollectionInfo {
    pub(crate) pictures: i64,
    pub(crate) captions: i64,
    pub(crate) labels: i64,
}

/// Limits of requests.
#[derive(Serialize, ToSchema)]
pub(crate) struct LimitsInfo {
    /// Characters of a query's words.
    pub(crate) text_chars: usize,
    /// Results of a page.
    pub(crate) results: usize,
    /// Terms of a query.
    pub(crate) terms: usize,
    /// Queries that wait for an encoder.
    pub(crate) queue: usize,
    /// Bytes of a body that may hold pictures.
    pub(crate) picture_bytes: usize,
    pub(crate) picture_pixels: u64,
    /// Pixels of the longer side of a picture.
    pub(crate) picture_side: u32,
    /// Bytes of any other body.
    pub(crate) body_bytes: usize,
    /// Bytes of all bodies that are read at the same time.
    pub(crate) upload_bytes: usize,
    /// Bytes of a request's first line and headers.
    pub(crate) head_bytes: usize,
    /// Headers of a request.
    pub(crate) headers: usize,
    /// Items of a batch that are taken while the client waits; a larger one is a task.
    pub(crate) batch: usize,
    /// Filters within filters.
    pub(crate) filter_depth: usize,
    pub(crate) filter_conditions: usize,
    /// Searches and changes at work at the same time.
    pub(crate) requests: usize,
    /// Connections at the same time.
    pub(crate) connections: usize,
    /// How long a request's head may take to come.
    pub(crate) head_timeout_ms: u64,
    /// How long a request's body may take to come.
    pub(crate) body_timeout_ms: u64,
    /// How long an answer may take, once the request is there.
    pub(crate) request_timeout_ms: u64,
    /// How long running requests may take once the service is asked to end.
    pub(crate) drain_timeout_ms: u64,
}

/// Current state of the service.
#[derive(Serialize, ToSchema)]
pub(crate) struct StatsResponse {
    /// Seconds since the start of the service.
    pub(crate) uptime_seconds: f64,
    /// Resident memory of the process, in bytes; null if the system does not report it.
    pub(crate) memory_bytes: Option<u64>,
    /// Searches and writes that are running.
    pub(crate) requests_at_work: usize,
    /// Null until a model is trained.
    pub(crate) index: Option<IndexStats>,
    pub(crate) tasks: TaskStats,
}

/// State of the index.
#[derive(Serialize, ToSchema)]
pub(crate) struct IndexStats {
    pub(crate) generation: u64,
    pub(crate) pictures: VectorStats,
    pub(crate) captions: VectorStats,
}

/// Vectors of one modality.
#[derive(Serialize, ToSchema)]
pub(crate) struct VectorStats {
    pub(crate) points: usize,
    /// Vectors that were added since the index was built.
    pub(crate) new: usize,
    /// Deleted vectors that the index still has.
    pub(crate) gone: usize,
    pub(crate) memory_bytes: usize,
}

/// Tasks.
#[derive(Serialize, ToSchema)]
pub(crate) struct TaskStats {
    pub(crate) running: usize,
}
