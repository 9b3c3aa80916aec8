//! The common space on a sheet of paper.

use axum::{
    Json,
    extract::{Query, State, rejection::QueryRejection},
};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::engine::{Kind, ProjectedPoint};
use crate::server::{
    error::{Outcome, Problem},
    state::App,
};

/// Points of a sheet, unless it is asked for more or fewer, and at most.
const POINTS: u32 = 5000;
const MOST_POINTS: u32 = 20_000;

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct MapOptions {
    /// Points at most; 5000 unless said otherwise.
    #[param(minimum = 1, maximum = 20_000, nullable = false)]
    limit: Option<u32>,
}

/// The common space on a sheet: what is near on it is near in the space, distances between far ones mean nothing.
#[derive(Serialize, ToSchema)]
pub(crate) struct MapView {
    model: String,
    index_generation: u64,
    /// Points that there are; a sheet shows an even sample of them.
    total: usize,
    points: Vec<PointView>,
}

/// A picture or a caption on the sheet.
#[derive(Serialize, ToSchema)]
struct PointView {
    kind: Kind,
    /// The id of its item.
    id: String,
    /// A caption's place among those of its item, from 0.
    #[serde(skip_serializing_if = "Option::is_none")]
    caption: Option<i64>,
    /// The first class of its item.
    label: Option<String>,
    /// From -1 to 1.
    x: f32,
    /// From -1 to 1.
    y: f32,
}

/// Pictures and captions on a sheet of paper
///
/// Made when it is first asked for after a training or a reindex, which takes some seconds.
#[utoipa::path(get, path = "/v1/map", tag = "search", params(MapOptions),
    responses((status = 200, description = "The sheet", body = MapView)))]
pub(crate) async fn map(
    State(app): State<App>,
    options: Result<Query<MapOptions>, QueryRejection>,
) -> Outcome<Json<MapView>> {
    let Query(MapOptions { limit }) = options?;
    let limit = limit.unwrap_or(POINTS);
    if !(1..=MOST_POINTS).contains(&limit) {
        return Err(Problem::out_of_range("limit", limit, &(1..=MOST_POINTS)));
    }
    let map = app.engine.projections().project(limit).await?;
    // Three digits are finer than any screen, and a third of the bytes.
    let short = |x: f32| (x * 1000.0).round() / 1000.0;
    let point = |ProjectedPoint { kind, sampled, x, y }: &ProjectedPoint| PointView {
        kind: *kind,
        id: sampled.id.clone(),
        caption: sampled.position,
        label: sampled.label.clone(),
        x: short(*x),
        y: short(*y),
    };
    Ok(Json(MapView {
        model: map.model.clone(),
        index_generation: map.generation,
        total: map.total,
        points: map.points.iter().map(point).collect(),
    }))
}
