//! Items that come, change and go.

use std::ops::Range;

use axum::{
    Extension, Json,
    body::Bytes,
    extract::{
        FromRequest, Path, Request, State,
        rejection::{JsonRejection, PathRejection},
    },
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::{Map, Value, json};
use utoipa::ToSchema;

use crate::server::{
    error::{Code, Outcome, Problem},
    extract::filter,
    extract::filter::FilterSchema,
    extract::search_params::{AddressParameters, FilterParameter, as_json, few_values, read, whole},
    handlers::item_images::with_tag,
    handlers::search::{decoded, media_type},
    middleware::idempotency::Once,
    responses::{Accepted, ItemList, ItemView, TaskView, item_path},
    state::App,
};
use crate::{
    catalog::WriteCondition,
    engine::{BulkLine, ItemChange, ItemDraft},
};

/// Items of a list, unless it says otherwise.
const LISTED: usize = 20;

/// An item without its picture.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct ItemBody {
    /// What its owner calls it; without one it gets one.
    #[schema(min_length = 1, max_length = 1024)]
    id: Option<String>,
    /// Sentences that describe it. It has a picture or a caption.
    #[serde(default)]
    #[schema(max_items = 100)]
    captions: Vec<String>,
    /// Its classes.
    #[serde(default)]
    #[schema(max_items = 100)]
    labels: Vec<String>,
    /// Whatever else there is to say of it.
    #[serde(default)]
    #[schema(value_type = Object)]
    meta: Map<String, Value>,
}

/// What is to change of an item; what is not named stays.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct ChangeBody {
    /// All its sentences from now on.
    #[schema(max_items = 100)]
    captions: Option<Vec<String>>,
    /// All its classes from now on.
    #[schema(max_items = 100)]
    labels: Option<Vec<String>>,
    /// Fields of its `meta`; null takes one away (RFC 7396).
    #[serde(default)]
    #[schema(value_type = Object)]
    meta: Map<String, Value>,
}

/// The schema of the form of an item.
#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "the form is read field by field; this says what it has")]
struct ItemForm {
    /// A picture's file.
    #[schema(value_type = Option<String>, format = Binary)]
    image: Option<Vec<u8>>,
    item: Option<ItemBody>,
}

/// The schema of the form of a change.
#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "as ItemForm")]
struct ChangeForm {
    /// The file of another picture.
    #[schema(value_type = Option<String>, format = Binary)]
    image: Option<Vec<u8>>,
    item: Option<ChangeBody>,
}

/// Which items are to go: those that are named, or those that a filter lets through.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct DeleteBody {
    #[schema(max_items = 1000)]
    ids: Option<Vec<String>>,
    #[schema(value_type = Option<FilterSchema>)]
    filter: Option<Value>,
    /// Count them and leave them.
    #[serde(default)]
    dry_run: bool,
}

/// The parameters of `GET /v1/items`.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct ListOptions {
    filter: Option<Value>,
    #[serde(default, deserialize_with = "whole")]
    limit: Option<usize>,
    cursor: Option<String>,
}

/// What became of a batch.
#[derive(Serialize, ToSchema)]
pub(crate) struct BatchView {
    taken: usize,
    refused: usize,
    /// In the order of the lines.
    items: Vec<LineView>,
}

/// What became of a line of a batch.
#[derive(Serialize, ToSchema)]
struct LineView {
    /// From 1.
    line: usize,
    /// As the item by itself would have got: 201, 200, or an error's.
    status: u16,
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<LineError>,
}

/// Why a line was refused.
#[derive(Serialize, ToSchema)]
struct LineError {
    code: String,
    detail: String,
}

/// What became of a deletion.
#[derive(Serialize, ToSchema)]
pub(crate) struct DeletedView {
    matched: u64,
    deleted: u64,
    dry_run: bool,
}

/// Take an item
///
/// It is on disk and found by the next query when this is answered.
#[utoipa::path(post, path = "/v1/items", tag = "items",
    request_body(content((ItemForm = "multipart/form-data"), (ItemBody = "application/json"))),
    responses((status = 201, description = "It was taken", body = ItemView,
        headers(("Location", description = "Where it is"), ("ETag", description = "For If-Match")))))]
pub(crate) async fn create(State(app): State<App>, request: Request) -> Outcome<Response> {
    let once = request.extensions().get::<Once>().cloned();
    let (item, image) = form(&app, request).await?;
    let mut draft = draft(item, image);
    // A run of the service that ended before it could answer may have taken it.
    let put =
        if once.as_ref().is_some_and(|once| once.again) { WriteCondition::Always } else { WriteCondition::IfAbsent };
    draft.id = draft.id.or_else(|| once.map(|once| once.item_id(0)));
    answer(&app, draft, put).await
}

/// Put an item under an id
///
/// Whatever was there; with `If-Match` only what the tag says.
#[utoipa::path(put, path = "/v1/items/{id}", tag = "items",
    params(("id" = String, Path), ("If-Match" = Option<String>, Header, description = "Tags that the item may have")),
    request_body(content((ItemForm = "multipart/form-data"), (ItemBody = "application/json"))),
    responses(
        (status = 200, description = "It was replaced", body = ItemView, headers(("ETag", description = "For If-Match"))),
        (status = 201, description = "It was taken", body = ItemView, headers(("ETag", description = "For If-Match")))))]
pub(crate) async fn replace(
    State(app): State<App>,
    id: Result<Path<String>, PathRejection>,
    request: Request,
) -> Outcome<Response> {
    let Path(id) = id?;
    let put = tags(request.headers())?.map_or(WriteCondition::Always, WriteCondition::IfMatch);
    let (item, image) = form(&app, request).await?;
    let mut draft = draft(item, image);
    if draft.id.as_ref().is_some_and(|other| *other != id) {
        let detail = format!("the item's id is {:?}, but the address names {id:?}", draft.id.unwrap_or_default());
        return Err(Problem::new(Code::InvalidItem, detail));
    }
    draft.id = Some(id);
    answer(&app, draft, put).await
}

/// Change an item
///
/// What the body names changes, the rest stays.
#[utoipa::path(patch, path = "/v1/items/{id}", tag = "items",
    params(("id" = String, Path), ("If-Match" = Option<String>, Header, description = "Tags that the item may have")),
    request_body(content(
        (ChangeBody = "application/json"),
        (ChangeBody = "application/merge-patch+json"),
        (ChangeForm = "multipart/form-data"),
    )),
    responses((status = 200, description = "As it is now", body = ItemView, headers(("ETag", description = "For If-Match")))))]
pub(crate) async fn change(
    State(app): State<App>,
    id: Result<Path<String>, PathRejection>,
    request: Request,
) -> Outcome<Response> {
    let Path(id) = id?;
    let tags = tags(request.headers())?;
    let (ChangeBody { captions, labels, meta }, image) = form(&app, request).await?;
    let change = ItemChange { image, captions, labels, meta };
    let item = app.engine.items().patch(&id, change, tags).await?;
    Ok(with_tag(item, StatusCode::OK, Some(app.engine.serving().live().is_some())))
}

/// Delete an item
#[utoipa::path(delete, path = "/v1/items/{id}", tag = "items",
    params(("id" = String, Path), ("If-Match" = Option<String>, Header, description = "Tags that the item may have")),
    responses((status = 204, description = "It is gone")))]
pub(crate) async fn delete(
    State(app): State<App>,
    id: Result<Path<String>, PathRejection>,
    headers: HeaderMap,
) -> Outcome<StatusCode> {
    let Path(id) = id?;
    let tags = tags(&headers)?;
    if app.engine.items().delete(&id, tags.as_deref()).await? {
        return Ok(StatusCode::NO_CONTENT);
    }
    Err(Problem::item_not_found(&id))
}

/// List items
///
/// In the order in which they came.
#[utoipa::path(get, path = "/v1/items", tag = "items",
    params(FilterParameter,
        ("limit" = Option<usize>, Query, nullable = false, minimum = 1, maximum = 100, description = "Items of a page; 20 unless said otherwise"),
        ("cursor" = Option<String>, Query, nullable = false, description = "The next_cursor of a page leads to the next one")),
    responses((status = 200, description = "A page of them", body = ItemList)))]
pub(crate) async fn list(State(app): State<App>, parameters: AddressParameters) -> Outcome<Json<ItemList>> {
    let ListOptions { filter, limit, cursor } = read(Value::Object(as_json(parameters)?))?;
    let filter =
        filter.as_ref().map(|filter| filter::parse(filter, app.limits.filter)).transpose()?.unwrap_or_default();
    let limit = limit.unwrap_or(LISTED);
    let most = app.engine.limits().results;
    if !(1..=most).contains(&limit) {
        return Err(Problem::out_of_range("limit", limit, &(1..=most)));
    }
    let after = match cursor {
        Some(cursor) => i64::from_str_radix(&cursor, 16).ok().filter(|key| *key >= 0),
        None => Some(0),
    };
    let after = after.ok_or_else(|| {
        Problem::new(Code::InvalidQuery, "cursor: it is none that a list gave as next_cursor").at("/cursor")
    })?;
    let (items, next) = app.engine.items().list(&filter, after, limit).await?;
    let items = items.into_iter().map(|item| ItemView::of(item, None)).collect();
    Ok(Json(ItemList { items, next_cursor: next.map(|key| format!("{key:x}")) }))
}

/// Take many items
///
/// A line of JSON for each item, its picture as `image_base64`. Each is taken or refused by itself, in order; one whose id is
/// known is replaced. More than 200 lines are a task, whose result lists the lines that were refused.
#[utoipa::path(post, path = "/v1/items/batch", tag = "items",
    request_body(content((String = "application/jsonl"), (String = "text/plain"))),
    responses(
        (status = 200, description = "What became of each", body = BatchView),
        (status = 202, description = "A task takes them", body = TaskView, headers(("Location", description = "The task")))))]
pub(crate) async fn batch(State(app): State<App>, once: Option<Extension<Once>>, body: Bytes) -> Outcome<Response> {
    let text = std::str::from_utf8(&body).map_err(|e| {
        Problem::new(Code::MalformedRequest, format!("the body is no UTF-8 behind byte {}", e.valid_up_to()))
    })?;
    let mut end = 0;
    let places = text.split_inclusive('\n').map(|line| {
        end += line.len();
        end - line.len()..end
    });
    let lines: Vec<(usize, Range<usize>)> =
        (1..).zip(places).filter(|(_, line)| !text[line.clone()].trim().is_empty()).collect();
    if lines.is_empty() {
        return Err(Problem::new(Code::InvalidBatch, "a batch has a line of JSON for each item; there are none"));
    }
    // Each is read when its turn comes, for they may hold many pictures.
    let lines = lines.into_iter().map(|(number, line)| (number, of_line(&text[line], number, once.as_deref())));
    if lines.len() > app.limits.batch {
        let lines = lines.map(|(number, draft)| BulkLine { number, draft: draft.map_err(|p| refusal(&p)) });
        let task = app.engine.tasks().bulk_ingest(lines.collect(), |error| refusal(&Problem::from(error))).await?;
        return Ok(Accepted::from(task).into_response());
    }
    let lines = lines.map(|(number, draft)| BulkLine { number, draft });
    let (mut said, mut taken) = (Vec::new(), 0);
    for (number, done) in app.engine.items().ingest_lines(lines, Problem::from).await {
        match done {
            Ok((id, created)) => {
                taken += 1;
                let status = if created { StatusCode::CREATED } else { StatusCode::OK };
                said.push(LineView { line: number, status: status.as_u16(), id: Some(id), error: None });
            }
            Err(problem) => {
                let (code, detail) = refusal(&problem);
                let (status, error) = (problem.code().1, LineError { code, detail });
                said.push(LineView { line: number, status: status.as_u16(), id: None, error: Some(error) });
            }
        }
    }
    Ok(Json(BatchView { taken, refused: said.len() - taken, items: said }).into_response())
}

/// An error's code and sentence.
fn refusal(problem: &Problem) -> (String, String) {
    (problem.code().0.to_owned(), problem.detail().to_owned())
}

fn of_line(line: &str, number: usize, once: Option<&Once>) -> Outcome<ItemDraft> {
    let malformed = |detail: String| Problem::new(Code::MalformedRequest, detail);
    few_values(line.as_bytes())?;
    let mut fields: Map<String, Value> = serde_json::from_str(line).map_err(|e| malformed(e.to_string()))?;
    let image = fields.remove("image_base64").map(|picture| decoded(picture, "/image_base64")).transpose()?;
    let mut draft = draft(read(Value::Object(fields))?, image);
    draft.id = draft.id.or_else(|| once.map(|once| once.item_id(number)));
    Ok(draft)
}

/// Delete many items
///
/// Those that are named, or those that a filter lets through; with `dry_run` they are only counted.
#[utoipa::path(post, path = "/v1/items/delete", tag = "items", request_body = DeleteBody,
    responses((status = 200, description = "How many", body = DeletedView)))]
pub(crate) async fn delete_many(
    State(app): State<App>,
    body: Result<Json<DeleteBody>, JsonRejection>,
) -> Outcome<Json<DeletedView>> {
    let Json(DeleteBody { ids, filter, dry_run }) = body?;
    let filter = match (ids, filter) {
        (Some(ids), None) => json!({ "must": [{ "key": "id", "match": { "any": ids } }] }),
        (None, Some(filter)) => filter,
        _ => return Err(Problem::new(Code::InvalidFilter, "the body has either \"ids\" or \"filter\"")),
    };
    let filter = filter::parse(&filter, app.limits.filter)?;
    if filter.is_empty() {
        let detail = "the filter lets everything through; to delete all items, say so: {\"must_not\": [{\"key\": \"id\", \"match\": \
                      {\"any\": []}}]}";
        return Err(Problem::new(Code::InvalidFilter, detail).at("/filter"));
    }
    let count = app.engine.items().delete_matching(&filter, dry_run).await?;
    Ok(Json(DeletedView { matched: count, deleted: if dry_run { 0 } else { count }, dry_run }))
}

async fn answer(app: &App, draft: ItemDraft, put: WriteCondition) -> Outcome<Response> {
    let (item, created) = app.engine.items().put(draft, put).await?;
    let status = if created { StatusCode::CREATED } else { StatusCode::OK };
    let location = [(header::LOCATION, item_path(&item.id))];
    Ok((location, with_tag(item, status, Some(app.engine.serving().live().is_some()))).into_response())
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
        let item: Map<String, Value> =
            serde_json::from_slice(&body).map_err(|e| Problem::new(Code::MalformedRequest, e.to_string()))?;
        return Ok((read(Value::Object(item))?, None));
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
            // Of an object, for serde would take a list for its fields in order.
            let item: Option<Map<String, Value>> = serde_json::from_slice(&item)
                .map_err(|e| Problem::new(Code::MalformedRequest, format!("field \"item\": {e}")))?;
            read(Value::Object(item.unwrap_or_default()))?
        }
        None => T::default(),
    };
    Ok((item, image.map(|image| image.to_vec())))
}

fn draft(ItemBody { id, captions, labels, meta }: ItemBody, image: Option<Vec<u8>>) -> ItemDraft {
    ItemDraft { id, image, captions, labels, meta }
}
