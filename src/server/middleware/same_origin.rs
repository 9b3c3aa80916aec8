//! Refuses writes that another site's page sends.

use axum::{
    extract::{Request, State},
    http::{HeaderMap, HeaderValue, Method, Uri, header},
    middleware::Next,
    response::{IntoResponse, Response},
};

use crate::server::{App, Code, Problem};

/// Refuses what another site's page sends, unless `--cors-origin` lists the site. Every page in the owner's browser can
/// reach a service on loopback; browsers send the page's origin along.
pub(crate) async fn same_origin(State(app): State<App>, request: Request, next: Next) -> Response {
    let reads = matches!(*request.method(), Method::GET | Method::HEAD | Method::OPTIONS);
    let allowed = request.headers().get(header::ORIGIN).is_some_and(|origin| app.origins.contains(origin));
    if !reads && !allowed && is_foreign(request.headers()) {
        let detail = "the Origin of this request is neither this service nor one of --cors-origin";
        return Problem::new(Code::ForeignOrigin, detail).into_response();
    }
    next.run(request).await
}

fn is_foreign(headers: &HeaderMap) -> bool {
    let text = |name| headers.get(name).and_then(|v: &HeaderValue| v.to_str().ok());
    match (text(header::ORIGIN), text(header::HOST)) {
        (None, _) => false,
        (Some(origin), Some(host)) => {
            origin.parse::<Uri>().ok().and_then(|uri| uri.authority().map(|a| a.as_str() != host)).unwrap_or(true)
        }
        (Some(_), None) => true,
    }
}
