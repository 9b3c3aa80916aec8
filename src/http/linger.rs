//! Reading on after an answer that did not wait for the whole body.
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
    extract::Request,
    middleware::Next,
    response::Response,
};
use http_body::{Frame, SizeHint};

/// How much is read on, in bytes. A body that announces more, or goes on for longer, is cut off.
const MOST_BYTES: u64 = 256 << 20;
/// How long is read on.
const MOST_TIME: Duration = Duration::from_secs(10);

/// A body that the handler reads and, once it has answered, this middleware.
#[derive(Clone)]
struct Shared(Arc<Mutex<State>>);

struct State {
    body: Body,
    /// Whether anybody has begun to read. A client that waits for "100 Continue" has not sent anything before that.
    begun: bool,
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl HttpBody for Shared {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let mut state = self.state();
        state.begun = true;
        Pin::new(&mut state.body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.state().body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.state().body.size_hint()
    }
}

/// Answers only once the client has sent all of its body, or more than is read on.
pub(super) async fn linger(request: Request, next: Next) -> Response {
    if request.body().is_end_stream() {
        return next.run(request).await;
    }
    let waits = request.headers().contains_key(axum::http::header::EXPECT);
    let (parts, body) = request.into_parts();
    let shared = Shared(Arc::new(Mutex::new(State { body, begun: false })));
    let response = next.run(Request::from_parts(parts, Body::new(shared.clone()))).await;
    if (waits && !shared.state().begun) || shared.size_hint().lower() > MOST_BYTES {
        return response;
    }
    // Out of time, the response goes out all the same.
    let _ = tokio::time::timeout(MOST_TIME, read_on(shared)).await;
    response
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
