//! Responses with the state of the service.

use serde::Serialize;
use utoipa::ToSchema;

use crate::{config::Limits, engine::VectorIndexStats};

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
    #[serde(flatten)]
    pub(crate) limits: Limits,
    /// Maximum number of pixels of an image.
    pub(crate) picture_pixels: u64,
    /// Maximum length of an image's longer side in pixels.
    pub(crate) picture_side: u32,
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

impl From<VectorIndexStats> for VectorStats {
    fn from(stats: VectorIndexStats) -> Self {
        let VectorIndexStats { points, delta_points, tombstones, memory_bytes } = stats;
        Self { points, new: delta_points, gone: tombstones, memory_bytes }
    }
}

/// Tasks.
#[derive(Serialize, ToSchema)]
pub(crate) struct TaskStats {
    pub(crate) running: usize,
}
