//! Items that come and go: `POST /v1/items`, `PUT` and `DELETE /v1/items/{id}`.

use axum::{
    Json,
    extract::{FromRequest, Path, Request, State, rejection::PathRejection},
    http::{StatusCode, header},
    response::IntoResponse,
};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::{
    App,
    error::{Code, Outcome, Problem},
    view,
};
use crate::{catalog::Put, search::ItemDraft};

/// The field `item` of the form.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct ItemBody {
    id: Option<String>,
    #[serde(default)]
    captions: Vec<String>,
    #[serde(default)]
    labels: Vec<String>,
    #[serde(default)]
    meta: Map<String, Value>,
}

/// A new item: 201, or 409 if its id is known.
pub(super) async fn create(State(app): State<App>, request: Request) -> Outcome<impl IntoResponse> {
    let draft = draft(&app, request).await?;
    answer(&app, draft, Put::New).await
}

/// An item under this id, whatever was there: 201 if nothing was, else 200.
pub(super) async fn replace(
    State(app): State<App>,
    id: Result<Path<String>, PathRejection>,
    request: Request,
) -> Outcome<impl IntoResponse> {
    let Path(id) = id?;
    let mut draft = draft(&app, request).await?;
    if draft.id.as_ref().is_some_and(|other| *other != id) {
        let detail = format!("the item's id is {:?}, but the address names {id:?}", draft.id.unwrap_or_default());
        return Err(Problem::new(Code::InvalidItem, detail));
    }
    draft.id = Some(id);
    answer(&app, draft, Put::Replace).await
}

/// An item goes: 204, or 404 if there is none.
pub(super) async fn delete(State(app): State<App>, id: Result<Path<String>, PathRejection>) -> Outcome<StatusCode> {
    let Path(id) = id?;
    if app.engine.delete_item(&id).await? { Ok(StatusCode::NO_CONTENT) } else { Err(Problem::item_not_found(&id)) }
}

async fn answer(app: &App, draft: ItemDraft, put: Put) -> Outcome<impl IntoResponse + use<>> {
    let (item, created) = app.engine.put_item(draft, put).await?;
    let status = if created { StatusCode::CREATED } else { StatusCode::OK };
    let mut body = view::item(&item);
    body["searchable"] = json!(app.engine.live().is_some());
    Ok((status, [(header::LOCATION, view::item_path(&item.id))], Json(body)))
}

/// The form's fields: `image`, a file, and `item`, JSON. Either may be missing. A body of JSON is an item without a picture.
async fn draft(app: &App, request: Request) -> Outcome<ItemDraft> {
    let content_type = request.headers().get(header::CONTENT_TYPE).and_then(|v| v.to_str().ok()).unwrap_or_default();
    let media_type = content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    if media_type == "application/json" {
        let Json(item) = Json::<ItemBody>::from_request(request, &()).await?;
        return Ok(of(item, None));
    }
    if media_type != "multipart/form-data" {
        let detail = "this route reads multipart/form-data with a file \"image\" and a field \"item\" (JSON), or \
                      application/json with the item alone";
        return Err(Problem::new(Code::UnsupportedMediaType, detail));
    }
    let [image, item] = app.form(request, ["image", "item"]).await?;
    let item = match item {
        Some(item) => serde_json::from_slice(&item)
            .map_err(|e| Problem::new(Code::MalformedRequest, format!("field \"item\": {e}")))?,
        None => ItemBody::default(),
    };
    Ok(of(item, image.map(|image| image.to_vec())))
}

fn of(ItemBody { id, captions, labels, meta }: ItemBody, image: Option<Vec<u8>>) -> ItemDraft {
    ItemDraft { id, image, captions, labels, meta }
}
