//! Admin tasks. Each response is the task that was started.

use std::path::PathBuf;

use axum::extract::State;
use serde::Deserialize;
use serde_json::{Map, Value};
use utoipa::ToSchema;
use utoipa_axum::routes;

use crate::{
    engine::{DEFAULT_MARGIN, PromotionPolicy, train_settings},
    server::{
        ApiResult, App, Code, Problem, RoutePolicy, Routes, extract::json::OptionalJson, responses::task::TaskAccepted,
    },
};

/// How to train. Without a body the defaults apply.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
#[schema(example = json!({"settings": {"class": {"lambda": 0.1}}, "margin": 0.02}))]
struct TrainRequest {
    /// Training settings, as in a settings file. Settings that are left out have their default.
    #[schema(value_type = Object)]
    settings: Map<String, Value>,
    /// How much worse than the active model the new one may be to be activated, in points of validation mAP.
    #[schema(minimum = 0, maximum = 1, default = 0.02)]
    margin: Option<f64>,
    /// Activates the new model even if it is worse.
    force: bool,
}

/// What to import.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"path": "/srv/pictures"}))]
struct ImportRequest {
    /// Folder of images, `data.jsonl` or CSV file on the server.
    #[schema(value_type = String)]
    path: PathBuf,
}

pub(crate) fn routes() -> Routes {
    let policy = RoutePolicy::ADMIN.idempotent();
    Routes::new()
        .route(policy, routes!(reindex))
        .route(policy, routes!(self_test))
        .route(policy, routes!(evaluate))
        .route(policy, routes!(backup))
        .route(policy, routes!(compact))
        .route(policy, routes!(train))
        .route(policy, routes!(import))
}

/// Rebuild index
///
/// Builds a new index next to the active one and swaps it in once it is complete. If a rebuild is running already, the
/// response is its task.
#[utoipa::path(post, path = "/v1/admin/reindex", tag = "admin", responses(TaskAccepted))]
async fn reindex(State(app): State<App>) -> ApiResult<TaskAccepted> {
    Ok(TaskAccepted::from(app.engine.tasks().reindex().await?))
}

/// Test index
///
/// Compares results of the index with those of exact scans.
#[utoipa::path(post, path = "/v1/admin/selftest", tag = "admin", responses(TaskAccepted))]
async fn self_test(State(app): State<App>) -> ApiResult<TaskAccepted> {
    Ok(TaskAccepted::from(app.engine.tasks().self_test().await?))
}

/// Evaluate active model
#[utoipa::path(post, path = "/v1/admin/evaluate", tag = "admin", responses(TaskAccepted))]
async fn evaluate(State(app): State<App>) -> ApiResult<TaskAccepted> {
    Ok(TaskAccepted::from(app.engine.tasks().evaluate().await?))
}

/// Back up collection
///
/// Writes catalog, images, models and index to one archive while requests are answered. The task's result has its path;
/// `diptych restore` reads it.
#[utoipa::path(post, path = "/v1/admin/backup", tag = "admin", responses(TaskAccepted))]
async fn backup(State(app): State<App>) -> ApiResult<TaskAccepted> {
    Ok(TaskAccepted::from(app.engine.tasks().backup().await?))
}

/// Compact
///
/// Deletes features, images, thumbnails and indexes that nothing refers to, and frees unused pages of the catalog.
#[utoipa::path(post, path = "/v1/admin/compact", tag = "admin", responses(TaskAccepted))]
async fn compact(State(app): State<App>) -> ApiResult<TaskAccepted> {
    Ok(TaskAccepted::from(app.engine.tasks().compact().await?))
}

/// Train model
///
/// Trains a new model and activates it unless it is worse than the active one. Queries are answered meanwhile.
#[utoipa::path(post, path = "/v1/admin/train", tag = "admin", request_body = Option<TrainRequest>,
    responses(TaskAccepted))]
async fn train(State(app): State<App>, OptionalJson(request): OptionalJson<TrainRequest>) -> ApiResult<TaskAccepted> {
    let TrainRequest { settings, margin, force } = request.unwrap_or_default();
    let settings = train_settings(settings)?;
    let margin = margin.unwrap_or(DEFAULT_MARGIN);
    if !(0.0..=1.0).contains(&margin) {
        let reason = format!("{margin} is out of range; allowed are points of mAP from 0 to 1");
        return Err(Problem::invalid_field(Code::InvalidSettings, "margin", reason));
    }
    Ok(TaskAccepted::from(app.engine.tasks().train(settings, PromotionPolicy { margin, force }).await?))
}

/// Import from server
///
/// Imports images and records from a path on the server.
#[utoipa::path(post, path = "/v1/admin/import", tag = "admin", request_body = ImportRequest, responses(TaskAccepted))]
async fn import(State(app): State<App>, OptionalJson(request): OptionalJson<ImportRequest>) -> ApiResult<TaskAccepted> {
    let ImportRequest { path } =
        request.ok_or_else(|| Problem::malformed("a body with the field \"path\" is expected"))?;
    Ok(TaskAccepted::from(app.engine.tasks().import(path).await?))
}
