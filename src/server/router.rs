//! All routes of the service, and what surrounds them.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use axum::{
    Router,
    extract::DefaultBodyLimit,
    http::{HeaderName, HeaderValue, Method, header},
    middleware,
    routing::get,
};
use tower_http::{
    catch_panic::CatchPanicLayer, compression::CompressionLayer, cors::CorsLayer, set_header::SetResponseHeaderLayer,
};
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::{
    engine::Engine,
    server::{
        assets, error,
        handlers::{admin, data_quality, info, item_images, items, keys, label_issues, projection, search, tasks},
        limits::HttpSettings,
        middleware::{
            admission::{self, Places},
            auth, idempotency, lingering_close, request_context,
        },
        openapi,
        state::App,
    },
    telemetry,
};

/// All routes of the service over one engine.
pub(crate) fn router(engine: Arc<Engine>, settings: HttpSettings) -> Router {
    let HttpSettings { limits, cors_origins, metrics_open } = settings;
    // What is no header's value is no browser's origin.
    let origins = cors_origins.iter().filter_map(|origin| HeaderValue::from_str(origin).ok()).collect();
    let (started, run) = (Instant::now(), format!("{:016x}", rand::random::<u64>()).into());
    let app = App { engine, limits, places: Places::new(&limits), origins, metrics_open, started, run };
    let guard = middleware::from_fn_with_state(app.clone(), auth::guard);
    let admit = middleware::from_fn_with_state(app.clone(), admission::admit);
    let head = middleware::from_fn_with_state(app.clone(), admission::head);
    telemetry::start_metrics();
    let (routes, document) = routes(limits.body_bytes, limits.picture_bytes).split_for_parts();
    let (events, of_events) = events().split_for_parts();
    let document = openapi::response_body(&openapi::completed([document, of_events]));
    let pages = Router::new()
        .route("/", get(assets::index))
        .route("/admin", get(assets::admin))
        .route("/docs", get(assets::docs))
        .route("/static/{*path}", get(assets::asset))
        .route("/openapi.json", get(async move || openapi::response(document.clone())));
    // Told as they come: the time of a request does not bound them.
    let events = events
        .layer(admit.clone())
        .layer(guard.clone())
        .layer(head.clone())
        .layer(middleware::from_fn(request_context::context));
    routes
        .merge(pages)
        .layer(CatchPanicLayer::custom(error::panicked))
        .layer(middleware::from_fn_with_state(app.clone(), idempotency::once))
        .layer(admit)
        .layer(guard)
        .layer(middleware::from_fn_with_state(app.clone(), request_context::same_origin))
        .layer(middleware::from_fn_with_state(app.clone(), lingering_close::linger))
        .layer(head)
        .layer(middleware::from_fn(request_context::context))
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
        .layer(cors(&app))
        .with_state(app)
}

/// The routes of the API, each with its part of the document. A body that announces more than its route reads is refused before
/// any of it is read; one that only turns out to be longer is cut off.
fn routes(body_bytes: usize, picture_bytes: usize) -> OpenApiRouter<App> {
    let declared = |most: usize| middleware::from_fn_with_state(most, admission::declared);
    let pictures = OpenApiRouter::new()
        .routes(routes!(search::by_address, search::composed))
        .routes(routes!(search::image))
        .routes(routes!(search::classify))
        .routes(routes!(search::embed))
        .routes(routes!(items::list, items::create))
        .routes(routes!(items::batch))
        .routes(routes!(items::delete_many))
        .routes(routes!(item_images::item, items::replace, items::change, items::delete))
        .layer(DefaultBodyLimit::max(picture_bytes))
        .layer(declared(picture_bytes));
    OpenApiRouter::new()
        .routes(routes!(search::text))
        .routes(routes!(search::similar))
        .routes(routes!(search::facets))
        .routes(routes!(info::labels))
        .routes(routes!(projection::map))
        .routes(routes!(item_images::image))
        .routes(routes!(item_images::thumbnail))
        .routes(routes!(data_quality::health))
        .routes(routes!(label_issues::review))
        .routes(routes!(label_issues::settle, label_issues::unsettle))
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
        .layer(DefaultBodyLimit::max(body_bytes))
        .layer(declared(body_bytes))
        .merge(pictures)
}

fn events() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(tasks::events))
}

/// The document of the API (OpenAPI 3.1).
pub fn document() -> utoipa::openapi::OpenApi {
    // What a body may have is for whoever serves.
    openapi::completed([routes(0, 0).into_openapi(), events().into_openapi()])
}

/// What tells browsers which other sites' pages may ask, and read the answers; nothing for those that nobody listed.
fn cors(app: &App) -> CorsLayer {
    if app.origins.is_empty() {
        return CorsLayer::new();
    }
    let given = ["x-request-id", "idempotency-key"].map(HeaderName::from_static);
    let asked = [header::AUTHORIZATION, header::CONTENT_TYPE, header::IF_MATCH, header::IF_NONE_MATCH];
    CorsLayer::new()
        .allow_origin(app.origins.to_vec())
        .allow_methods([Method::GET, Method::POST, Method::PUT, Method::PATCH, Method::DELETE])
        .allow_headers(asked.into_iter().chain(given.clone()).collect::<Vec<_>>())
        .expose_headers(
            [header::ETAG, header::LOCATION, header::RETRY_AFTER].into_iter().chain(given).collect::<Vec<_>>(),
        )
        .max_age(Duration::from_secs(600))
}
