//! Label issues: labels and captions that may be wrong (`/v1/admin/review`).

use axum::{Json, extract::State, http::StatusCode};
use utoipa_axum::routes;

use crate::server::{
    ApiResult, App, Code, Problem, RoutePolicy, Routes, extract::path::Path, responses::label_issue::LabelIssueList,
};

pub(crate) fn routes() -> Routes {
    Routes::new()
        .route(RoutePolicy::ADMIN, routes!(list_label_issues))
        .route(RoutePolicy::ADMIN.idempotent(), routes!(dismiss_label_issue, restore_label_issue))
}

/// List label issues
///
/// Labels and captions that the last evaluation found to be probably wrong, without those that were dismissed or whose
/// label, caption or image has changed since.
#[utoipa::path(get, path = "/v1/admin/review", tag = "admin",
    responses((status = 200, description = "Open issues", body = LabelIssueList)))]
async fn list_label_issues(State(app): State<App>) -> ApiResult<Json<LabelIssueList>> {
    Ok(Json(app.engine.collection().catalog.open_issues().await?.into()))
}

/// Dismiss issue
///
/// Marks the label or caption as correct. It is not reported again unless the item's labels, the caption or the image
/// change.
#[utoipa::path(post, path = "/v1/admin/review/{id}/settle", tag = "admin",
    params(("id" = i64, Path, description = "Id of the issue")),
    responses((status = 204, description = "The issue was dismissed")))]
async fn dismiss_label_issue(State(app): State<App>, Path(id): Path<i64>) -> ApiResult<StatusCode> {
    set_dismissed(&app, id, true).await
}

/// Restore dismissed issue
#[utoipa::path(delete, path = "/v1/admin/review/{id}/settle", tag = "admin",
    params(("id" = i64, Path, description = "Id of the issue")),
    responses((status = 204, description = "The issue is open again")))]
async fn restore_label_issue(State(app): State<App>, Path(id): Path<i64>) -> ApiResult<StatusCode> {
    set_dismissed(&app, id, false).await
}

async fn set_dismissed(app: &App, id: i64, dismissed: bool) -> ApiResult<StatusCode> {
    if app.engine.collection().catalog.set_issue_dismissed(id, dismissed).await? {
        return Ok(StatusCode::NO_CONTENT);
    }
    let state = if dismissed { "open" } else { "dismissed" };
    Err(Problem::new(Code::NotFound, format!("there is no {state} issue with the id {id}")))
}
