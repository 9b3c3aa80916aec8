//! Time limits of a request: its body has to arrive within one limit (else 408), and once it has, the response has to
//! be ready within another (else 504). A slow connection does not use up the time for the work, nor slow work that for
//! the body.

use std::time::Duration;

use axum::{
    body::{Body, HttpBody},
    extract::{Request, State},
    http::header,
    middleware::Next,
    response::{IntoResponse, Response},
};
use tokio::time::timeout;

use crate::config::Limits;
use crate::server::{
    error::{Code, Problem},
    middleware::lingering_close::{TrackedBody, discard_rest},
    state::App,
};

/// Answers within the time limits, and only after the client has sent the rest of its body (see
/// [`lingering_close`](super::lingering_close)).
pub(crate) async fn enforce_timeouts(State(app): State<App>, request: Request, next: Next) -> Response {
    let limits = &app.limits;
    if request.body().is_end_stream() {
        let response = timeout(limits.request_timeout, next.run(request)).await;
        return response.unwrap_or_else(|_| timed_out(limits.request_timeout).into_response());
    }
    let expects_continue = request.headers().contains_key(header::EXPECT);
    let (parts, body) = request.into_parts();
    let body = TrackedBody::new(body);
    let response = tokio::select! {
        response = next.run(Request::from_parts(parts, Body::new(body.clone()))) => response,
        problem = out_of_time(&body, limits) => return problem.into_response(),
    };
    discard_rest(body, expects_continue, limits.body_timeout).await;
    response
}

/// Resolves when a request has used up its time.
async fn out_of_time(body: &TrackedBody, limits: &Limits) -> Problem {
    if timeout(limits.body_timeout, body.ended()).await.is_err() {
        return Problem::new(Code::BodyTooSlow, format!("the body did not arrive within {:?}", limits.body_timeout));
    }
    tokio::time::sleep(limits.request_timeout).await;
    timed_out(limits.request_timeout)
}

fn timed_out(limit: Duration) -> Problem {
    Problem::new(Code::Timeout, format!("the response was not ready within {limit:?}"))
}
