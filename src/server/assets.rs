//! The three pages and their files. All of them are embedded, so that the service is a single binary.

use axum::{
    body::Body,
    extract::{Path, State},
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use rust_embed::RustEmbed;

use crate::server::{
    error::{Code, Outcome, Problem},
    extract::search_params::AddressParameters,
    no_script,
    state::App,
};

/// Allows no inline code and no other hosts, so that a caption can never become a script.
const POLICY: &str = "default-src 'self'; img-src 'self' blob: data:; style-src 'self'; script-src 'self'; \
                      object-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'";

/// Scripts, style sheets, strings and images of the pages, by their paths in `static/`. Debug builds embed them as
/// well, so that a binary runs from any directory.
#[derive(RustEmbed)]
#[folder = "static/"]
#[exclude = "*.html"]
#[exclude = "readme/*"]
struct Assets;

/// `GET /`, with the answer to its `q` for browsers without scripts.
pub(crate) async fn index(State(app): State<App>, parameters: AddressParameters) -> Response {
    let page = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/static/search.html"));
    match no_script::words(&parameters) {
        Some((words, true)) => document(no_script::answered(&app, page, words).await),
        Some((words, false)) => document(no_script::offered(page, words)),
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

fn document(page: impl Into<Body>) -> Response {
    let mut response = file("text/html; charset=utf-8", page);
    response.headers_mut().insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY));
    response
}

/// `GET /static/{*path}`
pub(crate) async fn asset(Path(path): Path<String>, headers: HeaderMap) -> Outcome<Response> {
    let asset = Assets::get(&path).ok_or_else(|| Problem::new(Code::NotFound, format!("there is no file {path:?}")))?;
    // Weak, because compression changes the bytes that are sent.
    let hash = asset.metadata.sha256_hash();
    let etag: String = hash[..8].iter().map(|byte| format!("{byte:02x}")).collect();
    let etag = format!("W/\"{etag}\"");
    let known = headers.get(header::IF_NONE_MATCH).and_then(|tags| tags.to_str().ok());
    let mut response = if known.is_some_and(|tags| tags.split(',').any(|tag| tag.trim() == etag)) {
        (StatusCode::NOT_MODIFIED, [(header::CACHE_CONTROL, "no-cache")]).into_response()
    } else {
        let mime = asset.metadata.mimetype();
        let charset = if mime.starts_with("text/") { "; charset=utf-8" } else { "" };
        file(&format!("{mime}{charset}"), asset.data)
    };
    response.headers_mut().insert(header::ETAG, HeaderValue::from_str(&etag).expect("hexadecimal digits"));
    Ok(response)
}

fn file(content_type: &str, bytes: impl Into<Body>) -> Response {
    ([(header::CONTENT_TYPE, content_type), (header::CACHE_CONTROL, "no-cache")], bytes.into()).into_response()
}
