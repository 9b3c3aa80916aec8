//! Items that come, change and go.

use axum::{
    Json,
    body::Bytes,
    extract::{
        FromRequest, Path, Request, State,
        rejection::{JsonRejection, PathRejection},
    },
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
};
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::{Map, Value, json};

use super::{
    App,
    error::{Code, Outcome, Problem},
    filter,
    items::with_tag,
    options::{AddressParameters, Options, Wishes, few_values, read},
    search::{decoded, media_type},
    view,
};
use crate::{
    catalog::{Item, Put},
    search::{ItemChange, ItemDraft, Target},
};

/// Lines of a batch.
const MAX_BATCH: usize = 200;

/// Items of a list, at most.
const MAX_LISTED: usize = 100;

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

/// What a PATCH names.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct ChangeBody {
    captions: Option<Vec<String>>,
    labels: Option<Vec<String>>,
    #[serde(default)]
    meta: Map<String, Value>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct DeleteBody {
    ids: Option<Vec<String>>,
    filter: Option<Value>,
    #[serde(default)]
    dry_run: bool,
}

/// `POST /v1/items`: 201, or 409 if its id is known.
pub(super) async fn create(State(app): State<App>, request: Request) -> Outcome<Response> {
    let (item, image) = form(&app, request).await?;
    answer(&app, draft(item, image), Put::New).await
}

/// `PUT /v1/items/{id}`, an item under this id, whatever was there: 201 if nothing was, else 200.
pub(super) async fn replace(
    State(app): State<App>,
    id: Result<Path<String>, PathRejection>,
    request: Request,
) -> Outcome<Response> {
    let Path(id) = id?;
    let put = tags(request.headers())?.map_or(Put::Replace, Put::IfMatch);
    let (item, image) = form(&app, request).await?;
    let mut draft = draft(item, image);
    if draft.id.as_ref().is_some_and(|other| *other != id) {
        let detail = format!("the item's id is {:?}, but the address names {id:?}", draft.id.unwrap_or_default());
        return Err(Problem::new(Code::InvalidItem, detail));
    }
    draft.id = Some(id);
    answer(&app, draft, put).await
}

/// `PATCH /v1/items/{id}`: what the body names changes, the rest stays.
pub(super) async fn change(
    State(app): State<App>,
    id: Result<Path<String>, PathRejection>,
    request: Request,
) -> Outcome<Response> {
    let Path(id) = id?;
    let tags = tags(request.headers())?;
    let (ChangeBody { captions, labels, meta }, image) = form(&app, request).await?;
    let change = ItemChange { image, captions, labels, meta };
    let item = app.engine.patch_item(&id, change, tags).await?;
    Ok(with_tag(&item, StatusCode::OK, shown(&app, &item)))
}

/// `DELETE /v1/items/{id}`: 204, or 404 if there is none.
pub(super) async fn delete(
    State(app): State<App>,
    id: Result<Path<String>, PathRejection>,
    headers: HeaderMap,
) -> Outcome<StatusCode> {
    let Path(id) = id?;
    let tags = tags(&headers)?;
    if app.engine.delete_item(&id, tags.as_deref()).await? {
        return Ok(StatusCode::NO_CONTENT);
    }
    Err(Problem::item_not_found(&id))
}

/// `GET /v1/items?filter=&limit=&cursor=`: items in the order in which they came.
pub(super) async fn list(State(app): State<App>, parameters: AddressParameters) -> Outcome<Json<Value>> {
    let Wishes { query, cursor, .. } = Options::of_parameters(parameters)?.wishes(Target::Image, false)?;
    let refuse = |field: &str, reason: String| Problem::new(Code::InvalidQuery, format!("{field}: {reason}"));
    if !(1..=MAX_LISTED).contains(&query.limit) {
        return Err(refuse("limit", format!("it is {}; allowed are 1 to {MAX_LISTED}", query.limit)));
    }
    let after = match cursor {
        Some(cursor) => i64::from_str_radix(&cursor, 16).ok().filter(|key| *key >= 0),
        None => Some(0),
    };
    let after = after.ok_or_else(|| refuse("cursor", "it is none that a list gave as next_cursor".into()))?;
    let (items, next) = app.engine.items(&query.filter, after, query.limit).await?;
    let next = next.map(|key| format!("{key:x}"));
    let items: Vec<Value> = items.iter().map(view::item).collect();
    Ok(Json(json!({ "items": items, "next_cursor": next })))
}

/// `POST /v1/items/batch`: a line of JSON for each item. Each is taken or refused by itself, in order; one whose id is known is
/// replaced.
pub(super) async fn batch(State(app): State<App>, body: Bytes) -> Outcome<Json<Value>> {
    let text = std::str::from_utf8(&body).map_err(|e| {
        Problem::new(Code::MalformedRequest, format!("the body is no UTF-8 behind byte {}", e.valid_up_to()))
    })?;
    let lines: Vec<(usize, &str)> =
        (1..).zip(text.lines()).filter(|(_, line)| !line.trim().is_empty()).take(MAX_BATCH + 1).collect();
    if lines.is_empty() || lines.len() > MAX_BATCH {
        let found = if lines.is_empty() { "none" } else { "more" };
        let detail = format!("a batch has 1 to {MAX_BATCH} lines of items; there are {found}");
        return Err(Problem::new(Code::InvalidBatch, detail));
    }
    let (mut said, mut taken) = (Vec::new(), 0);
    for (number, line) in lines {
        match take_line(&app, line).await {
            Ok((item, created)) => {
                taken += 1;
                said.push(json!({ "line": number, "id": item.id, "status": if created { 201 } else { 200 } }));
            }
            Err(problem) => {
                let mut problem = problem.as_json("/v1/items/batch");
                let status = problem["status"].take();
                said.push(json!({ "line": number, "status": status, "error": { "code": problem["code"], "detail": problem["detail"] } }));
            }
        }
    }
    Ok(Json(json!({ "taken": taken, "refused": said.len() - taken, "items": said })))
}

async fn take_line(app: &App, line: &str) -> Outcome<(Item, bool)> {
    let malformed = |detail: String| Problem::new(Code::MalformedRequest, detail);
    few_values(line.as_bytes())?;
    let mut fields: Map<String, Value> = serde_json::from_str(line).map_err(|e| malformed(e.to_string()))?;
    let image = fields.remove("image_base64").map(|picture| decoded(picture, "/image_base64")).transpose()?;
    let draft = draft(read(Value::Object(fields))?, image);
    Ok(app.engine.put_item(draft, Put::Replace).await?)
}

/// `POST /v1/items/delete`: those that are named, or those that a filter lets through; with `dry_run` it only counts them.
pub(super) async fn delete_many(
    State(app): State<App>,
    body: Result<Json<DeleteBody>, JsonRejection>,
) -> Outcome<Json<Value>> {
    let Json(DeleteBody { ids, filter, dry_run }) = body?;
    let filter = match (ids, filter) {
        (Some(ids), None) => json!({ "must": [{ "key": "id", "match": { "any": ids } }] }),
        (None, Some(filter)) => filter,
        _ => return Err(Problem::new(Code::MalformedRequest, "the body has either \"ids\" or \"filter\"")),
    };
    let filter = filter::parse(&filter)?;
    if filter.is_empty() {
        let detail = "the filter lets everything through; to delete all items, say so: {\"must_not\": [{\"key\": \"id\", \"match\": \
                      {\"any\": []}}]}";
        return Err(Problem::new(Code::InvalidFilter, detail).at("/filter"));
    }
    let count = app.engine.delete_items(&filter, dry_run).await?;
    Ok(Json(json!({ "matched": count, "deleted": if dry_run { 0 } else { count }, "dry_run": dry_run })))
}

async fn answer(app: &App, draft: ItemDraft, put: Put) -> Outcome<Response> {
    let (item, created) = app.engine.put_item(draft, put).await?;
    let status = if created { StatusCode::CREATED } else { StatusCode::OK };
    let response = with_tag(&item, status, shown(app, &item));
    Ok(([(header::LOCATION, view::item_path(&item.id))], response).into_response())
}

fn shown(app: &App, item: &Item) -> Value {
    let mut body = view::item(item);
    body["searchable"] = json!(app.engine.live().is_some());
    body
}

/// The tags of If-Match, without their quotes.
fn tags(headers: &HeaderMap) -> Outcome<Option<Vec<String>>> {
    let mut tags = Vec::new();
    for value in headers.get_all(header::IF_MATCH) {
        let text =
            value.to_str().map_err(|_| Problem::new(Code::MalformedRequest, "If-Match holds other than ASCII"))?;
        tags.extend(text.split(',').map(|tag| tag.trim().trim_matches('"').to_owned()));
    }
    Ok((!tags.is_empty()).then_some(tags))
}

/// The form's fields: `image`, a file, and `item`, JSON. Either may be missing. A body of JSON is an item without a picture.
async fn form<T: DeserializeOwned + Default>(app: &App, request: Request) -> Outcome<(T, Option<Vec<u8>>)> {
    let media_type = media_type(&request);
    if media_type == "application/json" || media_type == "application/merge-patch+json" {
        let body = Bytes::from_request(request, &()).await.map_err(|e| app.body_problem(&e.body_text(), e.status()))?;
        few_values(&body)?;
        let item = serde_json::from_slice(&body).map_err(|e| Problem::new(Code::MalformedRequest, e.to_string()))?;
        return Ok((item, None));
    }
    if media_type != "multipart/form-data" {
        let detail = "this route reads multipart/form-data with a file \"image\" and a field \"item\" (JSON), or \
                      application/json with the item alone";
        return Err(Problem::new(Code::UnsupportedMediaType, detail));
    }
    let [image, item] = app.form(request, ["image", "item"]).await?;
    let item = match item {
        Some(item) => {
            few_values(&item)?;
            serde_json::from_slice(&item)
                .map_err(|e| Problem::new(Code::MalformedRequest, format!("field \"item\": {e}")))?
        }
        None => T::default(),
    };
    Ok((item, image.map(|image| image.to_vec())))
}

fn draft(ItemBody { id, captions, labels, meta }: ItemBody, image: Option<Vec<u8>>) -> ItemDraft {
    ItemDraft { id, image, captions, labels, meta }
}
