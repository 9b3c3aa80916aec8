//! Who may do what: the scope that each route needs, and whether a request's key has it.

use axum::{
    extract::{MatchedPath, Request, State},
    http::{HeaderMap, Method, header},
    middleware::Next,
    response::{IntoResponse, Response},
};

use crate::catalog::Scope;
use crate::server::{
    error::{Code, Outcome, Problem},
    state::App,
};

/// Routes that everyone may ask: probes, numbers, the document of the API, and the page, which asks for a key itself.
const OPEN: [&str; 10] = [
    "/",
    "/admin",
    "/docs",
    "/openapi.json",
    "/static/{*path}",
    "/healthz",
    "/readyz",
    "/metrics",
    "/v1/info",
    "/v1/stats",
];

/// Routes whose methods all ask and change nothing.
const SEARCH: [&str; 7] =
    ["/v1/search", "/v1/search/text", "/v1/search/image", "/v1/classify", "/v1/embed", "/v1/facets", "/v1/map"];

/// What a request needs; nothing if everyone may send it. A route that nobody thought of here is for owners alone.
pub(crate) fn needed(method: &Method, route: &str) -> Option<Scope> {
    let reads = matches!(*method, Method::GET | Method::HEAD);
    if OPEN.contains(&route) {
        return None;
    }
    let items = route == "/v1/items" || route.starts_with("/v1/items/");
    Some(match () {
        () if SEARCH.contains(&route) => Scope::Search,
        () if reads && (items || route == "/v1/labels") => Scope::Search,
        () if items => Scope::Ingest,
        () => Scope::Admin,
    })
}

/// Whether what is posted there changes something.
pub(crate) fn changes(route: &str) -> bool {
    !SEARCH.contains(&route)
}

/// The id of the key that a request has shown, among its extensions.
#[derive(Debug, Clone)]
pub(crate) struct Caller(pub(crate) Option<String>);

/// What a request of this service needs. What no route matches is not there for anyone, and needs nothing.
pub(crate) fn scope_of(app: &App, request: &Request) -> Option<Scope> {
    let route = request.extensions().get::<MatchedPath>()?.as_str();
    if route == "/metrics" && !app.metrics_open {
        return Some(Scope::Admin);
    }
    needed(request.method(), route)
}

/// Lets a request through if its key has the scope. Before the first key is made there is nothing to have.
pub(crate) async fn guard(State(app): State<App>, mut request: Request, next: Next) -> Response {
    let Some(scope) = scope_of(&app, &request) else { return next.run(request).await };
    match check(&app, request.headers(), scope).await {
        Ok(key) => {
            if scope == Scope::Admin && request.method() != Method::GET {
                let (method, path) = (request.method().as_str(), request.uri().path());
                tracing::info!(key = key.as_deref().unwrap_or("none"), method, path, "an owner's request");
            }
            request.extensions_mut().insert(Caller(key));
            next.run(request).await
        }
        Err(problem) => problem.into_response(),
    }
}

/// The id of the key that was shown, if keys are wanted.
async fn check(app: &App, headers: &HeaderMap, scope: Scope) -> Outcome<Option<String>> {
    let catalog = &app.engine.collection().catalog;
    let shown = headers.get(header::AUTHORIZATION);
    let bearer = shown.and_then(|value| value.to_str().ok()).and_then(|value| value.split_once(' '));
    let text = bearer.filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer")).map(|(_, key)| key.trim());
    let key = match text {
        Some(text) => catalog.key(text).await?,
        None => None,
    };
    // A key that counts says by itself that keys are wanted.
    let Some(key) = key else {
        return match (catalog.keys_required().await?, shown) {
            (false, _) => Ok(None),
            (true, Some(_)) => Err(Problem::new(Code::InvalidKey, "the key is unknown, expired or revoked")),
            (true, None) => {
                let how = "this needs a key: Authorization: Bearer dpt_…; `diptych key create` makes one";
                Err(Problem::new(Code::MissingKey, how))
            }
        };
    };
    if !key.allows(scope) {
        let has = key.scopes.iter().map(|scope| scope.name()).collect::<Vec<_>>().join(", ");
        let detail = format!("this needs the scope {}; the key has {has}", scope.name());
        return Err(Problem::new(Code::InsufficientScope, detail));
    }
    Ok(Some(key.id))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_route_needs_its_scope_and_an_unknown_one_the_owners() {
        for (method, route, scope) in [
            (Method::GET, "/", None),
            (Method::GET, "/admin", None),
            (Method::GET, "/v1/admin/health", Some(Scope::Admin)),
            (Method::GET, "/healthz", None),
            (Method::POST, "/v1/search/text", Some(Scope::Search)),
            (Method::GET, "/v1/items/{id}/thumbnail", Some(Scope::Search)),
            (Method::POST, "/v1/items", Some(Scope::Ingest)),
            (Method::DELETE, "/v1/items/{id}", Some(Scope::Ingest)),
            (Method::GET, "/v1/tasks/{id}", Some(Scope::Admin)),
            (Method::POST, "/v1/labels", Some(Scope::Admin)),
            (Method::GET, "/v1/something/new", Some(Scope::Admin)),
        ] {
            assert_eq!(needed(&method, route), scope, "{method} {route}");
        }
    }
}
