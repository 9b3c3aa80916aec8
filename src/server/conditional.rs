//! Conditional requests: `If-Match` and `If-None-Match`.

use axum::{
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
};

use super::error::{ApiResult, Problem};

/// The ETags of `If-Match`, without their quotes.
pub(crate) fn if_match(headers: &HeaderMap) -> ApiResult<Option<Vec<String>>> {
    let mut etags = Vec::new();
    for value in headers.get_all(header::IF_MATCH) {
        let text = value.to_str().map_err(|_| Problem::malformed("If-Match: only ASCII characters are allowed"))?;
        etags.extend(text.split(',').map(|etag| etag.trim().trim_matches('"').to_owned()));
    }
    Ok((!etags.is_empty()).then_some(etags))
}

/// Whether the client has the version with this ETag, weak or strong (RFC 9110, section 13.1.2).
pub(crate) fn is_cached(headers: &HeaderMap, etag: &str) -> bool {
    let opaque = |etag: &str| etag.trim().trim_start_matches("W/").to_owned();
    let known = headers.get(header::IF_NONE_MATCH).and_then(|v| v.to_str().ok());
    known.is_some_and(|etags| etags.split(',').any(|known| opaque(known) == opaque(etag)))
}

pub(crate) fn not_modified(etag: String) -> Response {
    (StatusCode::NOT_MODIFIED, [(header::ETAG, etag)]).into_response()
}
