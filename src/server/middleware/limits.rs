//! Limits on the size of a request's head and body.

use axum::{
    extract::{DefaultBodyLimit, Request, State},
    middleware::Next,
    response::{IntoResponse, Response},
};
use http_body::Body;

use crate::server::{App, Code, Problem, RoutePolicy, extract::body::BodyLimit, route_policy::BodySize};

/// Refuses a request whose first line and headers are too large. For much larger ones the connection is closed earlier.
pub(crate) async fn check_header_size(State(app): State<App>, request: Request, next: Next) -> Response {
    let headers = request.headers();
    let first = request.uri().path_and_query().map_or(0, |text| text.as_str().len()) + request.method().as_str().len();
    let bytes = first + headers.iter().map(|(name, value)| name.as_str().len() + value.len() + 4).sum::<usize>();
    let (max_bytes, max_headers) = (app.limits.max_head, app.limits.max_headers);
    if headers.len() > max_headers || bytes > max_bytes {
        let detail = format!(
            "the request has {} headers and {bytes} bytes before its body; at most {max_headers} and {max_bytes} are \
             allowed",
            headers.len()
        );
        return Problem::new(Code::HeadTooLarge, detail).into_response();
    }
    next.run(request).await
}

/// Refuses a body whose `Content-Length` exceeds the route's limit before any of it is read. A longer body without a
/// `Content-Length` is limited by the extractor that reads it.
pub(crate) async fn limit_body(State(app): State<App>, mut request: Request, next: Next) -> Response {
    let policy = request.extensions().get().copied().unwrap_or(RoutePolicy::ADMIN);
    let max = match policy.body {
        BodySize::Plain => app.limits.max_body,
        BodySize::WithImages => app.limits.max_picture,
    };
    let announced = request.body().size_hint().lower();
    if announced > max as u64 {
        let detail = format!("the body has {announced} bytes; at most {max} are allowed");
        return Problem::new(Code::BodyTooLarge, detail).into_response();
    }
    request.extensions_mut().insert(BodyLimit(max));
    DefaultBodyLimit::max(max).apply(&mut request);
    next.run(request).await
}
