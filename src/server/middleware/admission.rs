//! Who is let in when there are many: searches and changes only as many as there are places for, and bodies only as much as
//! there is memory for. Probes and what owners do take no place, so that they are answered when nothing else is.

use std::sync::Arc;

use axum::{
    extract::{Request, State},
    middleware::Next,
    response::{IntoResponse, Response},
};
use http_body::Body;
use tokio::sync::{Semaphore, SemaphorePermit};

use crate::catalog::Scope;
use crate::server::{
    error::{Code, Problem},
    limits::HttpLimits,
    middleware::auth::scope_of,
    state::App,
};

/// What a connection may ask for; among the extensions of its requests.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Door {
    /// Everything.
    Open,
    /// What takes no place: there are as many connections as there may be.
    Crowded,
    /// Probes: the service ends.
    Draining,
}

/// Places that requests take while they are at work.
#[derive(Debug, Clone)]
pub(crate) struct Places {
    requests: Arc<Semaphore>,
    /// Memory for bodies, in KiB.
    bodies: Arc<Semaphore>,
}

impl Places {
    pub(crate) fn new(limits: &HttpLimits) -> Self {
        let kib = (limits.upload_bytes >> 10).min(Semaphore::MAX_PERMITS);
        Self { requests: Arc::new(Semaphore::new(limits.requests)), bodies: Arc::new(Semaphore::new(kib)) }
    }

    /// A place for a search or a change, if there is one.
    pub(crate) fn request(&self) -> Option<SemaphorePermit<'_>> {
        self.requests.try_acquire().ok()
    }

    /// Places that are taken, of those that these limits give.
    pub(crate) fn taken(&self, limits: &HttpLimits) -> usize {
        limits.requests - self.requests.available_permits()
    }
}

/// Lets a request in if there is a place for it.
pub(crate) async fn admit(State(app): State<App>, request: Request, next: Next) -> Response {
    let Some(scope) = scope_of(&app, &request) else { return next.run(request).await };
    let door = request.extensions().get().copied().unwrap_or(Door::Open);
    if door == Door::Draining {
        return Problem::new(Code::Draining, "the service ends; another one may be there in a moment").into_response();
    }
    if scope == Scope::Admin {
        return next.run(request).await;
    }
    if door == Door::Crowded {
        return full(&format!("there are {} connections, the most that are served", app.limits.connections));
    }
    let Some(_place) = app.places.request() else {
        return full(&format!("{} searches and changes are at work, the most at once", app.limits.requests));
    };
    // What does not say how long it is may be as long as is allowed.
    let most = request.body().size_hint().upper().map_or(usize::MAX, |bytes| bytes as usize);
    let most = most.min(app.limits.picture_bytes);
    let Ok(_memory) = app.places.bodies.try_acquire_many(most.div_ceil(1 << 10) as u32) else {
        let all = app.limits.upload_bytes;
        return full(&format!("bodies of {all} bytes are being read, the most at once"));
    };
    next.run(request).await
}

fn full(why: &str) -> Response {
    Problem::new(Code::Overloaded, why).into_response()
}

/// Refuses a body that says that it is longer than is read here, before any of it is read.
pub(crate) async fn declared(State(most): State<usize>, request: Request, next: Next) -> Response {
    let announced = request.body().size_hint().lower();
    if announced > most as u64 {
        let detail = format!("the body has {announced} bytes; at most {most} are read here");
        return Problem::new(Code::BodyTooLarge, detail).into_response();
    }
    next.run(request).await
}

/// Refuses a head that is longer than is looked at. What is far longer never gets here: the connection is cut off.
pub(crate) async fn head(State(app): State<App>, request: Request, next: Next) -> Response {
    let headers = request.headers();
    let first = request.uri().path_and_query().map_or(0, |text| text.as_str().len()) + request.method().as_str().len();
    let bytes = first + headers.iter().map(|(name, value)| name.as_str().len() + value.len() + 4).sum::<usize>();
    let (most_bytes, most) = (app.limits.head_bytes, app.limits.headers);
    if headers.len() > most || bytes > most_bytes {
        let detail = format!(
            "the request has {} headers and a head of {bytes} bytes; at most {most} and {most_bytes} are read",
            headers.len()
        );
        return Problem::new(Code::HeadTooLarge, detail).into_response();
    }
    next.run(request).await
}
