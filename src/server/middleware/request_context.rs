//! Gives every request an id, a tracing span and metrics, and every error its body.

use std::time::Instant;

use axum::{
    extract::{MatchedPath, Request},
    http::{HeaderMap, HeaderName, HeaderValue, Method, header},
    middleware::Next,
    response::Response,
};
use tracing::Instrument;

use crate::server::error::Problem;

/// Header with the request's id, in both directions.
const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// Id of a request; in its extensions.
#[derive(Clone, Debug)]
pub(crate) struct RequestId(pub(crate) String);

/// Gives the request an id (the client's own, if that is valid), logs and counts it, and renders its error.
pub(crate) async fn request_context(mut request: Request, next: Next) -> Response {
    let id = request_id(request.headers());
    let method = request.method().clone();
    let path = request.uri().path().to_owned();
    let route = request.extensions().get::<MatchedPath>().map_or("-", MatchedPath::as_str).to_owned();
    request.extensions_mut().insert(RequestId(id.clone()));
    let span = tracing::info_span!("request", %id, %method, %route);

    let started = Instant::now();
    let mut response = next.run(request).instrument(span.clone()).await;
    let _entered = span.enter();

    let status = response.status();
    if status.is_client_error() || status.is_server_error() {
        let problem = response.extensions_mut().remove::<Problem>();
        let problem = problem.unwrap_or_else(|| Problem::from_status(status, method.as_str(), &path));
        let allow = response.headers_mut().remove(header::ALLOW);
        response = problem.render(&path, &id);
        if let Some(allow) = allow {
            response.headers_mut().insert(header::ALLOW, allow);
        }
    }
    if let Ok(value) = HeaderValue::from_str(&id) {
        response.headers_mut().insert(REQUEST_ID, value);
    }
    let (took, status) = (started.elapsed().as_secs_f64(), response.status().as_u16());
    // By route, not by path: clients could invent any number of paths.
    let labels =
        [("method", method_label(&method).to_owned()), ("route", route.clone()), ("status", status.to_string())];
    metrics::counter!("diptych_http_requests_total", &labels).increment(1);
    metrics::histogram!("diptych_http_request_seconds", "route" => route).record(took);
    tracing::debug!(status, ms = took * 1000.0, "answered");
    response
}

/// A method's name; unknown methods share one, for clients could invent any number.
fn method_label(method: &Method) -> &'static str {
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
    let valid = |id: &&str| (1..=64).contains(&id.len()) && id.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
    match headers.get(REQUEST_ID).and_then(|id| id.to_str().ok()).filter(valid) {
        Some(id) => id.to_owned(),
        None => format!("{:016x}", rand::random::<u64>()),
    }
}
