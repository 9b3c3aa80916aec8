//! What the service says of itself.

use axum::{Json, extract::State, http::header, response::IntoResponse};
use serde_json::{Value, json};

use super::{App, error::Outcome};
use crate::{catalog::Filter, search::SearchError, telemetry};

/// `GET /healthz`: the process is alive.
pub(super) async fn healthz() -> &'static str {
    "ok"
}

/// `GET /readyz`: queries are answered. `degraded` says that they are answered by scans until the index is built anew, and why.
pub(super) async fn readyz(State(app): State<App>) -> Outcome<Json<Value>> {
    app.engine.library().catalog.ping().await.map_err(SearchError::from)?;
    let generation = app.engine.ready().await?;
    Ok(Json(json!({
        "status": if generation.degraded.is_some() { "degraded" } else { "ready" },
        "reason": generation.degraded,
        "model": generation.record.version,
        "index_generation": generation.number,
    })))
}

/// `GET /metrics`: what Prometheus scrapes.
pub(super) async fn metrics(State(app): State<App>) -> impl IntoResponse {
    app.engine.observe();
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4")], telemetry::render_metrics())
}

/// `GET /v1/info`: versions, model, size of the collection, limits.
pub(super) async fn info(State(app): State<App>) -> Outcome<Json<Value>> {
    let counts = app.engine.library().catalog.counts().await.map_err(SearchError::from)?;
    let model = app.engine.live().map(|generation| {
        json!({
            "version": generation.record.version,
            "dims": generation.model.dims(),
            "classes": generation.model.classes().len(),
            "image_encoder": generation.record.image_encoder,
            "text_encoder": generation.record.text_encoder,
            "index_generation": generation.number,
        })
    });
    let limits = app.engine.limits();
    Ok(Json(json!({
        "name": env!("CARGO_PKG_NAME"),
        "version": env!("CARGO_PKG_VERSION"),
        "model": model,
        "collection": { "pictures": counts.pictures, "captions": counts.captions, "labels": counts.labels },
        "limits": {
            "text_chars": limits.text_chars,
            "results": limits.results,
            "picture_bytes": app.limits.picture_bytes,
            "body_bytes": app.limits.body_bytes,
        },
    })))
}

/// `GET /v1/labels`: classes and how many items bear them.
pub(super) async fn labels(State(app): State<App>) -> Outcome<Json<Value>> {
    let labels = app.engine.library().catalog.label_counts(&Filter::default()).await.map_err(SearchError::from)?;
    let labels: Vec<Value> = labels.iter().map(|l| json!({ "label": l.label, "count": l.count })).collect();
    Ok(Json(json!({ "labels": labels })))
}
