//! How does the world talk to it? One file for each resource, one table of errors, one middleware that gives every
//! request an id and every error its form.

#![expect(unused_qualifications, reason = "utoipa's macros write the paths of the types that they name")]

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
mod map;
mod once;
mod openapi;
mod options;
mod pages;
mod request;
mod search;
mod tasks;
mod view;

use std::{
    future::Future,
    net::SocketAddr,
    sync::Arc,
    time::{Duration, Instant},
};

use axum::{
    Router,
    extract::DefaultBodyLimit,
    http::{HeaderName, HeaderValue, StatusCode, header},
    middleware,
    routing::get,
};
use tokio::net::TcpListener;
use tower_http::{
    catch_panic::CatchPanicLayer, compression::CompressionLayer, limit::RequestBodyLimitLayer,
    set_header::SetResponseHeaderLayer, timeout::TimeoutLayer,
};

use utoipa_axum::{router::OpenApiRouter, routes};

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
    started: Instant,
    /// The name of this run of the service.
    run: Arc<str>,
}

/// All routes of the service over one engine.
pub fn router(engine: Arc<Engine>, limits: HttpLimits) -> Router {
    let app = App { engine, limits, started: Instant::now(), run: format!("{:016x}", rand::random::<u64>()).into() };
    let guard = middleware::from_fn_with_state(app.clone(), access::guard);
    telemetry::start_metrics();
    let (routes, _) = routes(limits).split_for_parts();
    let (events, _) = events().split_for_parts();
    let document = openapi::response_body(&document());
    let pages = Router::new()
        .route("/", get(pages::index))
        .route("/docs", get(pages::docs))
        .route("/static/{name}", get(pages::asset))
        .route("/openapi.json", get(async move || openapi::response(document.clone())));
    // Told as they come: the time of a request does not bound them.
    let events = events.layer(guard.clone()).layer(middleware::from_fn(request::context));
    routes
        .merge(pages)
        .layer(CatchPanicLayer::custom(error::panicked))
        .layer(middleware::from_fn_with_state(app.clone(), once::once))
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

/// The routes of the API, each with its part of the document. A body that announces more than its route reads is refused before
/// any of it is read; one that only turns out to be longer is cut off.
fn routes(limits: HttpLimits) -> OpenApiRouter<App> {
    let pictures = OpenApiRouter::new()
        .routes(routes!(search::by_address, search::composed))
        .routes(routes!(search::image))
        .routes(routes!(search::classify))
        .routes(routes!(search::embed))
        .routes(routes!(ingest::list, ingest::create))
        .routes(routes!(ingest::batch))
        .routes(routes!(ingest::delete_many))
        .routes(routes!(items::item, ingest::replace, ingest::change, ingest::delete))
        .layer(DefaultBodyLimit::max(limits.picture_bytes))
        .layer(RequestBodyLimitLayer::new(limits.picture_bytes));
    OpenApiRouter::new()
        .routes(routes!(search::text))
        .routes(routes!(search::similar))
        .routes(routes!(search::facets))
        .routes(routes!(info::labels))
        .routes(routes!(map::map))
        .routes(routes!(items::image))
        .routes(routes!(items::thumbnail))
        .routes(routes!(admin::reindex))
        .routes(routes!(admin::selftest))
        .routes(routes!(admin::train))
        .routes(routes!(admin::evaluate))
        .routes(routes!(admin::import))
        .routes(routes!(admin::backup))
        .routes(routes!(admin::compact))
        .routes(routes!(keys::list, keys::create))
        .routes(routes!(keys::revoke))
        .routes(routes!(admin::models))
        .routes(routes!(admin::report))
        .routes(routes!(admin::activate))
        .routes(routes!(admin::roll_back))
        .routes(routes!(tasks::list))
        .routes(routes!(tasks::one))
        .routes(routes!(tasks::cancel))
        .routes(routes!(info::healthz))
        .routes(routes!(info::readyz))
        .routes(routes!(info::metrics))
        .routes(routes!(info::info))
        .routes(routes!(info::stats))
        .layer(DefaultBodyLimit::max(limits.body_bytes))
        .layer(RequestBodyLimitLayer::new(limits.body_bytes))
        .merge(pictures)
}

fn events() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(tasks::events))
}

/// The document of the API (OpenAPI 3.1).
pub fn document() -> utoipa::openapi::OpenApi {
    let mut document = routes(HttpLimits::default()).into_openapi();
    document.merge(events().into_openapi());
    openapi::completed(document)
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
