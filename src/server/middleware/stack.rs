//! The middlewares in order, outermost first.

use std::time::Duration;

use axum::{
    Router,
    http::{HeaderName, HeaderValue, Method, header},
    middleware::{from_fn, from_fn_with_state},
};
use tower::ServiceBuilder;
use tower_http::{
    catch_panic::CatchPanicLayer, compression::CompressionLayer, cors::CorsLayer, set_header::SetResponseHeaderLayer,
};

use super::{
    admission::admit,
    auth::{attach_policy, authorize},
    idempotency::run_once,
    limits::{check_header_size, limit_body},
    request_context::request_context,
    same_origin::same_origin,
    timeouts::enforce_timeouts,
};
use crate::server::{error::panicked, state::App};

/// Puts all middlewares around the routes. A request passes them from top to bottom, its response from bottom to top.
pub(crate) fn apply(routes: Router<App>, app: &App) -> Router<App> {
    let state = || app.clone();
    routes.layer(
        ServiceBuilder::new()
            .layer(cors(app))
            .layer(CompressionLayer::new())
            .layer(default_header(header::X_CONTENT_TYPE_OPTIONS, "nosniff"))
            .layer(default_header(header::REFERRER_POLICY, "no-referrer"))
            .layer(from_fn(request_context))
            .layer(from_fn_with_state(state(), attach_policy))
            .layer(from_fn_with_state(state(), check_header_size))
            .layer(from_fn_with_state(state(), enforce_timeouts))
            .layer(from_fn_with_state(state(), same_origin))
            .layer(from_fn_with_state(state(), authorize))
            .layer(from_fn_with_state(state(), admit))
            .layer(from_fn_with_state(state(), run_once))
            .layer(CatchPanicLayer::custom(panicked))
            .layer(from_fn_with_state(state(), limit_body)),
    )
}

fn default_header(name: HeaderName, value: &'static str) -> SetResponseHeaderLayer<HeaderValue> {
    SetResponseHeaderLayer::if_not_present(name, HeaderValue::from_static(value))
}

/// Lets the pages of listed origins send requests and read the responses; no others.
fn cors(app: &App) -> CorsLayer {
    if app.origins.is_empty() {
        return CorsLayer::new();
    }
    let both = ["x-request-id", "idempotency-key"].map(HeaderName::from_static);
    let request = [header::AUTHORIZATION, header::CONTENT_TYPE, header::IF_MATCH, header::IF_NONE_MATCH];
    let response = [header::ETAG, header::LOCATION, header::RETRY_AFTER];
    CorsLayer::new()
        .allow_origin(app.origins.to_vec())
        .allow_methods([Method::GET, Method::POST, Method::PUT, Method::PATCH, Method::DELETE])
        .allow_headers(request.into_iter().chain(both.clone()).collect::<Vec<_>>())
        .expose_headers(response.into_iter().chain(both).collect::<Vec<_>>())
        .max_age(Duration::from_secs(600))
}
