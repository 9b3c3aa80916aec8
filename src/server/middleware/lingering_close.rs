//! Lingering close: after a response that did not wait for the whole body, the rest of the body is read and discarded.
//!
//! A server that answers "too large" and closes resets the connection of a client that is still sending, and most
//! clients then report a broken connection and never show the response (RFC 9112, section 9.6). nginx calls the remedy
//! `lingering_close`. It is bounded in bytes and time.

use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use axum::body::{Body, Bytes, HttpBody};
use http_body::{Frame, SizeHint};
use parking_lot::{Mutex, MutexGuard};
use tokio::{sync::Notify, time::timeout};

/// Maximum number of bytes that are discarded. With a larger body, the connection is closed.
const MAX_BYTES: u64 = 256 << 20;
/// Maximum time for discarding.
const MAX_TIME: Duration = Duration::from_secs(10);

/// A body that the handler reads and, once it has answered, [`discard_rest`].
#[derive(Clone)]
pub(crate) struct TrackedBody(Arc<Inner>);

struct Inner {
    state: Mutex<State>,
    ended: Notify,
}

struct State {
    body: Body,
    /// Whether a read was attempted. A client that waits for "100 Continue" sends nothing before that.
    read_started: bool,
}

impl TrackedBody {
    pub(crate) fn new(body: Body) -> Self {
        Self(Arc::new(Inner { state: Mutex::new(State { body, read_started: false }), ended: Notify::new() }))
    }

    /// Resolves when the body has arrived completely, or has broken off.
    pub(crate) async fn ended(&self) {
        self.0.ended.notified().await;
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.state.lock()
    }
}

impl HttpBody for TrackedBody {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let mut state = self.state();
        state.read_started = true;
        let polled = Pin::new(&mut state.body).poll_frame(cx);
        if matches!(polled, Poll::Ready(None | Some(Err(_)))) || state.body.is_end_stream() {
            self.0.ended.notify_one();
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.state().body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.state().body.size_hint()
    }
}

/// Reads and discards the rest of a body, for at most `limit`. Does nothing if the client still waits for "100
/// Continue", or if the rest is longer than is worth reading.
pub(crate) async fn discard_rest(body: TrackedBody, expects_continue: bool, limit: Duration) {
    if (expects_continue && !body.state().read_started) || body.size_hint().lower() > MAX_BYTES {
        return;
    }
    // The response is sent in any case.
    let _ = timeout(MAX_TIME.min(limit), discard(body)).await;
}

async fn discard(mut body: TrackedBody) {
    let mut bytes = 0;
    while let Some(Ok(frame)) = std::future::poll_fn(|cx| Pin::new(&mut body).poll_frame(cx)).await {
        bytes += frame.data_ref().map_or(0, |data| data.len() as u64);
        if bytes > MAX_BYTES {
            break;
        }
    }
}
