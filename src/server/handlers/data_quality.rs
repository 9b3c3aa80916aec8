//! Quality of the collection's data: `GET /v1/admin/health`.

use axum::{Json, extract::State};
use utoipa_axum::routes;

use crate::server::{ApiResult, App, RoutePolicy, Routes, responses::data_quality::DataQuality};

/// Rejected records and unreadable images in a response.
const LISTED: u32 = 100;

pub(crate) fn routes() -> Routes {
    Routes::new().route(RoutePolicy::ADMIN, routes!(get_data_quality))
}

/// Get data quality
///
/// Items that lack an image, a caption or a label, duplicate and unreadable images, and the records that imports
/// refused.
#[utoipa::path(get, path = "/v1/admin/health", tag = "admin",
    responses((status = 200, description = "Data quality of the collection", body = DataQuality)))]
async fn get_data_quality(State(app): State<App>) -> ApiResult<Json<DataQuality>> {
    let catalog = &app.engine.collection().catalog;
    Ok(Json(DataQuality::new(catalog.counts().await?, catalog.data_quality(LISTED).await?)))
}
