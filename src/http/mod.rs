//! How does the world talk to it? One file for each resource, one table of errors, one middleware that gives every
//! request an id and every error its form.

mod access;
mod admin;
mod error;
mod filter;
mod form;
mod info;
mod ingest;
mod items;
mod keys;
mod linger;
mod options;
mod pages;
mod request;
mod search;
mod tasks;
mod view;

use std::{future::Future, net::SocketAddr, sync::Arc, time::Duration};

use axum::{
    Router,
    extract::DefaultBodyLimit,
    http::{HeaderName, HeaderValue, StatusCode, header},
    middleware,
    routing::{get, post},
};
use tokio::net::TcpListener;
use tower_http::{
    catch_panic::CatchPanicLayer, compression::CompressionLayer, set_header::SetResponseHeaderLayer,
    timeout::TimeoutLayer,
};

use crate::{search::Engine, telemetry};

/// What the service allows.
#[derive(Debug, Clone, Copy)]
pub struct HttpLimits {
    /// Bytes of a posted picture.
    pub picture_bytes: usize,
    /// Bytes of any other body.
    pub body_bytes: usize,
    /// How long a request may take.
    pub request: Duration,
    /// How long running requests may take once the service is asked to end.
    pub drain: Duration,
}

impl Default for HttpLimits {
    fn default() -> Self {
        Self {
            picture_bytes: 32 << 20,
            body_bytes: 1 << 20,
            request: Duration::from_secs(30),
            drain: Duration::from_secs(10),
        }
    }
}

/// How often measurements are sorted into their buckets.
const TIDY_EVERY: Duration = Duration::from_secs(5);

/// What every handler can reach.
#[derive(Clone, Debug)]
struct App {
    engine: Arc<Engine>,
    limits: HttpLimits,
}

/// All routes of the service over one engine.
pub fn router(engine: Arc<Engine>, limits: HttpLimits) -> Router {
    let app = App { engine, limits };
    let guard = middleware::from_fn_with_state(app.clone(), access::guard);
    let pictures = Router::new()
        .route("/v1/search/image", post(search::image))
        .route("/v1/search", get(search::by_address).post(search::composed))
        .route("/v1/classify", post(search::classify))
        .route("/v1/embed", post(search::embed))
        .route("/v1/items", get(ingest::list).post(ingest::create))
        .route("/v1/items/batch", post(ingest::batch))
        .route("/v1/items/delete", post(ingest::delete_many))
        .route("/v1/items/{id}", get(items::item).put(ingest::replace).patch(ingest::change).delete(ingest::delete))
        .layer(DefaultBodyLimit::max(limits.picture_bytes));
    // Told as they come: the time of a request does not bound them.
    let events = Router::new()
        .route("/v1/tasks/{id}/events", get(tasks::events))
        .layer(guard.clone())
        .layer(middleware::from_fn(request::context));
    telemetry::start_metrics();
    Router::new()
        .route("/", get(pages::index))
        .route("/static/{name}", get(pages::asset))
        .route("/healthz", get(info::healthz))
        .route("/readyz", get(info::readyz))
        .route("/metrics", get(info::metrics))
        .route("/v1/info", get(info::info))
        .route("/v1/labels", get(info::labels))
        .route("/v1/facets", get(search::facets))
        .route("/v1/search/text", post(search::text))
        .route("/v1/items/{id}/similar", get(search::similar))
        .route("/v1/items/{id}/image", get(items::image))
        .route("/v1/items/{id}/thumbnail", get(items::thumbnail))
        .route("/v1/admin/reindex", post(admin::reindex))
        .route("/v1/admin/selftest", post(admin::selftest))
        .route("/v1/admin/train", post(admin::train))
        .route("/v1/admin/evaluate", post(admin::evaluate))
        .route("/v1/admin/import", post(admin::import))
        .route("/v1/admin/keys", get(keys::list).post(keys::create))
        .route("/v1/admin/keys/{id}", axum::routing::delete(keys::revoke))
        .route("/v1/models", get(admin::models))
        .route("/v1/models/{id}/report", get(admin::report))
        .route("/v1/models/{id}/activate", post(admin::activate))
        .route("/v1/models/rollback", post(admin::roll_back))
        .route("/v1/tasks", get(tasks::list))
        .route("/v1/tasks/{id}", get(tasks::one))
        .route("/v1/tasks/{id}/cancel", post(tasks::cancel))
        .layer(DefaultBodyLimit::max(limits.body_bytes))
        .merge(pictures)
        .layer(CatchPanicLayer::custom(error::panicked))
        .layer(TimeoutLayer::with_status_code(StatusCode::GATEWAY_TIMEOUT, limits.request))
        .layer(guard)
        .layer(middleware::from_fn(request::same_origin))
        .layer(middleware::from_fn(linger::linger))
        .layer(middleware::from_fn(request::context))
        .layer(SetResponseHeaderLayer::if_not_present(
            header::X_CONTENT_TYPE_OPTIONS,
            HeaderValue::from_static("nosniff"),
        ))
        .layer(SetResponseHeaderLayer::if_not_present(
            HeaderName::from_static("referrer-policy"),
            HeaderValue::from_static("no-referrer"),
        ))
        .layer(CompressionLayer::new())
        .merge(events)
        .with_state(app)
}

/// Serves until `stop` resolves, then lets running requests end for at most [`HttpLimits::drain`].
///
/// # Errors
/// If the listener fails.
pub async fn serve(
    listener: TcpListener,
    engine: Arc<Engine>,
    limits: HttpLimits,
    stop: impl Future<Output = ()> + Send + 'static,
) -> std::io::Result<()> {
    let (draining, drained) = tokio::sync::oneshot::channel::<()>();
    let closing = Arc::clone(&engine);
    let app = router(engine, limits).into_make_service_with_connect_info::<SocketAddr>();
    let server = axum::serve(listener, app).with_graceful_shutdown(async move {
        stop.await;
        closing.close();
        let _ = draining.send(());
    });
    let deadline = async {
        // An error means that the server ended by itself and the sender is gone.
        if drained.await.is_err() {
            std::future::pending::<()>().await;
        }
        tokio::time::sleep(limits.drain).await;
    };
    let tidying = async {
        let mut tick = tokio::time::interval(TIDY_EVERY);
        loop {
            tick.tick().await;
            telemetry::tidy_metrics();
        }
    };
    tokio::select! {
        ended = server => ended,
        () = tidying => Ok(()),
        () = deadline => {
            tracing::warn!("some requests did not end within {:?}; the service ends without them", limits.drain);
            Ok(())
        }
    }
}
