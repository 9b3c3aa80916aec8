//! Response with the projection of the common space.

use serde::Serialize;
use utoipa::ToSchema;

use crate::engine::{self, Kind, Projection};

/// The common space in two dimensions (t-SNE). Close points are close in the space; large distances mean nothing.
#[derive(Serialize, ToSchema)]
pub(crate) struct ProjectionResponse {
    model: String,
    index_generation: u64,
    /// Points of the collection; `points` is an even sample of them.
    total: usize,
    points: Vec<ProjectedPoint>,
}

/// An image or a caption.
#[derive(Serialize, ToSchema)]
struct ProjectedPoint {
    kind: Kind,
    /// Id of the item.
    id: String,
    /// Position of the caption among those of its item, from 0.
    #[serde(skip_serializing_if = "Option::is_none")]
    caption: Option<i64>,
    /// First label of the item.
    label: Option<String>,
    /// From -1 to 1.
    x: f32,
    /// From -1 to 1.
    y: f32,
}

impl From<&Projection> for ProjectionResponse {
    fn from(map: &Projection) -> Self {
        Self {
            model: map.model.clone(),
            index_generation: map.generation,
            total: map.total,
            points: map.points.iter().map(ProjectedPoint::from).collect(),
        }
    }
}

impl From<&engine::ProjectedPoint> for ProjectedPoint {
    fn from(engine::ProjectedPoint { kind, sampled, x, y }: &engine::ProjectedPoint) -> Self {
        // Three digits are finer than a screen's pixels, and a third of the bytes.
        let round = |x: f32| (x * 1000.0).round() / 1000.0;
        Self {
            kind: *kind,
            id: sampled.id.clone(),
            caption: sampled.position,
            label: sampled.label.clone(),
            x: round(*x),
            y: round(*y),
        }
    }
}
