//! Items, their pictures and thumbnails.

use axum::{
    Json,
    extract::{Path, Query, State, rejection::PathRejection, rejection::QueryRejection},
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use serde::Deserialize;
use utoipa::IntoParams;

use crate::server::{
    error::{Code, Outcome, Problem},
    extract::bodies::Binary,
    responses::{ItemView, content_name},
    state::App,
};
use crate::{
    catalog::{self, Item},
    collection::{CollectionError, THUMBNAIL_SIDE},
    engine::EngineError,
};

/// Which of an item's pictures is asked for.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct PictureOptions {
    /// Names the content, as `image_url` does: what is found under it stays what it is, so it may be kept for good.
    #[param(nullable = false)]
    v: Option<String>,
}

/// What a thumbnail can be asked for.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct ThumbnailOptions {
    /// Its longer side in pixels; there is one size.
    #[param(minimum = 320, maximum = 320)]
    w: Option<u32>,
    /// Names the content, as `thumbnail_url` does: what is found under it stays what it is, so it may be kept for good.
    #[param(nullable = false)]
    v: Option<String>,
}

/// An item
#[utoipa::path(get, path = "/v1/items/{id}", tag = "items", params(("id" = String, Path)), responses(
    (status = 200, description = "The item", body = ItemView, headers(("ETag", description = "For If-Match"))),
    (status = 304, description = "It is as If-None-Match says")))]
pub(crate) async fn item(
    State(app): State<App>,
    id: Result<Path<String>, PathRejection>,
    headers: HeaderMap,
) -> Outcome<Response> {
    let Path(id) = id?;
    let item = find(&app, &id).await?;
    let tag = tag(&item);
    if is_known(&headers, &tag) {
        return Ok(not_modified(tag));
    }
    Ok(with_tag(item, StatusCode::OK, None))
}

/// An item's JSON with the tag that If-Match and If-None-Match know it by. `searchable` of one that was just changed.
pub(crate) fn with_tag(item: Item, status: StatusCode, searchable: Option<bool>) -> Response {
    let tag = [(header::ETAG, tag(&item))];
    (status, tag, Json(ItemView::of(item, searchable))).into_response()
}

/// The tag that `If-Match` and `If-None-Match` know an item by.
pub(crate) fn tag(item: &Item) -> String {
    format!("\"{}\"", catalog::etag(&item.record_hash))
}

/// An item's picture
#[utoipa::path(get, path = "/v1/items/{id}/image", tag = "items", params(("id" = String, Path), PictureOptions), responses(
    (status = 200, description = "The file as its owner has it", body = Binary, content_type = "image/*"),
    (status = 304, description = "It is as If-None-Match says")))]
pub(crate) async fn image(
    State(app): State<App>,
    id: Result<Path<String>, PathRejection>,
    options: Result<Query<PictureOptions>, QueryRejection>,
    headers: HeaderMap,
) -> Outcome<Response> {
    let (Path(id), Query(PictureOptions { v })) = (id?, options?);
    let item = find(&app, &id).await?;
    let (etag, stays) = (etag(&item, ""), stays(&item, v.as_deref()));
    if is_known(&headers, &etag) {
        return Ok(not_modified(etag));
    }
    let bytes = app.engine.picture(&item).await.map_err(|e| unavailable(&id, e))?;
    let bytes = bytes.ok_or_else(|| no_picture(&id))?;
    let mime = item.image_mime.unwrap_or_else(|| "application/octet-stream".into());
    let mut response = picture(bytes, &mime, etag, stays);
    // An SVG opened by itself is a document: it must not run scripts in the service's name.
    response.headers_mut().insert(
        header::CONTENT_SECURITY_POLICY,
        HeaderValue::from_static("default-src 'none'; style-src 'unsafe-inline'; sandbox"),
    );
    Ok(response)
}

/// An item's thumbnail
#[utoipa::path(get, path = "/v1/items/{id}/thumbnail", tag = "items", params(("id" = String, Path), ThumbnailOptions), responses(
    (status = 200, description = "A small picture", body = Binary, content_type = "image/jpeg"),
    (status = 304, description = "It is as If-None-Match says")))]
pub(crate) async fn thumbnail(
    State(app): State<App>,
    id: Result<Path<String>, PathRejection>,
    options: Result<Query<ThumbnailOptions>, QueryRejection>,
    headers: HeaderMap,
) -> Outcome<Response> {
    let Path(id) = id?;
    let Query(ThumbnailOptions { w, v }) = options?;
    if w.is_some_and(|w| w != THUMBNAIL_SIDE) {
        let detail = format!("w: thumbnails have a longer side of {THUMBNAIL_SIDE} pixels");
        return Err(Problem::new(Code::InvalidQuery, detail));
    }
    let item = find(&app, &id).await?;
    let (etag, stays) = (etag(&item, "-thumbnail"), stays(&item, v.as_deref()));
    if is_known(&headers, &etag) {
        return Ok(not_modified(etag));
    }
    let bytes = app.engine.thumbnail(&item).await.map_err(|e| unavailable(&id, e))?;
    Ok(picture(bytes.ok_or_else(|| no_picture(&id))?, "image/jpeg", etag, stays))
}

async fn find(app: &App, id: &str) -> Outcome<Item> {
    let item = app.engine.collection().catalog.item(id).await?;
    item.ok_or_else(|| Problem::item_not_found(id))
}

fn no_picture(id: &str) -> Problem {
    Problem::new(Code::NotFound, format!("item {id:?} has no picture"))
}

fn unavailable(id: &str, error: EngineError) -> Problem {
    match error {
        EngineError::Collection(CollectionError::Picture(error)) => {
            tracing::warn!(id, %error, "an item's picture can no longer be read");
            Problem::new(Code::ImageUnavailable, format!("the picture of item {id:?} is no longer where it was"))
        }
        other => other.into(),
    }
}

/// Pictures are named by their content, so their tag is exact.
fn etag(item: &Item, variant: &str) -> String {
    format!("\"{}{variant}\"", content_name(item))
}

/// Whether what an address names is the content and not the item.
fn stays(item: &Item, version: Option<&str>) -> bool {
    version.is_some_and(|version| version == content_name(item))
}

fn is_known(headers: &HeaderMap, etag: &str) -> bool {
    let known = headers.get(header::IF_NONE_MATCH).and_then(|v| v.to_str().ok());
    known.is_some_and(|tags| tags.split(',').any(|tag| tag.trim().trim_start_matches("W/") == etag))
}

fn not_modified(etag: String) -> Response {
    (StatusCode::NOT_MODIFIED, [(header::ETAG, etag)]).into_response()
}

fn picture(bytes: Vec<u8>, mime: &str, etag: String, stays: bool) -> Response {
    // An address that names the item alone is asked again each time, and mostly hears "the same".
    let caching = if stays { "private, max-age=31536000, immutable" } else { "private, no-cache" };
    let headers =
        [(header::CONTENT_TYPE, mime.to_owned()), (header::ETAG, etag), (header::CACHE_CONTROL, caching.to_owned())];
    (headers, bytes).into_response()
}
