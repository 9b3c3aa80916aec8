//! All routes of the service.

use std::{sync::Arc, time::Instant};

use axum::{Router, body::Bytes, http::HeaderValue, routing::get};

use super::{
    App, Routes, ServerSettings, assets,
    handlers::{
        admin, data_quality, inference, info, item_images, items, items_bulk, keys, label_issues, labels, models,
        probes, projection, search, tasks,
    },
    middleware::stack,
    openapi, problem_pages,
    state::AdmissionControl,
};
use crate::{engine::Engine, telemetry};

/// The service over an engine.
pub(crate) fn router(engine: Arc<Engine>, settings: ServerSettings) -> Router {
    let ServerSettings { limits, cors_origins, metrics_open } = settings;
    telemetry::start_metrics();
    let (api, document) = api(metrics_open);
    let (routes, policies) = api.merge(pages(openapi::to_json(&document))).into_parts();
    let app = App {
        engine,
        limits,
        admission: AdmissionControl::new(&limits),
        policies: Arc::new(policies),
        // A text that is not a valid header value cannot be an origin.
        origins: cors_origins.iter().filter_map(|origin| HeaderValue::from_str(origin).ok()).collect(),
        started: Instant::now(),
        run: format!("{:016x}", rand::random::<u64>()).into(),
    };
    stack::apply(routes, &app).with_state(app)
}

/// The HTML pages, and the OpenAPI document.
fn pages(document: Bytes) -> Routes {
    Routes::new()
        .page("/", get(assets::index))
        .page("/admin", get(assets::admin))
        .page("/docs", get(assets::docs))
        .page("/static/{*path}", get(assets::asset))
        .page("/openapi.json", get(async move || openapi::response(document.clone())))
        .page("/problems/{code}", get(problem_pages::problem))
}

/// The routes of the API, and the OpenAPI document that describes them.
fn api(metrics_open: bool) -> (Routes, utoipa::openapi::OpenApi) {
    let routes = Routes::new()
        .merge(search::routes())
        .merge(inference::routes())
        .merge(labels::routes())
        .merge(projection::routes())
        .merge(items::routes())
        .merge(items_bulk::routes())
        .merge(item_images::routes())
        .merge(admin::routes())
        .merge(models::routes())
        .merge(tasks::routes())
        .merge(keys::routes())
        .merge(data_quality::routes())
        .merge(label_issues::routes())
        .merge(probes::routes(metrics_open))
        .merge(info::routes());
    let document = openapi::complete(&routes);
    (routes, document)
}

/// The OpenAPI document (3.1).
pub fn document() -> utoipa::openapi::OpenApi {
    api(true).1
}

#[cfg(test)]
mod tests {
    use axum::http::Method;

    use super::*;
    use crate::{catalog::Scope, server::route_policy::BodySize};

    #[test]
    fn each_route_needs_its_scope_and_an_unknown_one_admin() {
        let (_, policies) = api(true).0.merge(pages(Bytes::new())).into_parts();
        for (method, route, scope) in [
            (Method::GET, "/", None),
            (Method::GET, "/admin", None),
            (Method::GET, "/v1/admin/health", Some(Scope::Admin)),
            (Method::GET, "/healthz", None),
            (Method::HEAD, "/healthz", None),
            (Method::OPTIONS, "/healthz", None),
            (Method::POST, "/v1/search/text", Some(Scope::Search)),
            (Method::GET, "/v1/items/{id}/thumbnail", Some(Scope::Search)),
            (Method::GET, "/v1/items", Some(Scope::Search)),
            (Method::POST, "/v1/items", Some(Scope::Ingest)),
            (Method::DELETE, "/v1/items/{id}", Some(Scope::Ingest)),
            (Method::GET, "/v1/tasks/{id}", Some(Scope::Admin)),
            (Method::POST, "/v1/labels", Some(Scope::Admin)),
            (Method::GET, "/v1/something/new", Some(Scope::Admin)),
        ] {
            assert_eq!(policies.find(route, &method).scope, scope, "{method} {route}");
        }
        let create = policies.find("/v1/items", &Method::POST);
        assert!(create.idempotent && create.body == BodySize::WithImages, "{create:?}");
        let search = policies.find("/v1/search/text", &Method::POST);
        assert!(!search.idempotent && search.body == BodySize::Plain, "{search:?}");
    }

    #[test]
    fn metrics_are_for_admins_unless_they_are_open() {
        let scope = |open: bool| api(open).0.policies().find("/metrics", &Method::GET).scope;
        assert_eq!((scope(true), scope(false)), (None, Some(Scope::Admin)));
    }
}
