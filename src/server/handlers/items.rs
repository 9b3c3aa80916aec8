//! Items: list, create, get, replace, change and delete.

use axum::{
    Extension, Json,
    extract::State,
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
};
use serde::Deserialize;
use utoipa::IntoParams;
use utoipa_axum::routes;

use crate::{
    catalog::{Item, WriteCondition},
    engine::ItemDraft,
    server::{
        ApiResult, App, Code, Problem, RoutePolicy, Routes,
        conditional::{if_match, is_cached, not_modified},
        extract::{
            filter::{self, FilterRequest},
            item::{ItemForm, ItemPatch, ItemRequest},
            json::{Object, integer},
            path::Path,
            query::JsonQuery,
            search_request::FILTER_EXAMPLE,
        },
        middleware::idempotency::IdempotencyKey,
        responses::item::{ItemList, ItemResponse, etag, item_path},
    },
};

/// Items of a page, unless the request says otherwise.
const DEFAULT_LIMIT: usize = 20;

/// Parameters of `GET /v1/items`.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct ListParams {
    /// Which items to list, as JSON (see the schema `Filter`).
    #[param(value_type = Option<String>, nullable = false, example = json!(FILTER_EXAMPLE))]
    filter: Option<Object<FilterRequest>>,
    /// Items of a page.
    #[serde(default, deserialize_with = "integer")]
    #[param(minimum = 1, maximum = 100, default = 20, nullable = false)]
    limit: Option<usize>,
    /// The `next_cursor` of a page: fetches the next one.
    #[param(nullable = false)]
    cursor: Option<String>,
}

pub(crate) fn routes() -> Routes {
    Routes::new()
        .route(RoutePolicy::SEARCH, routes!(list_items))
        .route(RoutePolicy::INGEST.with_images().idempotent(), routes!(create_item))
        .route(RoutePolicy::SEARCH, routes!(get_item))
        .route(RoutePolicy::INGEST.with_images(), routes!(replace_item, update_item, delete_item))
}

/// List items
///
/// In the order in which they were added.
#[utoipa::path(get, path = "/v1/items", tag = "items", params(ListParams),
    responses((status = 200, description = "A page of items", body = ItemList)))]
async fn list_items(
    State(app): State<App>,
    JsonQuery(ListParams { filter, limit, cursor }): JsonQuery<ListParams>,
) -> ApiResult<Json<ItemList>> {
    let filter = filter::resolve(filter, &app.limits)?;
    let limit = Problem::check_range("limit", limit.unwrap_or(DEFAULT_LIMIT), 1..=app.engine.limits().max_results)?;
    let after = match cursor {
        Some(cursor) => i64::from_str_radix(&cursor, 16).ok().filter(|key| *key >= 0),
        None => Some(0),
    };
    let after = after.ok_or_else(|| {
        let reason = "not a valid cursor; pass the next_cursor of a previous response";
        Problem::invalid_field(Code::InvalidQuery, "cursor", reason)
    })?;
    let (items, next) = app.engine.items().list(&filter, after, limit).await?;
    let items = items.into_iter().map(|item| ItemResponse::new(item, None)).collect();
    Ok(Json(ItemList { items, next_cursor: next.map(|key| format!("{key:x}")) }))
}

/// Create item
///
/// When the response arrives, the item is on disk and the next search finds it.
#[utoipa::path(post, path = "/v1/items", tag = "items",
    request_body(content((ItemForm<ItemRequest> = "multipart/form-data"), (ItemRequest = "application/json"))),
    responses((status = 201, description = "The item was created", body = ItemResponse,
        headers(("Location", description = "Path of the item"), ("ETag", description = "For If-Match")))))]
async fn create_item(
    State(app): State<App>,
    key: Option<Extension<IdempotencyKey>>,
    form: ItemForm<ItemRequest>,
) -> ApiResult<Response> {
    let mut draft = ItemDraft::from(form);
    // An earlier attempt that was interrupted before its response may have created the item.
    let condition =
        if key.as_ref().is_some_and(|key| key.retried) { WriteCondition::Always } else { WriteCondition::IfAbsent };
    draft.id = draft.id.or_else(|| key.map(|key| key.item_id(0)));
    save(&app, draft, condition).await
}

/// Get item
#[utoipa::path(get, path = "/v1/items/{id}", tag = "items",
    params(("id" = String, Path, description = "Id of the item")),
    responses(
        (status = 200, description = "The item", body = ItemResponse, headers(("ETag", description = "For If-Match"))),
        (status = 304, description = "The item has the ETag of If-None-Match")))]
async fn get_item(State(app): State<App>, Path(id): Path<String>, headers: HeaderMap) -> ApiResult<Response> {
    let item = find_item(&app, &id).await?;
    let etag = etag(&item);
    if is_cached(&headers, &etag) {
        return Ok(not_modified(etag));
    }
    Ok(with_etag(item, StatusCode::OK, None))
}

/// Replace item
///
/// Creates the item if there is none with this id. With `If-Match`, replaces only an item with one of these ETags.
#[utoipa::path(put, path = "/v1/items/{id}", tag = "items",
    params(("id" = String, Path, description = "Id of the item"),
        ("If-Match" = Option<String>, Header, description = "ETags that the item may have")),
    request_body(content((ItemForm<ItemRequest> = "multipart/form-data"), (ItemRequest = "application/json"))),
    responses(
        (status = 200, description = "The item was replaced", body = ItemResponse,
            headers(("ETag", description = "For If-Match"))),
        (status = 201, description = "The item was created", body = ItemResponse,
            headers(("ETag", description = "For If-Match")))))]
async fn replace_item(
    State(app): State<App>,
    Path(id): Path<String>,
    headers: HeaderMap,
    form: ItemForm<ItemRequest>,
) -> ApiResult<Response> {
    let condition = if_match(&headers)?.map_or(WriteCondition::Always, WriteCondition::IfMatch);
    let mut draft = ItemDraft::from(form);
    if draft.id.as_ref().is_some_and(|other| *other != id) {
        let reason = format!("it is {:?}, but the path names {id:?}", draft.id.unwrap_or_default());
        return Err(Problem::invalid_field(Code::InvalidItem, "id", reason));
    }
    draft.id = Some(id);
    save(&app, draft, condition).await
}

/// Update item
///
/// Changes the fields in the body and leaves the others as they are.
#[utoipa::path(patch, path = "/v1/items/{id}", tag = "items",
    params(("id" = String, Path, description = "Id of the item"),
        ("If-Match" = Option<String>, Header, description = "ETags that the item may have")),
    request_body(content(
        (ItemPatch = "application/json"),
        (ItemPatch = "application/merge-patch+json"),
        (ItemForm<ItemPatch> = "multipart/form-data"),
    )),
    responses((status = 200, description = "The item after the change", body = ItemResponse,
        headers(("ETag", description = "For If-Match")))))]
async fn update_item(
    State(app): State<App>,
    Path(id): Path<String>,
    headers: HeaderMap,
    form: ItemForm<ItemPatch>,
) -> ApiResult<Response> {
    let item = app.engine.items().patch(&id, form.into(), if_match(&headers)?).await?;
    Ok(with_etag(item, StatusCode::OK, Some(app.engine.serving().live().is_some())))
}

/// Delete item
#[utoipa::path(delete, path = "/v1/items/{id}", tag = "items",
    params(("id" = String, Path, description = "Id of the item"),
        ("If-Match" = Option<String>, Header, description = "ETags that the item may have")),
    responses((status = 204, description = "The item was deleted")))]
async fn delete_item(State(app): State<App>, Path(id): Path<String>, headers: HeaderMap) -> ApiResult<StatusCode> {
    let etags = if_match(&headers)?;
    if app.engine.items().delete(&id, etags.as_deref()).await? {
        return Ok(StatusCode::NO_CONTENT);
    }
    Err(Problem::item_not_found(&id))
}

/// The item with an id, or a 404.
pub(crate) async fn find_item(app: &App, id: &str) -> ApiResult<Item> {
    let item = app.engine.collection().catalog.item(id).await?;
    item.ok_or_else(|| Problem::item_not_found(id))
}

async fn save(app: &App, draft: ItemDraft, condition: WriteCondition) -> ApiResult<Response> {
    let (item, created) = app.engine.items().put(draft, condition).await?;
    let status = if created { StatusCode::CREATED } else { StatusCode::OK };
    let location = [(header::LOCATION, item_path(&item.id))];
    Ok((location, with_etag(item, status, Some(app.engine.serving().live().is_some()))).into_response())
}

/// The item with its ETag. `searchable` is for items that were just created or changed.
fn with_etag(item: Item, status: StatusCode, searchable: Option<bool>) -> Response {
    let etag = [(header::ETAG, etag(&item))];
    (status, etag, Json(ItemResponse::new(item, searchable))).into_response()
}
