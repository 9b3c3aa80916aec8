//! What surrounds every request: its id, its line in the log, the form of its errors.

use std::time::Instant;

use axum::{
    extract::{MatchedPath, Request, State},
    http::{HeaderMap, HeaderName, HeaderValue, Method, Uri, header},
    middleware::Next,
    response::{IntoResponse, Response},
};
use tracing::Instrument;

use crate::server::{
    error::{Code, Problem},
    state::App,
};

/// Header that carries a request's id both ways.
const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// The id of a request, among its extensions.
#[derive(Clone, Debug)]
pub(crate) struct RequestId(pub(crate) String);

/// Gives the request an id (the client's own, if it sent a sane one), logs it, and gives errors their body.
pub(crate) async fn context(mut request: Request, next: Next) -> Response {
    let id = request_id(request.headers());
    let method = request.method().clone();
    let path = request.uri().path().to_owned();
    let route = request.extensions().get::<MatchedPath>().map_or("-", MatchedPath::as_str).to_owned();
    request.extensions_mut().insert(RequestId(id.clone()));
    let span = tracing::info_span!("request", %id, %method, %route);

    let began = Instant::now();
    let mut response = next.run(request).instrument(span.clone()).await;
    let _entered = span.enter();

    let status = response.status();
    if status.is_client_error() || status.is_server_error() {
        let problem = response.extensions_mut().remove::<Problem>();
        let problem = problem.unwrap_or_else(|| Problem::of_status(status, method.as_str(), &path));
        let allow = response.headers_mut().remove(header::ALLOW);
        response = problem.render(&path, &id);
        if let Some(allow) = allow {
            response.headers_mut().insert(header::ALLOW, allow);
        }
    }
    if let Ok(value) = HeaderValue::from_str(&id) {
        response.headers_mut().insert(REQUEST_ID, value);
    }
    let (took, status) = (began.elapsed().as_secs_f64(), response.status().as_u16());
    // By route and not by path, which anyone can invent.
    metrics::counter!("diptych_http_requests_total", "method" => verb(&method), "route" => route.clone(), "status" => status.to_string())
        .increment(1);
    metrics::histogram!("diptych_http_request_seconds", "route" => route).record(took);
    tracing::debug!(status, ms = took * 1000.0, "answered");
    response
}

/// A method's name; those that nobody has heard of share one.
fn verb(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::HEAD => "HEAD",
        Method::POST => "POST",
        Method::PUT => "PUT",
        Method::PATCH => "PATCH",
        Method::DELETE => "DELETE",
        Method::OPTIONS => "OPTIONS",
        _ => "other",
    }
}

fn request_id(headers: &HeaderMap) -> String {
    let sane = |id: &&str| (1..=64).contains(&id.len()) && id.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
    match headers.get(REQUEST_ID).and_then(|id| id.to_str().ok()).filter(sane) {
        Some(id) => id.to_owned(),
        None => format!("{:016x}", rand::random::<u64>()),
    }
}

/// Refuses what another site's page sends. A service on loopback is open to every page in the owner's browser, and a
/// browser says where a page comes from. Origins that the owner has listed may.
pub(crate) async fn same_origin(State(app): State<App>, request: Request, next: Next) -> Response {
    let reads = matches!(*request.method(), Method::GET | Method::HEAD | Method::OPTIONS);
    let listed = request.headers().get(header::ORIGIN).is_some_and(|from| app.origins.contains(from));
    if !reads && !listed && is_foreign(request.headers()) {
        return Problem::new(Code::ForeignOrigin, "the Origin of this request is not this service").into_response();
    }
    next.run(request).await
}

fn is_foreign(headers: &HeaderMap) -> bool {
    let text = |name| headers.get(name).and_then(|v: &HeaderValue| v.to_str().ok());
    match (text(header::ORIGIN), text(header::HOST)) {
        (None, _) => false,
        (Some(origin), Some(host)) => {
            origin.parse::<Uri>().ok().and_then(|uri| uri.authority().map(|a| a.as_str() != host)).unwrap_or(true)
        }
        (Some(_), None) => true,
    }
}
