//! The three pages and their files. All of them are embedded, so that the service is a single binary.

use axum::{
    body::Body,
    extract::State,
    http::{HeaderMap, HeaderValue, header},
    response::{IntoResponse, Response},
};
use rust_embed::RustEmbed;

use super::{ApiResult, App, Code, Problem};
use crate::{
    server::{
        conditional::{is_cached, not_modified},
        extract::{path::Path, query::Query},
        no_script,
    },
    util::hex,
};

/// Allows no inline code and no other hosts, so that a caption can never become a script.
const POLICY: &str = "default-src 'self'; img-src 'self' blob: data:; style-src 'self'; script-src 'self'; \
                      object-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'";

/// The files of the pages, by their paths in `static/`. Debug builds embed them as well, so that a binary runs from any
/// directory.
#[derive(RustEmbed)]
#[folder = "static/"]
struct Assets;

/// `GET /`, with the results for its `q` for browsers without scripts.
pub(crate) async fn index(
    State(app): State<App>,
    parameters: Result<Query<Vec<(String, String)>>, Problem>,
) -> Response {
    let parameters = parameters.map(|Query(parameters)| parameters).unwrap_or_default();
    let page = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/static/search.html"));
    match no_script::query(&parameters) {
        Some((text, true)) => document(no_script::with_results(&app, page, text).await),
        Some((text, false)) => document(no_script::with_form(page, text)),
        None => document(page),
    }
}

/// `GET /admin`
pub(crate) async fn admin() -> Response {
    document(include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/static/admin.html")))
}

/// `GET /docs`
pub(crate) async fn docs() -> Response {
    document(include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/static/docs.html")))
}

/// A page, which only runs scripts and shows styles of its own host.
pub(crate) fn document(page: impl Into<Body>) -> Response {
    let mut response = file("text/html; charset=utf-8", page);
    response.headers_mut().insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY));
    response
}

/// `GET /static/{*path}`
pub(crate) async fn asset(Path(path): Path<String>, headers: HeaderMap) -> ApiResult<Response> {
    // Pages are sent from their own paths alone, with a content security policy.
    let asset = Assets::get(&path).filter(|_| !path.ends_with(".html"));
    let asset = asset.ok_or_else(|| Problem::new(Code::NotFound, format!("there is no file {path:?}")))?;
    // Weak, because compression changes the bytes that are sent.
    let etag = format!("W/\"{}\"", hex::encode(&asset.metadata.sha256_hash()[..8]));
    if is_cached(&headers, &etag) {
        return Ok(([(header::CACHE_CONTROL, "no-cache")], not_modified(etag)).into_response());
    }
    let mime = asset.metadata.mimetype();
    let charset = if mime.starts_with("text/") { "; charset=utf-8" } else { "" };
    Ok(([(header::ETAG, etag)], file(&format!("{mime}{charset}"), asset.data)).into_response())
}

fn file(content_type: &str, bytes: impl Into<Body>) -> Response {
    ([(header::CONTENT_TYPE, content_type), (header::CACHE_CONTROL, "no-cache")], bytes.into()).into_response()
}
