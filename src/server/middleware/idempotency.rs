//! `Idempotency-Key`: a write that is sent again with the same key runs only once, and every repetition gets the stored
//! response.

use std::collections::BTreeMap;

use axum::{
    body::{Body, Bytes, to_bytes},
    extract::{Request, State},
    http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header},
    middleware::Next,
    response::{IntoResponse, Response},
};

use super::auth::AuthenticatedKey;
use crate::{
    catalog::{Claim, StoredResponse},
    engine::EngineError,
    server::{ApiResult, App, Code, Problem, RoutePolicy},
};

const KEY: HeaderName = HeaderName::from_static("idempotency-key");

/// Set on a response that is sent again.
const REPLAYED: HeaderName = HeaderName::from_static("idempotent-replayed");

/// Maximum length of a key.
const MAX_CHARS: usize = 255;

/// Headers that are stored with a response.
const STORED_HEADERS: [HeaderName; 3] = [header::CONTENT_TYPE, header::LOCATION, header::ETAG];

/// The key of a request; in its extensions.
#[derive(Debug, Clone)]
pub(crate) struct IdempotencyKey {
    /// The key with the id of its caller.
    name: String,
    /// Whether an earlier attempt may have done part of the work.
    pub(crate) retried: bool,
}

impl IdempotencyKey {
    /// An id for the nth item that the request adds without one: the same on every attempt.
    pub(crate) fn item_id(&self, nth: usize) -> String {
        let hash = blake3::hash(format!("{nth} {}", self.name).as_bytes());
        hash.to_hex()[..16].to_owned()
    }
}

/// Runs a request once per key.
pub(crate) async fn run_once(State(app): State<App>, request: Request, next: Next) -> Response {
    let idempotent = request.extensions().get::<RoutePolicy>().is_some_and(|policy| policy.idempotent);
    match request.headers().get(KEY) {
        Some(key) if idempotent => match key.to_str().ok().filter(|key| is_valid(key)).map(str::to_owned) {
            Some(key) => run_or_replay(&app, key, request, next).await.unwrap_or_else(Problem::into_response),
            None => {
                let detail = format!("Idempotency-Key: 1 to {MAX_CHARS} visible ASCII characters are expected");
                Problem::new(Code::MalformedRequest, detail).into_response()
            }
        },
        _ => next.run(request).await,
    }
}

fn is_valid(key: &str) -> bool {
    (1..=MAX_CHARS).contains(&key.len()) && key.bytes().all(|byte| byte.is_ascii_graphic())
}

async fn run_or_replay(app: &App, key: String, request: Request, next: Next) -> ApiResult<Response> {
    let catalog = app.engine.collection().catalog.clone();
    let caller = request.extensions().get::<AuthenticatedKey>().and_then(|key| key.0.clone()).unwrap_or_default();
    let (mut parts, body) = request.into_parts();
    let body = to_bytes(body, app.limits.max_picture).await.map_err(|_| {
        let detail = format!("the body breaks off, or has more than {} bytes", app.limits.max_picture);
        Problem::new(Code::BodyTooLarge, detail)
    })?;
    let fingerprint = fingerprint(&parts.method, &parts.uri.to_string(), &parts.headers, &body);
    match catalog.claim_request(&caller, &key, &fingerprint, &app.run).await? {
        Claim::Conflict => {
            let detail = "a different request used this Idempotency-Key within the last 24 hours; use a new key";
            Err(Problem::new(Code::IdempotencyKeyReused, detail))
        }
        Claim::InProgress => {
            let detail = "the first request with this Idempotency-Key is still running; retry in a moment";
            Err(Problem::new(Code::IdempotencyInProgress, detail))
        }
        Claim::Replay(stored) => Ok(replay(stored)),
        claim @ (Claim::New | Claim::Retry) => {
            parts.extensions.insert(IdempotencyKey { name: format!("{caller} {key}"), retried: claim == Claim::Retry });
            let request = Request::from_parts(parts, Body::from(body));
            // In a task of its own, so that the key is released even if the client disconnects.
            let task = tokio::spawn(async move {
                let (response, stored) = store_response(next.run(request).await).await;
                catalog.complete_request(&caller, &key, stored.as_ref()).await?;
                Ok(response)
            });
            task.await.map_err(|e| EngineError::internal(e.to_string()))?
        }
    }
}

/// Copies what a replay needs. A failed request changed nothing and may simply be sent again, so it is not stored.
async fn store_response(response: Response) -> (Response, Option<StoredResponse>) {
    if !response.status().is_success() {
        return (response, None);
    }
    let (parts, body) = response.into_parts();
    let Ok(body) = to_bytes(body, usize::MAX).await else {
        return (StatusCode::INTERNAL_SERVER_ERROR.into_response(), None);
    };
    let header = |name: &HeaderName| Some((name.to_string(), parts.headers.get(name)?.to_str().ok()?.to_owned()));
    let headers: BTreeMap<String, String> = STORED_HEADERS.iter().filter_map(header).collect();
    let stored = StoredResponse { status: parts.status.as_u16(), headers, body: body.to_vec() };
    (Response::from_parts(parts, Body::from(body)), Some(stored))
}

fn replay(StoredResponse { status, headers, body }: StoredResponse) -> Response {
    let mut response = (StatusCode::from_u16(status).unwrap_or_default(), body).into_response();
    for (name, value) in headers {
        if let (Ok(name), Ok(value)) = (HeaderName::try_from(name), value.try_into()) {
            response.headers_mut().insert(name, value);
        }
    }
    response.headers_mut().insert(REPLAYED, HeaderValue::from_static("true"));
    response
}

/// Hash of everything that distinguishes a request. A client chooses a new boundary of a form for each attempt, so
/// the boundary is left out.
fn fingerprint(method: &Method, address: &str, headers: &HeaderMap, body: &Bytes) -> Vec<u8> {
    let media_type = headers.get(header::CONTENT_TYPE).and_then(|v| v.to_str().ok()).unwrap_or_default();
    let (kind, boundary) = media_type.split_once("boundary=").unwrap_or((media_type, ""));
    let mut hash = blake3::Hasher::new();
    for part in [method.as_str(), address, kind] {
        hash.update(&(part.len() as u64).to_le_bytes());
        hash.update(part.as_bytes());
    }
    let boundary = boundary.trim_matches('"');
    if boundary.is_empty() {
        hash.update(body);
        return hash.finalize().as_bytes().to_vec();
    }
    let mut start = 0;
    for at in memchr::memmem::find_iter(body, boundary) {
        hash.update(&body[start..at]).update(b"--");
        start = at + boundary.len();
    }
    hash.update(&body[start..]).finalize().as_bytes().to_vec()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fingerprint_of_a_form_ignores_the_boundary() {
        let form = |boundary: &str, text: &str| {
            let mut headers = HeaderMap::new();
            let media_type = format!("multipart/form-data; boundary={boundary}");
            headers.insert(header::CONTENT_TYPE, media_type.parse().expect("a value"));
            let body = format!("--{boundary}\r\n\r\n{text}\r\n--{boundary}--\r\n");
            fingerprint(&Method::POST, "/v1/items", &headers, &body.into())
        };
        assert_eq!(form("abc", "a barn"), form("xyz123", "a barn"));
        assert_ne!(form("abc", "a barn"), form("abc", "a bard"));
    }
}
