//! What the service says of itself.

use std::time::Duration;

use axum::{Json, extract::State, http::header, response::IntoResponse};
use serde::Serialize;
use utoipa::ToSchema;

use crate::server::{error::Outcome, state::App};
use crate::{
    catalog::Filter,
    index::{LiveIndex, VectorIndex},
    telemetry,
};

/// Whether queries are answered.
#[derive(Serialize, ToSchema)]
pub(crate) struct ReadyView {
    status: Readiness,
    /// Why it is degraded.
    reason: Option<String>,
    /// The model that answers.
    model: String,
    index_generation: u64,
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
enum Readiness {
    Ready,
    /// Scans answer until the index is built anew.
    Degraded,
}

/// What this service is.
#[derive(Serialize, ToSchema)]
pub(crate) struct InfoView {
    name: &'static str,
    version: &'static str,
    /// Null as long as nothing is trained.
    model: Option<LiveModel>,
    collection: CollectionView,
    limits: LimitsView,
}

/// The model that answers.
#[derive(Serialize, ToSchema)]
struct LiveModel {
    version: String,
    /// Numbers of a vector of the common space.
    dims: usize,
    classes: usize,
    image_encoder: String,
    text_encoder: String,
    index_generation: u64,
}

/// How much there is.
#[derive(Serialize, ToSchema)]
struct CollectionView {
    pictures: i64,
    captions: i64,
    labels: i64,
}

/// What a request may have.
#[derive(Serialize, ToSchema)]
struct LimitsView {
    /// Characters of a query's words.
    text_chars: usize,
    /// Results of a page.
    results: usize,
    /// Terms of a query.
    terms: usize,
    /// Queries that wait for an encoder.
    queue: usize,
    /// Bytes of a body that may hold pictures.
    picture_bytes: usize,
    picture_pixels: u64,
    /// Pixels of the longer side of a picture.
    picture_side: u32,
    /// Bytes of any other body.
    body_bytes: usize,
    /// Bytes of all bodies that are read at the same time.
    upload_bytes: usize,
    /// Bytes of a request's first line and headers.
    head_bytes: usize,
    /// Headers of a request.
    headers: usize,
    /// Items of a batch that are taken while the client waits; a larger one is a task.
    batch: usize,
    /// Filters within filters.
    filter_depth: usize,
    filter_conditions: usize,
    /// Searches and changes at work at the same time.
    requests: usize,
    /// Connections at the same time.
    connections: usize,
    /// How long a request's head may take to come.
    head_timeout_ms: u64,
    /// How long a request's body may take to come.
    body_timeout_ms: u64,
    /// How long an answer may take, once the request is there.
    request_timeout_ms: u64,
    /// How long running requests may take once the service is asked to end.
    drain_timeout_ms: u64,
}

/// What the service is doing.
#[derive(Serialize, ToSchema)]
pub(crate) struct StatsView {
    /// Seconds since it was started.
    uptime_seconds: f64,
    /// Bytes of memory that the process holds; null where the system does not say.
    memory_bytes: Option<u64>,
    /// Searches and changes that are at work.
    requests_at_work: usize,
    /// Null as long as nothing is trained.
    index: Option<IndexStats>,
    tasks: TaskStats,
}

/// The index that answers.
#[derive(Serialize, ToSchema)]
struct IndexStats {
    generation: u64,
    pictures: PointStats,
    captions: PointStats,
}

/// Points of one kind.
#[derive(Serialize, ToSchema)]
struct PointStats {
    points: usize,
    /// Those that came after the index was built.
    new: usize,
    /// Those that the index holds and that are gone.
    gone: usize,
    memory_bytes: usize,
}

/// Long work.
#[derive(Serialize, ToSchema)]
struct TaskStats {
    running: usize,
}

/// Classes and how many items bear them.
#[derive(Serialize, ToSchema)]
pub(crate) struct LabelsView {
    /// In alphabetical order.
    labels: Vec<LabelView>,
}

/// A class.
#[derive(Serialize, ToSchema)]
struct LabelView {
    label: String,
    /// Items that bear it.
    count: i64,
}

/// Whether the process is alive
#[utoipa::path(get, path = "/healthz", tag = "info",
    responses((status = 200, description = "It is", body = str, content_type = "text/plain")))]
pub(crate) async fn healthz() -> &'static str {
    "ok"
}

/// Whether queries are answered
///
/// Quickly from the first one on. `degraded` says that they are answered by scans until the index is built anew, and why.
#[utoipa::path(get, path = "/readyz", tag = "info", responses((status = 200, description = "They are", body = ReadyView)))]
pub(crate) async fn readyz(State(app): State<App>) -> Outcome<Json<ReadyView>> {
    app.engine.collection().catalog.ping().await?;
    let generation = app.engine.serving().ready_for_traffic().await?;
    Ok(Json(ReadyView {
        status: if generation.degraded_reason.is_some() { Readiness::Degraded } else { Readiness::Ready },
        reason: generation.degraded_reason.clone(),
        model: generation.record.version.clone(),
        index_generation: generation.number,
    }))
}

/// What Prometheus scrapes
#[utoipa::path(get, path = "/metrics", tag = "info",
    responses((status = 200, description = "Counters, gauges, histograms", body = str, content_type = "text/plain")))]
pub(crate) async fn metrics(State(app): State<App>) -> impl IntoResponse {
    app.engine.export_metrics();
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4")], telemetry::render_metrics())
}

/// Versions, model, size of the collection, limits
#[utoipa::path(get, path = "/v1/info", tag = "info", responses((status = 200, description = "All of it", body = InfoView)))]
pub(crate) async fn info(State(app): State<App>) -> Outcome<Json<InfoView>> {
    let counts = app.engine.collection().catalog.counts().await?;
    let model = app.engine.serving().live().map(|generation| LiveModel {
        version: generation.record.version.clone(),
        dims: generation.model.dims(),
        classes: generation.model.classes().len(),
        image_encoder: generation.record.image_encoder.clone(),
        text_encoder: generation.record.text_encoder.clone(),
        index_generation: generation.number,
    });
    let (limits, pictures) = (app.engine.limits(), app.engine.collection().limits);
    let ms = |time: Duration| time.as_millis() as u64;
    Ok(Json(InfoView {
        name: env!("CARGO_PKG_NAME"),
        version: env!("CARGO_PKG_VERSION"),
        model,
        collection: CollectionView { pictures: counts.images, captions: counts.captions, labels: counts.labels },
        limits: LimitsView {
            text_chars: limits.text_chars,
            results: limits.results,
            terms: limits.terms,
            queue: limits.queue,
            picture_bytes: app.limits.picture_bytes,
            picture_pixels: pictures.max_pixels,
            picture_side: pictures.max_side,
            body_bytes: app.limits.body_bytes,
            upload_bytes: app.limits.upload_bytes,
            head_bytes: app.limits.head_bytes,
            headers: app.limits.headers,
            batch: app.limits.batch,
            filter_depth: app.limits.filter.depth,
            filter_conditions: app.limits.filter.conditions,
            requests: app.limits.requests,
            connections: app.limits.connections,
            head_timeout_ms: ms(app.limits.head),
            body_timeout_ms: ms(app.limits.body),
            request_timeout_ms: ms(app.limits.request),
            drain_timeout_ms: ms(app.limits.drain),
        },
    }))
}

/// What the service is doing
#[utoipa::path(get, path = "/v1/stats", tag = "info", responses((status = 200, description = "All of it", body = StatsView)))]
pub(crate) async fn stats(State(app): State<App>) -> Json<StatsView> {
    let points = |index: &LiveIndex| {
        let snapshot = index.snapshot();
        PointStats {
            points: snapshot.len(),
            new: snapshot.delta_len(),
            gone: snapshot.dead_in_base(),
            memory_bytes: snapshot.memory().total(),
        }
    };
    let index = app.engine.serving().live().map(|generation| IndexStats {
        generation: generation.number,
        pictures: points(&generation.images),
        captions: points(&generation.texts),
    });
    Json(StatsView {
        uptime_seconds: app.started.elapsed().as_secs_f64(),
        memory_bytes: telemetry::memory_bytes(),
        requests_at_work: app.places.taken(&app.limits),
        index,
        tasks: TaskStats { running: app.engine.tasks().running() },
    })
}

/// Classes and how many items bear them
#[utoipa::path(get, path = "/v1/labels", tag = "search", responses((status = 200, description = "All of them", body = LabelsView)))]
pub(crate) async fn labels(State(app): State<App>) -> Outcome<Json<LabelsView>> {
    let labels = app.engine.collection().catalog.label_counts(&Filter::default()).await?;
    let labels = labels.into_iter().map(|l| LabelView { label: l.label, count: l.count }).collect();
    Ok(Json(LabelsView { labels }))
}
