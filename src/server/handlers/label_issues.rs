//! What may be wrong with the collection's labels and captions, for whoever owns it to review.

use axum::{
    Json,
    extract::{Path, State, rejection::PathRejection},
    http::StatusCode,
};
use serde::Serialize;
use utoipa::ToSchema;

use crate::catalog::{Issue, OpenIssue};
use crate::server::{
    error::{Code, Outcome, Problem},
    handlers::item_images,
    responses::{ItemView, timestamp},
    state::App,
};

/// What there is to review.
#[derive(Serialize, ToSchema)]
pub(crate) struct ReviewView {
    /// When an evaluation last looked at the whole collection; null if none ever did.
    #[schema(format = DateTime)]
    looked_at: Option<String>,
    /// Labels first, the surest first; at most sixty of each kind.
    entries: Vec<EntryView>,
}

/// Something that may be wrong.
#[derive(Serialize, ToSchema)]
struct EntryView {
    id: i64,
    #[serde(flatten)]
    doubt: DoubtView,
    item: ItemView,
    /// Of the item as it is here: a change that shows it in `If-Match` changes nothing that was changed meanwhile.
    etag: String,
}

/// What may be wrong with it.
#[derive(Serialize, ToSchema)]
#[serde(tag = "kind", rename_all = "lowercase")]
enum DoubtView {
    /// Items that look and read like it bear another label.
    Label {
        /// That label.
        suggested: String,
        /// How much more the neighbours are for that one than for the item's own, in (0, 1].
        lead: f64,
    },
    /// A caption lies far from its picture.
    Caption {
        caption: String,
        /// ‖u − v‖ of the two points, in [0, 2].
        distance: f64,
    },
}

/// Labels and captions that may be wrong
///
/// What the last evaluation found. What no longer has these labels, this caption or this picture is not among it; what is right as it
/// is can be settled.
#[utoipa::path(get, path = "/v1/admin/review", tag = "admin",
    responses((status = 200, description = "All that is not settled", body = ReviewView)))]
pub(crate) async fn review(State(app): State<App>) -> Outcome<Json<ReviewView>> {
    let review = app.engine.collection().catalog.open_issues().await?;
    let entry = |OpenIssue { key, item, issue }| EntryView {
        id: key,
        doubt: match issue {
            Issue::Label { labels: _, suggested, margin } => DoubtView::Label { suggested, lead: margin },
            Issue::Caption { text, distance } => DoubtView::Caption { caption: text, distance },
        },
        etag: item_images::tag(&item),
        item: ItemView::of(item, None),
    };
    Ok(Json(ReviewView {
        looked_at: review.evaluated_at.map(timestamp),
        entries: review.issues.into_iter().map(entry).collect(),
    }))
}

/// Say that a label or caption is right as it is
///
/// It is not doubted again, unless the item's labels, the caption or the picture change.
#[utoipa::path(post, path = "/v1/admin/review/{id}/settle", tag = "admin", params(("id" = i64, Path)),
    responses((status = 204, description = "It is settled")))]
pub(crate) async fn settle(State(app): State<App>, id: Result<Path<i64>, PathRejection>) -> Outcome<StatusCode> {
    set(&app, id, true).await
}

/// Take back that a label or caption is right as it is
#[utoipa::path(delete, path = "/v1/admin/review/{id}/settle", tag = "admin", params(("id" = i64, Path)),
    responses((status = 204, description = "It is doubted again")))]
pub(crate) async fn unsettle(State(app): State<App>, id: Result<Path<i64>, PathRejection>) -> Outcome<StatusCode> {
    set(&app, id, false).await
}

async fn set(app: &App, id: Result<Path<i64>, PathRejection>, right: bool) -> Outcome<StatusCode> {
    let Path(id) = id?;
    let catalog = &app.engine.collection().catalog;
    let done = if right { catalog.dismiss_issue(id).await? } else { catalog.restore_issue(id).await? };
    if done {
        return Ok(StatusCode::NO_CONTENT);
    }
    let state = if right { "is not settled" } else { "is settled" };
    Err(Problem::new(Code::NotFound, format!("there is no entry {id} of the review that {state}")))
}
