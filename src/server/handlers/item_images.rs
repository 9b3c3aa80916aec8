//! Images and thumbnails of items.

use axum::{
    extract::State,
    http::{HeaderMap, HeaderValue, header},
    response::{IntoResponse, Response},
};
use serde::Deserialize;
use utoipa::IntoParams;
use utoipa_axum::routes;

use super::items::find_item;
use crate::{
    catalog::Item,
    collection::{CollectionError, THUMBNAIL_SIDE},
    engine::EngineError,
    server::{
        ApiResult, App, Code, Problem, RoutePolicy, Routes,
        conditional::{is_cached, not_modified},
        extract::{image::ImageBytes, path::Path, query::Query},
        responses::item::content_version,
    },
};

/// Parameters of an image.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct ImageParams {
    /// Version of the image, as in `image_url`. An address with the current version may be cached forever.
    #[param(nullable = false)]
    v: Option<String>,
}

/// Parameters of a thumbnail.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct ThumbnailParams {
    /// Longer side in pixels; there is one size.
    #[param(minimum = 320, maximum = 320)]
    w: Option<u32>,
    /// Version of the image, as in `thumbnail_url`. An address with the current version may be cached forever.
    #[param(nullable = false)]
    v: Option<String>,
}

pub(crate) fn routes() -> Routes {
    Routes::new().route(RoutePolicy::SEARCH, routes!(get_image)).route(RoutePolicy::SEARCH, routes!(get_thumbnail))
}

/// Get image
#[utoipa::path(get, path = "/v1/items/{id}/image", tag = "items",
    params(("id" = String, Path, description = "Id of the item"), ImageParams), responses(
    (status = 200, description = "The image's file, unchanged", body = ImageBytes, content_type = "image/*"),
    (status = 304, description = "The image has the ETag of If-None-Match")))]
async fn get_image(
    State(app): State<App>,
    Path(id): Path<String>,
    Query(ImageParams { v }): Query<ImageParams>,
    headers: HeaderMap,
) -> ApiResult<Response> {
    let item = find_item(&app, &id).await?;
    let (etag, immutable) = (image_etag(&item, ""), is_immutable(&item, v.as_deref()));
    if is_cached(&headers, &etag) {
        return Ok(not_modified(etag));
    }
    let bytes = app.engine.picture(&item).await.map_err(|e| unavailable(&id, e))?;
    let bytes = bytes.ok_or_else(|| no_image(&id))?;
    let mime = item.image_mime.unwrap_or_else(|| "application/octet-stream".into());
    let mut response = image_response(bytes, &mime, etag, immutable);
    // An SVG opened by itself is a document: it must not run scripts in the service's origin.
    response.headers_mut().insert(
        header::CONTENT_SECURITY_POLICY,
        HeaderValue::from_static("default-src 'none'; style-src 'unsafe-inline'; sandbox"),
    );
    Ok(response)
}

/// Get thumbnail
#[utoipa::path(get, path = "/v1/items/{id}/thumbnail", tag = "items",
    params(("id" = String, Path, description = "Id of the item"), ThumbnailParams), responses(
    (status = 200, description = "The thumbnail", body = ImageBytes, content_type = "image/jpeg"),
    (status = 304, description = "The image has the ETag of If-None-Match")))]
async fn get_thumbnail(
    State(app): State<App>,
    Path(id): Path<String>,
    Query(ThumbnailParams { w, v }): Query<ThumbnailParams>,
    headers: HeaderMap,
) -> ApiResult<Response> {
    if w.is_some_and(|w| w != THUMBNAIL_SIDE) {
        let reason = format!("thumbnails have a longer side of {THUMBNAIL_SIDE} pixels");
        return Err(Problem::invalid_field(Code::InvalidQuery, "w", reason));
    }
    let item = find_item(&app, &id).await?;
    let (etag, immutable) = (image_etag(&item, "-thumbnail"), is_immutable(&item, v.as_deref()));
    if is_cached(&headers, &etag) {
        return Ok(not_modified(etag));
    }
    let bytes = app.engine.thumbnail(&item).await.map_err(|e| unavailable(&id, e))?;
    Ok(image_response(bytes.ok_or_else(|| no_image(&id))?, "image/jpeg", etag, immutable))
}

fn no_image(id: &str) -> Problem {
    Problem::new(Code::NotFound, format!("item {id:?} has no image"))
}

fn unavailable(id: &str, error: EngineError) -> Problem {
    match error {
        EngineError::Collection(CollectionError::Picture(error)) => {
            tracing::warn!(id, %error, "an item's image can no longer be read");
            Problem::new(Code::ImageUnavailable, format!("the image of item {id:?} can no longer be read"))
        }
        other => other.into(),
    }
}

/// ETag of the image or of a variant of it, from the hash of its content.
fn image_etag(item: &Item, variant: &str) -> String {
    format!("\"{}{variant}\"", content_version(item))
}

/// Whether the address names the current version of the image, so that its content never changes.
fn is_immutable(item: &Item, version: Option<&str>) -> bool {
    version.is_some_and(|version| version == content_version(item))
}

fn image_response(bytes: Vec<u8>, mime: &str, etag: String, immutable: bool) -> Response {
    // Browsers revalidate an address without a version each time, mostly with the answer 304.
    let caching = if immutable { "private, max-age=31536000, immutable" } else { "private, no-cache" };
    let headers =
        [(header::CONTENT_TYPE, mime.to_owned()), (header::ETAG, etag), (header::CACHE_CONTROL, caching.to_owned())];
    (headers, bytes).into_response()
}
