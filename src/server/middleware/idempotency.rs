//! Requests that change something and may be sent twice: with an `Idempotency-Key` they are done once, and whoever asks again
//! hears what the first one heard.

use std::collections::BTreeMap;

use axum::{
    body::{Body, Bytes, to_bytes},
    extract::{MatchedPath, Request, State},
    http::{HeaderMap, HeaderName, Method, StatusCode, header},
    middleware::Next,
    response::{IntoResponse, Response},
};

use crate::server::{
    error::{Code, Outcome, Problem},
    middleware::auth::{self, Caller},
    state::App,
};
use crate::{
    catalog::{Claim, StoredResponse},
    engine::EngineError,
};

const KEY: HeaderName = HeaderName::from_static("idempotency-key");

/// Set on an answer that is given again.
const REPLAYED: HeaderName = HeaderName::from_static("idempotent-replayed");

/// Characters of a key.
const MAX_CHARS: usize = 255;

/// Headers that belong to an answer.
const KEPT: [HeaderName; 3] = [header::CONTENT_TYPE, header::LOCATION, header::ETAG];

/// The key of a request, among its extensions.
#[derive(Debug, Clone)]
pub(crate) struct Once {
    name: String,
    /// Whether some of what it asks may be done already.
    pub(crate) again: bool,
}

impl Once {
    /// The id of the nth item that the request brings without one: the same each time.
    pub(crate) fn item_id(&self, nth: usize) -> String {
        let hash = blake3::hash(format!("{nth} {}", self.name).as_bytes());
        hash.to_hex()[..16].to_owned()
    }
}

/// Does what a request asks once for each key.
pub(crate) async fn once(State(app): State<App>, request: Request, next: Next) -> Response {
    let route = request.extensions().get::<MatchedPath>().map(|route| route.as_str().to_owned());
    let changes = *request.method() == Method::POST && route.is_some_and(|route| auth::changes(&route));
    match request.headers().get(KEY) {
        Some(key) if changes => match key.to_str().ok().filter(|key| is_sane(key)).map(str::to_owned) {
            Some(key) => answer(&app, key, request, next).await.unwrap_or_else(Problem::into_response),
            None => {
                let detail = format!("Idempotency-Key: it has 1 to {MAX_CHARS} visible characters of ASCII");
                Problem::new(Code::MalformedRequest, detail).into_response()
            }
        },
        _ => next.run(request).await,
    }
}

fn is_sane(key: &str) -> bool {
    (1..=MAX_CHARS).contains(&key.len()) && key.bytes().all(|byte| byte.is_ascii_graphic())
}

async fn answer(app: &App, key: String, request: Request, next: Next) -> Outcome<Response> {
    let catalog = app.engine.collection().catalog.clone();
    let caller = request.extensions().get::<Caller>().and_then(|caller| caller.0.clone()).unwrap_or_default();
    let (mut parts, body) = request.into_parts();
    let body = to_bytes(body, app.limits.picture_bytes).await.map_err(|_| {
        let detail = format!("the body breaks off, or has more than {} bytes", app.limits.picture_bytes);
        Problem::new(Code::BodyTooLarge, detail)
    })?;
    let said = fingerprint(&parts.method, &parts.uri.to_string(), &parts.headers, &body);
    match catalog.claim_request(&caller, &key, &said, &app.run).await? {
        Claim::Conflict => {
            let detail =
                "another request carried this Idempotency-Key within the last day; a new request needs a new key";
            Err(Problem::new(Code::IdempotencyKeyReused, detail))
        }
        Claim::InProgress => {
            let detail = "the request that first carried this Idempotency-Key is at work; ask again in a moment";
            Err(Problem::new(Code::IdempotencyInProgress, detail))
        }
        Claim::Replay(kept) => Ok(replayed(kept)),
        begun @ (Claim::New | Claim::Retry) => {
            parts.extensions.insert(Once { name: format!("{caller} {key}"), again: begun == Claim::Retry });
            let request = Request::from_parts(parts, Body::from(body));
            // In a task of its own: a client that goes away leaves no key behind that is at work for ever.
            let done = tokio::spawn(async move {
                let response = next.run(request).await;
                let (response, kept) = kept(response).await;
                catalog.complete_request(&caller, &key, kept.as_ref()).await?;
                Ok(response)
            });
            done.await.map_err(|e| EngineError::internal(e.to_string()))?
        }
    }
}

/// Splits off what is given again. What went wrong changed nothing, so the request may simply be sent again.
async fn kept(response: Response) -> (Response, Option<StoredResponse>) {
    if !response.status().is_success() {
        return (response, None);
    }
    let (parts, body) = response.into_parts();
    let Ok(body) = to_bytes(body, usize::MAX).await else {
        return (StatusCode::INTERNAL_SERVER_ERROR.into_response(), None);
    };
    let of = |name: &HeaderName| Some((name.to_string(), parts.headers.get(name)?.to_str().ok()?.to_owned()));
    let headers: BTreeMap<String, String> = KEPT.iter().filter_map(of).collect();
    let answer = StoredResponse { status: parts.status.as_u16(), headers, body: body.to_vec() };
    (Response::from_parts(parts, Body::from(body)), Some(answer))
}

fn replayed(StoredResponse { status, headers, body }: StoredResponse) -> Response {
    let mut response = (StatusCode::from_u16(status).unwrap_or_default(), body).into_response();
    for (name, value) in headers {
        if let (Ok(name), Ok(value)) = (HeaderName::try_from(name), value.try_into()) {
            response.headers_mut().insert(name, value);
        }
    }
    response.headers_mut().insert(REPLAYED, header::HeaderValue::from_static("true"));
    response
}

/// All that a request says. The boundary of a form is chosen anew each time it is sent, so it does not count.
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
    let mut begin = 0;
    for at in memchr::memmem::find_iter(body, boundary) {
        hash.update(&body[begin..at]).update(b"--");
        begin = at + boundary.len();
    }
    hash.update(&body[begin..]).finalize().as_bytes().to_vec()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_form_that_is_sent_again_says_the_same() {
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
