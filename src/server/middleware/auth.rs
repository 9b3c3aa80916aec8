//! Authorization: does the request's key have the scope that its route needs?

use axum::{
    extract::{MatchedPath, Request, State},
    http::{HeaderMap, Method, header},
    middleware::Next,
    response::{IntoResponse, Response},
};

use crate::{
    catalog::Scope,
    server::{ApiResult, App, Code, Problem, RoutePolicy},
};

/// Id of the key that authorized a request; in the request's extensions. `None` before the first key was created.
#[derive(Debug, Clone)]
pub(crate) struct AuthenticatedKey(pub(crate) Option<String>);

/// Puts the policy of the matched route into the request's extensions. A request that no route matches has none: it
/// gets a 404 with any key.
pub(crate) async fn attach_policy(State(app): State<App>, mut request: Request, next: Next) -> Response {
    let route = request.extensions().get::<MatchedPath>();
    if let Some(policy) = route.map(|route| app.policies.find(route.as_str(), request.method())) {
        request.extensions_mut().insert(policy);
    }
    next.run(request).await
}

/// The scope that a request needs.
pub(crate) fn required_scope(request: &Request) -> Option<Scope> {
    request.extensions().get::<RoutePolicy>()?.scope
}

/// Refuses requests whose key lacks the scope. Before the first key is created no key is required.
pub(crate) async fn authorize(State(app): State<App>, mut request: Request, next: Next) -> Response {
    let Some(scope) = required_scope(&request) else { return next.run(request).await };
    match check(&app, request.headers(), scope).await {
        Ok(key) => {
            if scope == Scope::Admin && request.method() != Method::GET {
                let (method, path) = (request.method().as_str(), request.uri().path());
                tracing::info!(key = key.as_deref().unwrap_or("none"), method, path, "admin request");
            }
            request.extensions_mut().insert(AuthenticatedKey(key));
            next.run(request).await
        }
        Err(problem) => problem.into_response(),
    }
}

/// The id of the key in the request, if keys are required.
async fn check(app: &App, headers: &HeaderMap, scope: Scope) -> ApiResult<Option<String>> {
    let catalog = &app.engine.collection().catalog;
    let authorization = headers.get(header::AUTHORIZATION);
    let credentials = authorization.and_then(|value| value.to_str().ok()).and_then(|value| value.split_once(' '));
    let key = match credentials.filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer")) {
        Some((_, key)) => catalog.key(key.trim()).await?,
        None => None,
    };
    // A valid key exists, so keys are required: no need to look.
    let Some(key) = key else {
        return match (catalog.keys_required().await?, authorization) {
            (false, _) => Ok(None),
            (true, Some(_)) => Err(Problem::new(Code::InvalidKey, "the key is unknown, expired or revoked")),
            (true, None) => {
                let detail = "this request needs a key: send Authorization: Bearer dpt_…; \
                              `diptych key create` creates one";
                Err(Problem::new(Code::MissingKey, detail))
            }
        };
    };
    if !key.allows(scope) {
        let scopes = key.scopes.iter().map(|scope| scope.name()).collect::<Vec<_>>().join(", ");
        let detail = format!("this request needs the scope {}; the key has {scopes}", scope.name());
        return Err(Problem::new(Code::InsufficientScope, detail));
    }
    Ok(Some(key.id))
}
