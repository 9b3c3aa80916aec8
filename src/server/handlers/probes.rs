//! Probes of orchestrators and load balancers, and metrics.

use axum::{Json, extract::State, http::header, response::IntoResponse};
use utoipa_axum::routes;

use crate::{
    server::{
        ApiResult, App, RoutePolicy, Routes,
        responses::info::{Readiness, ReadyResponse},
    },
    telemetry,
};

/// `metrics_open`: whether `/metrics` is open to everyone.
pub(crate) fn routes(metrics_open: bool) -> Routes {
    let metrics_policy = if metrics_open { RoutePolicy::OPEN } else { RoutePolicy::ADMIN };
    Routes::new()
        .route(RoutePolicy::OPEN, routes!(healthz))
        .route(RoutePolicy::OPEN, routes!(readyz))
        .route(metrics_policy, routes!(metrics))
}

/// Check liveness
#[utoipa::path(get, path = "/healthz", tag = "info",
    responses((status = 200, description = "The process is alive", body = str, content_type = "text/plain")))]
async fn healthz() -> &'static str {
    "ok"
}

/// Check readiness
///
/// Ready once queries are answered without a warm-up. `degraded` means that scans answer until the index is rebuilt;
/// `reason` says why.
#[utoipa::path(get, path = "/readyz", tag = "info",
    responses((status = 200, description = "Queries are answered", body = ReadyResponse)))]
async fn readyz(State(app): State<App>) -> ApiResult<Json<ReadyResponse>> {
    app.engine.collection().catalog.ping().await?;
    let generation = app.engine.serving().ready_for_traffic().await?;
    Ok(Json(ReadyResponse {
        status: if generation.degraded_reason.is_some() { Readiness::Degraded } else { Readiness::Ready },
        reason: generation.degraded_reason.clone(),
        model: generation.record.version.clone(),
        index_generation: generation.number,
    }))
}

/// Get metrics
#[utoipa::path(get, path = "/metrics", tag = "info", responses(
    (status = 200, description = "Metrics in Prometheus' text format", body = str, content_type = "text/plain")))]
async fn metrics(State(app): State<App>) -> impl IntoResponse {
    app.engine.export_metrics();
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4")], telemetry::render_metrics())
}
