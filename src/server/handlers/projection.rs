//! Projection of the common space to two dimensions: `GET /v1/map`.

use axum::{Json, extract::State};
use serde::Deserialize;
use utoipa::IntoParams;
use utoipa_axum::routes;

use crate::server::{
    ApiResult, App, Problem, RoutePolicy, Routes, extract::query::Query, responses::projection::ProjectionResponse,
};

/// Points of a projection, by default and at most.
const DEFAULT_POINTS: u32 = 5000;
const MAX_POINTS: u32 = 20_000;

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct ProjectionParams {
    /// Maximum number of points.
    #[param(minimum = 1, maximum = 20_000, default = 5000, nullable = false)]
    limit: Option<u32>,
}

pub(crate) fn routes() -> Routes {
    Routes::new().route(RoutePolicy::SEARCH, routes!(get_projection))
}

/// Get projection
///
/// Images and captions in two dimensions (t-SNE). The first request after a training or a reindex computes it, which
/// takes some seconds.
#[utoipa::path(get, path = "/v1/map", tag = "search", params(ProjectionParams),
    responses((status = 200, description = "Points of the projection", body = ProjectionResponse)))]
async fn get_projection(
    State(app): State<App>,
    Query(ProjectionParams { limit }): Query<ProjectionParams>,
) -> ApiResult<Json<ProjectionResponse>> {
    let limit = Problem::check_range("limit", limit.unwrap_or(DEFAULT_POINTS), 1..=MAX_POINTS)?;
    Ok(Json(ProjectionResponse::from(&*app.engine.projections().project(limit).await?)))
}
