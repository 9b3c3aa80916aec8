//! Long work that an owner asks for; each answer is its task.

use std::path::PathBuf;

use axum::{
    Json,
    body::Bytes,
    extract::{Path, Query, State, rejection::PathRejection, rejection::QueryRejection},
    http::header,
    response::{Html, IntoResponse, Response},
};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{
    App,
    error::{Code, Outcome, Problem},
    options::read,
    view,
};
use crate::{
    catalog::{ModelRecord, Task},
    search::{DEFAULT_MARGIN, Gate, SearchError, train_settings},
};

/// The body of a training; an empty one asks for the defaults.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct TrainBody {
    /// As in a settings file; what it leaves out is as in the default.
    settings: serde_json::Map<String, Value>,
    margin: Option<f64>,
    force: bool,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct ImportBody {
    path: PathBuf,
}

/// Which form a report has.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ReportOptions {
    #[serde(default)]
    format: Format,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Format {
    #[default]
    Json,
    Html,
}

/// `POST /v1/admin/reindex`
pub(super) async fn reindex(State(app): State<App>) -> Outcome<impl IntoResponse> {
    accepted(app.engine.reindex().await)
}

/// `POST /v1/admin/selftest`
pub(super) async fn selftest(State(app): State<App>) -> Outcome<impl IntoResponse> {
    accepted(app.engine.self_test().await)
}

/// `POST /v1/admin/evaluate`
pub(super) async fn evaluate(State(app): State<App>) -> Outcome<impl IntoResponse> {
    accepted(app.engine.evaluate().await)
}

/// `POST /v1/admin/train`
pub(super) async fn train(State(app): State<App>, body: Bytes) -> Outcome<impl IntoResponse> {
    let TrainBody { settings, margin, force } = if body.is_empty() { TrainBody::default() } else { from_bytes(&body)? };
    let settings = train_settings(settings)?;
    let margin = margin.unwrap_or(DEFAULT_MARGIN);
    if !(0.0..=1.0).contains(&margin) {
        let detail = format!("margin: it is {margin}; allowed are points of mAP from 0 to 1");
        return Err(Problem::new(Code::InvalidSettings, detail).at("/margin"));
    }
    accepted(app.engine.train(settings, Gate { margin, force }).await)
}

/// `POST /v1/admin/import`
pub(super) async fn import(State(app): State<App>, body: Bytes) -> Outcome<impl IntoResponse> {
    let ImportBody { path } = from_bytes(&body)?;
    accepted(app.engine.import(path).await)
}

/// `GET /v1/models`
pub(super) async fn models(State(app): State<App>) -> Outcome<Json<Value>> {
    let catalog = &app.engine.library().catalog;
    let models = catalog.models().await.map_err(SearchError::from)?;
    let active = catalog.active_model().await.map_err(SearchError::from)?.map(|model| model.version);
    let models: Vec<Value> = models.iter().rev().map(|model| in_short(model, active.as_deref())).collect();
    Ok(Json(json!({ "active": active, "models": models })))
}

/// `GET /v1/models/{id}/report`, as JSON or, once it was made by an evaluation, as the page for people.
pub(super) async fn report(
    State(app): State<App>,
    id: Result<Path<String>, PathRejection>,
    options: Result<Query<ReportOptions>, QueryRejection>,
) -> Outcome<Response> {
    let (Path(id), Query(ReportOptions { format })) = (id?, options?);
    let library = app.engine.library();
    let record = library.catalog.model(&id).await.map_err(SearchError::from)?;
    let record = record.ok_or_else(|| Problem::from(SearchError::NoSuchModel(id.clone())))?;
    if format == Format::Json {
        let said = json!({
            "version": record.version, "report": record.report, "gate": record.gate, "settings": record.settings,
        });
        return Ok(Json(said).into_response());
    }
    let page = tokio::fs::read_to_string(library.folder.report_page(&record.version)).await.map_err(|_| {
        let detail =
            format!("model {id:?} has no page yet; POST /v1/admin/evaluate makes it for the model that answers");
        Problem::new(Code::NotFound, detail)
    })?;
    // It shows captions and pictures of anybody; it has no script and needs none.
    let policy = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; sandbox allow-popups";
    Ok(([(header::CONTENT_SECURITY_POLICY, policy)], Html(page)).into_response())
}

/// `POST /v1/models/{id}/activate`
pub(super) async fn activate(
    State(app): State<App>,
    id: Result<Path<String>, PathRejection>,
) -> Outcome<impl IntoResponse> {
    let Path(id) = id?;
    accepted(app.engine.switch_model(Some(id)).await)
}

/// `POST /v1/models/rollback`
pub(super) async fn roll_back(State(app): State<App>) -> Outcome<impl IntoResponse> {
    accepted(app.engine.switch_model(None).await)
}

fn in_short(model: &ModelRecord, active: Option<&str>) -> Value {
    json!({
        "version": model.version,
        "active": active == Some(model.version.as_str()),
        "created_at": view::timestamp(model.created_at),
        "image_encoder": model.image_encoder,
        "text_encoder": model.text_encoder,
        "seconds": model.seconds,
        "report": model.report,
        "gate": model.gate,
    })
}

fn accepted(task: Result<Task, SearchError>) -> Outcome<impl IntoResponse> {
    let task = task?;
    Ok(view::accepted(view::task(&task, None), task.id))
}

/// JSON whatever the Content-Type says: a body is optional on some of these routes.
fn from_bytes<T: serde::de::DeserializeOwned>(body: &[u8]) -> Outcome<T> {
    let value: Value = serde_json::from_slice(body).map_err(|e| Problem::new(Code::MalformedRequest, e.to_string()))?;
    read(value)
}
