//! Admission control: limits concurrent searches and writes, and the memory used by request bodies. Probes and admin
//! requests are exempt, so that they are answered when the service is full.

use axum::{
    extract::{Request, State},
    middleware::Next,
    response::{IntoResponse, Response},
};
use http_body::Body;

use crate::{
    catalog::Scope,
    server::{App, Code, Problem, middleware::auth::required_scope, state::ConnectionClass},
};

/// Runs a request if the service has capacity for it; answers 503 otherwise.
pub(crate) async fn admit(State(app): State<App>, request: Request, next: Next) -> Response {
    let Some(scope) = required_scope(&request) else { return next.run(request).await };
    let class = request.extensions().get().copied().unwrap_or(ConnectionClass::Normal);
    if class == ConnectionClass::Draining {
        return Problem::new(Code::Draining, "the service is shutting down; retry in a moment").into_response();
    }
    if scope == Scope::Admin {
        return next.run(request).await;
    }
    if class == ConnectionClass::Overflow {
        return overloaded(&format!("the maximum of {} connections is reached", app.limits.max_connections));
    }
    let Some(_permit) = app.admission.request() else {
        return overloaded(&format!(
            "the maximum of {} concurrent searches and writes is reached",
            app.limits.max_requests
        ));
    };
    // A body without a Content-Length may be as long as is allowed.
    let bytes = request.body().size_hint().upper().map_or(usize::MAX, |bytes| bytes as usize);
    let Some(_memory) = app.admission.body(bytes.min(app.limits.max_picture)) else {
        let limit = app.limits.max_uploads;
        return overloaded(&format!("the bodies being read have {limit} bytes together, which is the maximum"));
    };
    next.run(request).await
}

fn overloaded(detail: &str) -> Response {
    Problem::new(Code::Overloaded, detail).into_response()
}
