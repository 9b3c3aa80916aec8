//! Models: list, report, activate and roll back.

use axum::{
    Json,
    extract::State,
    http::header,
    response::{Html, IntoResponse, Response},
};
use serde::Deserialize;
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::routes;

use crate::{
    catalog::ModelRecord,
    collection::CollectionError,
    server::{
        ApiResult, App, Code, Problem, RoutePolicy, Routes,
        extract::{path::Path, query::Query},
        responses::{
            model::{ModelList, ModelReport, ModelResponse},
            task::TaskAccepted,
        },
    },
};

/// Parameters of a report.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct ReportParams {
    #[serde(default)]
    #[param(inline)]
    format: ReportFormat,
}

/// JSON, or a page for people.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
enum ReportFormat {
    #[default]
    Json,
    Html,
}

pub(crate) fn routes() -> Routes {
    Routes::new()
        .route(RoutePolicy::ADMIN, routes!(list_models))
        .route(RoutePolicy::ADMIN, routes!(get_model_report))
        .route(RoutePolicy::ADMIN.idempotent(), routes!(activate_model))
        .route(RoutePolicy::ADMIN.idempotent(), routes!(roll_back_model))
}

/// List models
#[utoipa::path(get, path = "/v1/models", tag = "admin",
    responses((status = 200, description = "All models, newest first", body = ModelList)))]
async fn list_models(State(app): State<App>) -> ApiResult<Json<ModelList>> {
    let catalog = &app.engine.collection().catalog;
    let models = catalog.models().await?;
    let active = catalog.active_model().await?.map(|model| model.version);
    let models = models.into_iter().rev().map(|model| ModelResponse::new(model, active.as_deref())).collect();
    let before = catalog.previous_model().await?.map(|model| model.version);
    Ok(Json(ModelList { active, before, models }))
}

/// Get model report
///
/// As JSON or, after an evaluation, as a page.
#[utoipa::path(get, path = "/v1/models/{id}/report", tag = "admin",
    params(("id" = String, Path, description = "Version of the model"), ReportParams),
    responses((status = 200, description = "Evaluation of the model",
        content((ModelReport = "application/json"), (String = "text/html")))))]
async fn get_model_report(
    State(app): State<App>,
    Path(id): Path<String>,
    Query(ReportParams { format }): Query<ReportParams>,
) -> ApiResult<Response> {
    let collection = app.engine.collection();
    let record = collection.catalog.model(&id).await?;
    let record = record.ok_or_else(|| CollectionError::NoSuchModel(id.clone()))?;
    if format == ReportFormat::Json {
        let ModelRecord { version, report, promotion: gate, settings, .. } = record;
        let curves = tokio::fs::read(collection.data_dir.report_curves(&version)).await.unwrap_or_default();
        let curves = serde_json::from_slice(&curves).unwrap_or_default();
        return Ok(Json(ModelReport { version, report, gate, settings, curves }).into_response());
    }
    let page = tokio::fs::read_to_string(collection.data_dir.report_page(&record.version)).await.map_err(|_| {
        let detail =
            format!("model {id:?} has no report page; POST /v1/admin/evaluate creates one for the active model");
        Problem::new(Code::NotFound, detail)
    })?;
    // The page shows captions and images from untrusted sources, and needs no scripts.
    let policy = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; sandbox allow-popups";
    Ok(([(header::CONTENT_SECURITY_POLICY, policy)], Html(page)).into_response())
}

/// Activate model
#[utoipa::path(post, path = "/v1/models/{id}/activate", tag = "admin",
    params(("id" = String, Path, description = "Version of the model")), responses(TaskAccepted))]
async fn activate_model(State(app): State<App>, Path(id): Path<String>) -> ApiResult<TaskAccepted> {
    Ok(TaskAccepted::from(app.engine.tasks().switch_model(Some(id)).await?))
}

/// Roll back to previous model
#[utoipa::path(post, path = "/v1/models/rollback", tag = "admin", responses(TaskAccepted))]
async fn roll_back_model(State(app): State<App>) -> ApiResult<TaskAccepted> {
    Ok(TaskAccepted::from(app.engine.tasks().switch_model(None).await?))
}
