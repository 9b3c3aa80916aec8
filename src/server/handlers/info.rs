//! Version, limits and state of the service.

use axum::{Json, extract::State};
use utoipa_axum::routes;

use crate::{
    engine::Kind,
    server::{
        ApiResult, App, RoutePolicy, Routes,
        responses::info::{CollectionInfo, IndexStats, InfoResponse, LimitsInfo, ModelInfo, StatsResponse, TaskStats},
    },
    telemetry,
};

pub(crate) fn routes() -> Routes {
    Routes::new().route(RoutePolicy::OPEN, routes!(get_info)).route(RoutePolicy::OPEN, routes!(get_stats))
}

/// Get version and limits
///
/// Also the model and the size of the collection.
#[utoipa::path(get, path = "/v1/info", tag = "info",
    responses((status = 200, description = "Version, model, size and limits", body = InfoResponse)))]
async fn get_info(State(app): State<App>) -> ApiResult<Json<InfoResponse>> {
    let counts = app.engine.collection().catalog.counts().await?;
    let model = app.engine.serving().live().map(|generation| ModelInfo {
        version: generation.record.version.clone(),
        dims: generation.model.dims(),
        classes: generation.model.classes().len(),
        image_encoder: generation.record.image_encoder.clone(),
        text_encoder: generation.record.text_encoder.clone(),
        index_generation: generation.number,
    });
    let images = app.engine.collection().limits;
    Ok(Json(InfoResponse {
        name: env!("CARGO_PKG_NAME"),
        version: env!("CARGO_PKG_VERSION"),
        model,
        collection: CollectionInfo { pictures: counts.images, captions: counts.captions, labels: counts.labels },
        limits: LimitsInfo { limits: app.limits, picture_pixels: images.max_pixels, picture_side: images.max_side },
    }))
}

/// Get current state
#[utoipa::path(get, path = "/v1/stats", tag = "info",
    responses((status = 200, description = "State of index, tasks and memory", body = StatsResponse)))]
async fn get_stats(State(app): State<App>) -> Json<StatsResponse> {
    let index = app.engine.serving().live().map(|generation| IndexStats {
        generation: generation.number,
        pictures: generation.indexes.stats(Kind::Image).into(),
        captions: generation.indexes.stats(Kind::Text).into(),
    });
    Json(StatsResponse {
        uptime_seconds: app.started.elapsed().as_secs_f64(),
        memory_bytes: telemetry::memory_bytes(),
        requests_at_work: app.admission.running(),
        index,
        tasks: TaskStats { running: app.engine.tasks().running() },
    })
}
