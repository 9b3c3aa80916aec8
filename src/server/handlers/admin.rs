//! Long work that an owner asks for; each answer is its task.

use std::path::PathBuf;

use axum::{
    Json,
    body::Bytes,
    extract::{Path, Query, State, rejection::PathRejection, rejection::QueryRejection},
    http::header,
    response::{Html, IntoResponse, Response},
};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::{IntoParams, ToSchema};

use crate::server::{
    error::{Code, Outcome, Problem},
    extract::search_params::read,
    responses::{self, Accepted},
    state::App,
};
use crate::{
    catalog::ModelRecord,
    collection::CollectionError,
    training::{DEFAULT_MARGIN, PromotionPolicy, train_settings},
};

/// How to train; an empty body asks for the defaults.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
struct TrainBody {
    /// As in a settings file; what it leaves out is as in the default.
    #[schema(value_type = Object)]
    settings: serde_json::Map<String, Value>,
    /// How much worse than the model that answers the new one may be, in points of validation mAP.
    #[schema(minimum = 0, maximum = 1, default = 0.02)]
    margin: Option<f64>,
    /// Make the new model answer whatever speaks against it.
    force: bool,
}

/// What to import.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct ImportBody {
    /// A folder, a data.jsonl or a CSV of the machine that serves.
    #[schema(value_type = String)]
    path: PathBuf,
}

/// Which form a report has.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct ReportOptions {
    #[serde(default)]
    #[param(inline)]
    format: Format,
}

/// JSON, or a page for people.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
enum Format {
    #[default]
    Json,
    Html,
}

/// A model.
#[derive(Serialize, ToSchema)]
struct ModelView {
    version: String,
    /// Whether it answers.
    active: bool,
    #[schema(format = DateTime)]
    created_at: String,
    image_encoder: String,
    text_encoder: String,
    /// How long its training took.
    seconds: f64,
    /// How good it is on the test split.
    #[schema(value_type = Object)]
    report: Value,
    /// What was measured before it might answer.
    #[schema(value_type = Option<Object>)]
    gate: Value,
}

/// All models, newest first.
#[derive(Serialize, ToSchema)]
pub(crate) struct ModelList {
    /// The one that answers.
    active: Option<String>,
    /// The one that answered before, to which a rollback goes.
    before: Option<String>,
    models: Vec<ModelView>,
}

/// How good a model is.
#[derive(Serialize, ToSchema)]
struct ReportView {
    version: String,
    #[schema(value_type = Object)]
    report: Value,
    #[schema(value_type = Option<Object>)]
    gate: Value,
    /// Those of its training.
    #[schema(value_type = Object)]
    settings: Value,
    /// What plots show: confusion as (true class, named class, pictures), precision at 21 recalls, promised relevance against what
    /// was found. Null until an evaluation has made them.
    #[schema(value_type = Option<Object>)]
    curves: Value,
}

/// Build the index anew
///
/// The next index is built beside the live one and swapped in when it is whole. While one is at work, that one is the answer.
#[utoipa::path(post, path = "/v1/admin/reindex", tag = "admin", responses(Accepted))]
pub(crate) async fn reindex(State(app): State<App>) -> Outcome<Accepted> {
    Ok(Accepted::from(app.engine.tasks().reindex().await?))
}

/// Compare the index with scans
#[utoipa::path(post, path = "/v1/admin/selftest", tag = "admin", responses(Accepted))]
pub(crate) async fn selftest(State(app): State<App>) -> Outcome<Accepted> {
    Ok(Accepted::from(app.engine.tasks().self_test().await?))
}

/// Measure the model that answers
#[utoipa::path(post, path = "/v1/admin/evaluate", tag = "admin", responses(Accepted))]
pub(crate) async fn evaluate(State(app): State<App>) -> Outcome<Accepted> {
    Ok(Accepted::from(app.engine.tasks().evaluate().await?))
}

/// Back the collection up
///
/// One archive of catalog, pictures, models and index, taken while requests are answered; the task's result says where it lies.
/// `diptych restore` reads it.
#[utoipa::path(post, path = "/v1/admin/backup", tag = "admin", responses(Accepted))]
pub(crate) async fn backup(State(app): State<App>) -> Outcome<Accepted> {
    Ok(Accepted::from(app.engine.tasks().backup().await?))
}

/// Give back what is no longer needed
///
/// Features, pictures, thumbnails and indexes that nothing refers to, and the catalog's empty pages.
#[utoipa::path(post, path = "/v1/admin/compact", tag = "admin", responses(Accepted))]
pub(crate) async fn compact(State(app): State<App>) -> Outcome<Accepted> {
    Ok(Accepted::from(app.engine.tasks().compact().await?))
}

/// Learn from the collection
///
/// A new model answers only if it is not worse than the one that does; queries are answered all the while.
#[utoipa::path(post, path = "/v1/admin/train", tag = "admin", request_body = Option<TrainBody>, responses(Accepted))]
pub(crate) async fn train(State(app): State<App>, body: Bytes) -> Outcome<Accepted> {
    let body: Option<TrainBody> = if body.is_empty() { None } else { from_bytes(&body)? };
    let TrainBody { settings, margin, force } = body.unwrap_or_default();
    let settings = train_settings(settings)?;
    let margin = margin.unwrap_or(DEFAULT_MARGIN);
    if !(0.0..=1.0).contains(&margin) {
        let detail = format!("margin: it is {margin}; allowed are points of mAP from 0 to 1");
        return Err(Problem::new(Code::InvalidSettings, detail).at("/margin"));
    }
    Ok(Accepted::from(app.engine.tasks().train(settings, PromotionPolicy { margin, force }).await?))
}

/// Take what lies on the machine that serves
#[utoipa::path(post, path = "/v1/admin/import", tag = "admin", request_body = ImportBody, responses(Accepted))]
pub(crate) async fn import(State(app): State<App>, body: Bytes) -> Outcome<Accepted> {
    let ImportBody { path } = from_bytes(&body)?;
    Ok(Accepted::from(app.engine.tasks().import(path).await?))
}

/// All models
#[utoipa::path(get, path = "/v1/models", tag = "admin",
    responses((status = 200, description = "Newest first", body = ModelList)))]
pub(crate) async fn models(State(app): State<App>) -> Outcome<Json<ModelList>> {
    let catalog = &app.engine.collection().catalog;
    let models = catalog.models().await?;
    let active = catalog.active_model().await?.map(|model| model.version);
    let models = models.into_iter().rev().map(|model| in_short(model, active.as_deref())).collect();
    let before = catalog.previous_model().await?.map(|model| model.version);
    Ok(Json(ModelList { active, before, models }))
}

/// How good a model is
///
/// As JSON or, once an evaluation has made it, as a page for people.
#[utoipa::path(get, path = "/v1/models/{id}/report", tag = "admin", params(("id" = String, Path), ReportOptions),
    responses((status = 200, description = "The report", content((ReportView = "application/json"), (String = "text/html")))))]
pub(crate) async fn report(
    State(app): State<App>,
    id: Result<Path<String>, PathRejection>,
    options: Result<Query<ReportOptions>, QueryRejection>,
) -> Outcome<Response> {
    let (Path(id), Query(ReportOptions { format })) = (id?, options?);
    let collection = app.engine.collection();
    let record = collection.catalog.model(&id).await?;
    let record = record.ok_or_else(|| Problem::from(CollectionError::NoSuchModel(id.clone())))?;
    if format == Format::Json {
        let ModelRecord { version, report, promotion: gate, settings, .. } = record;
        let curves = tokio::fs::read(collection.data_dir.report_curves(&version)).await.unwrap_or_default();
        let curves = serde_json::from_slice(&curves).unwrap_or_default();
        return Ok(Json(ReportView { version, report, gate, settings, curves }).into_response());
    }
    let page = tokio::fs::read_to_string(collection.data_dir.report_page(&record.version)).await.map_err(|_| {
        let detail =
            format!("model {id:?} has no page yet; POST /v1/admin/evaluate makes it for the model that answers");
        Problem::new(Code::NotFound, detail)
    })?;
    // It shows captions and pictures of anybody; it has no script and needs none.
    let policy = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; sandbox allow-popups";
    Ok(([(header::CONTENT_SECURITY_POLICY, policy)], Html(page)).into_response())
}

/// Make a model answer
#[utoipa::path(post, path = "/v1/models/{id}/activate", tag = "admin", params(("id" = String, Path)), responses(Accepted))]
pub(crate) async fn activate(State(app): State<App>, id: Result<Path<String>, PathRejection>) -> Outcome<Accepted> {
    let Path(id) = id?;
    Ok(Accepted::from(app.engine.tasks().switch_model(Some(id)).await?))
}

/// Make the model answer that did before
#[utoipa::path(post, path = "/v1/models/rollback", tag = "admin", responses(Accepted))]
pub(crate) async fn roll_back(State(app): State<App>) -> Outcome<Accepted> {
    Ok(Accepted::from(app.engine.tasks().switch_model(None).await?))
}

fn in_short(model: ModelRecord, active: Option<&str>) -> ModelView {
    let ModelRecord { version, created_at, image_encoder, text_encoder, report, seconds, promotion: gate, settings: _ } =
        model;
    ModelView {
        active: active == Some(version.as_str()),
        created_at: responses::timestamp(created_at),
        version,
        image_encoder,
        text_encoder,
        seconds,
        report,
        gate,
    }
}

/// JSON whatever the Content-Type says: a body is optional on some of these routes.
fn from_bytes<T: serde::de::DeserializeOwned>(body: &[u8]) -> Outcome<T> {
    let value: Value = serde_json::from_slice(body).map_err(|e| Problem::new(Code::MalformedRequest, e.to_string()))?;
    read(value)
}
