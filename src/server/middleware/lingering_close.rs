//! The time that a request has, and reading on after an answer that did not wait for the whole body.
//!
//! A body has to come within its own time (else 408), and the answer within its own once the body is there (else 504): a slow line
//! takes nothing from the time of the work, and slow work nothing from the line's.
//!
//! A server that answers "too large" and closes resets the connection of a client that is still sending, and most clients
//! then report a broken connection and never show the answer (RFC 9112, 9.6). So what the handler left unread is read and
//! thrown away first: within limits, and without keeping any of it.

use std::{
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll},
    time::Duration,
};

use axum::{
    body::{Body, Bytes, HttpBody},
    extract::{Request, State},
    middleware::Next,
    response::{IntoResponse, Response},
};
use http_body::{Frame, SizeHint};
use tokio::{sync::Notify, time::timeout};

use crate::server::{
    error::{Code, Problem},
    limits::HttpLimits,
    state::App,
};

/// How much is read on, in bytes. A body that announces more, or goes on for longer, is cut off.
const MOST_BYTES: u64 = 256 << 20;
/// How long is read on.
const MOST_TIME: Duration = Duration::from_secs(10);

/// A body that the handler reads and, once it has answered, this middleware.
#[derive(Clone)]
struct Shared(Arc<Inner>);

struct Inner {
    reading: Mutex<Reading>,
    ended: Notify,
}

struct Reading {
    body: Body,
    /// Whether anybody has begun to read. A client that waits for "100 Continue" has not sent anything before that.
    begun: bool,
}

impl Shared {
    fn new(body: Body) -> Self {
        Self(Arc::new(Inner { reading: Mutex::new(Reading { body, begun: false }), ended: Notify::new() }))
    }

    fn reading(&self) -> MutexGuard<'_, Reading> {
        self.0.reading.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Resolves when the body is there whole, or will never be.
    async fn ended(&self) {
        self.0.ended.notified().await;
    }
}

impl HttpBody for Shared {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let mut reading = self.reading();
        reading.begun = true;
        let polled = Pin::new(&mut reading.body).poll_frame(cx);
        if matches!(polled, Poll::Ready(None | Some(Err(_)))) || reading.body.is_end_stream() {
            self.0.ended.notify_one();
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.reading().body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.reading().body.size_hint()
    }
}

/// Answers within the time that a request has, and only once the client has sent all of its body, or more than is read on.
pub(crate) async fn linger(State(app): State<App>, request: Request, next: Next) -> Response {
    let limits = &app.limits;
    if request.body().is_end_stream() {
        let answer = timeout(limits.request, next.run(request)).await;
        return answer.unwrap_or_else(|_| too_long(limits).into_response());
    }
    let waits = request.headers().contains_key(axum::http::header::EXPECT);
    let (parts, body) = request.into_parts();
    let shared = Shared::new(body);
    let response = tokio::select! {
        response = next.run(Request::from_parts(parts, Body::new(shared.clone()))) => response,
        problem = out_of_time(&shared, limits) => return problem.into_response(),
    };
    if (waits && !shared.reading().begun) || shared.size_hint().lower() > MOST_BYTES {
        return response;
    }
    // Out of time, the response goes out all the same.
    let _ = timeout(MOST_TIME.min(limits.body), read_on(shared)).await;
    response
}

/// Resolves when a request has used up its time.
async fn out_of_time(body: &Shared, limits: &HttpLimits) -> Problem {
    if timeout(limits.body, body.ended()).await.is_err() {
        return Problem::new(Code::BodyTooSlow, format!("the body did not come within {:?}", limits.body));
    }
    tokio::time::sleep(limits.request).await;
    too_long(limits)
}

fn too_long(limits: &HttpLimits) -> Problem {
    Problem::new(Code::Timeout, format!("the request was not answered within {:?}", limits.request))
}

async fn read_on(mut body: Shared) {
    let mut read = 0;
    while let Some(Ok(frame)) = std::future::poll_fn(|cx| Pin::new(&mut body).poll_frame(cx)).await {
        read += frame.data_ref().map_or(0, |data| data.len() as u64);
        if read > MOST_BYTES {
            break;
        }
    }
}
