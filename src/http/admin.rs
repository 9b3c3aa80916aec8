//! Long work that an owner asks for, and how far it is.

use axum::{
    Json,
    extract::{Path, State, rejection::PathRejection},
    response::IntoResponse,
};
use serde_json::Value;

use super::{
    App,
    error::{Code, Outcome, Problem},
    view,
};
use crate::search::SearchError;

/// `POST /v1/admin/reindex`
pub(super) async fn reindex(State(app): State<App>) -> Outcome<impl IntoResponse> {
    let task = app.engine.reindex().await?;
    Ok(view::accepted(view::task(&task), task.id))
}

/// `POST /v1/admin/selftest`
pub(super) async fn selftest(State(app): State<App>) -> Outcome<impl IntoResponse> {
    let task = app.engine.self_test().await?;
    Ok(view::accepted(view::task(&task), task.id))
}

/// `GET /v1/tasks/{id}`
pub(super) async fn task(State(app): State<App>, id: Result<Path<i64>, PathRejection>) -> Outcome<Json<Value>> {
    let Path(id) = id?;
    let task = app.engine.library().catalog.task(id).await.map_err(SearchError::from)?;
    let task = task.ok_or_else(|| Problem::new(Code::NotFound, format!("there is no task {id}")))?;
    Ok(Json(view::task(&task)))
}
