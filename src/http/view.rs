//! How items and answers look in JSON.

use axum::http::StatusCode;
use serde::Serialize;
use serde_json::{Map, Value, json};

use crate::{
    catalog::{Item, Task, TaskStatus, now_ms},
    search::{Answer, Found, Kind, LeftOut, PredictedLabel, THUMBNAIL_SIDE, Target, Timings},
};

#[derive(Serialize)]
pub(super) struct AnswerView {
    request_id: String,
    model: String,
    index_generation: u64,
    query: QueryView,
    results: Vec<Value>,
    total: usize,
    no_confident_match: bool,
    filtered: LeftOut,
    #[serde(skip_serializing_if = "Option::is_none")]
    facets: Option<Value>,
    next_cursor: Option<String>,
    took_ms: Timings,
    strategy: crate::index::Strategy,
}

#[derive(Serialize)]
struct QueryView {
    direction: String,
    unknown_token_ratio: f32,
    predicted_labels: Vec<PredictedLabel>,
}

impl AnswerView {
    pub(super) fn new(answer: Answer, request_id: String, explain: bool) -> Self {
        let direction = direction(answer.source, answer.target);
        Self {
            request_id,
            model: answer.model,
            index_generation: answer.generation,
            query: QueryView {
                direction,
                unknown_token_ratio: answer.unknown_token_ratio,
                predicted_labels: answer.predicted_labels,
            },
            results: answer.results.iter().map(|found| result(found, explain)).collect(),
            total: answer.total,
            no_confident_match: answer.no_confident_match,
            filtered: answer.left_out,
            facets: answer.facets.map(|labels| json!({ "label": labels })),
            next_cursor: answer.next_cursor,
            took_ms: answer.took,
            strategy: answer.strategy,
        }
    }
}

/// `text_to_image` and its like.
fn direction(source: Kind, target: Target) -> String {
    let source = match source {
        Kind::Image => "image",
        Kind::Text => "text",
    };
    let target = match target {
        Target::Image => "image",
        Target::Text => "text",
        Target::Any => "any",
    };
    format!("{source}_to_{target}")
}

fn result(found: &Found, explain: bool) -> Value {
    let mut view = item_fields(&found.item);
    view.insert("rank".into(), json!(found.rank));
    view.insert("score".into(), json!(found.score));
    view.insert("relevance".into(), json!(found.relevance));
    match found.caption {
        Some(position) => {
            view.insert("kind".into(), json!("text"));
            view.insert("text".into(), json!(found.item.captions.get(position).map(|c| &c.text)));
            view.insert("caption".into(), json!(position));
        }
        None => {
            view.insert("kind".into(), json!("image"));
        }
    }
    if explain {
        let keyword = found.keyword_rank.map(|rank| json!({ "rank": rank, "matched": found.matched }));
        let vector = json!({ "cosine": found.score, "rank": found.vector_rank });
        view.insert("explain".into(), json!({ "vector": vector, "keyword": keyword }));
    }
    Value::Object(view)
}

/// An item as `GET /v1/items/{id}` shows it.
pub(super) fn item(item: &Item) -> Value {
    let mut view = item_fields(item);
    view.insert("source".into(), json!(item.source));
    view.insert("image_error".into(), json!(item.image_error));
    Value::Object(view)
}

fn item_fields(item: &Item) -> Map<String, Value> {
    let path = item.image_path.as_ref().map(|_| item_path(&item.id));
    let view = json!({
        "id": item.id,
        "labels": item.labels,
        "captions": item.captions.iter().map(|c| &c.text).collect::<Vec<_>>(),
        "meta": item.meta,
        "width": item.width,
        "height": item.height,
        "image_url": path.as_ref().map(|p| format!("{p}/image")),
        "thumbnail_url": path.as_ref().map(|p| format!("{p}/thumbnail?w={THUMBNAIL_SIDE}")),
    });
    match view {
        Value::Object(map) => map,
        _ => Map::new(),
    }
}

/// Where an item is found.
pub(super) fn item_path(id: &str) -> String {
    format!("/v1/items/{}", encode_segment(id))
}

/// An id as one segment of a path: everything but RFC 3986's unreserved characters is percent-encoded.
fn encode_segment(id: &str) -> String {
    let mut segment = String::with_capacity(id.len());
    for byte in id.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            segment.push(char::from(byte));
        } else {
            segment.push_str(&format!("%{byte:02X}"));
        }
    }
    segment
}

/// A task as `GET /v1/tasks/{id}` shows it.
pub(super) fn task(task: &Task, metrics: Option<Value>) -> Value {
    // Steps weigh the same; what a step's amount is was known only when it began.
    let part = |done: u64, total: u64| if total == 0 { 1.0 } else { done.min(total) as f64 / total as f64 };
    let planned = planned_steps(&task.kind).max(task.steps.len());
    let percent = task.steps.iter().map(|s| part(s.done, s.total)).sum::<f64>() / planned as f64 * 100.0;
    let percent = if task.status == TaskStatus::Succeeded { 100.0 } else { percent };
    let running = task.started_at.filter(|_| task.status == TaskStatus::Running && percent >= 1.0);
    let eta = running.map(|began| ((now_ms() - began) as f64 / 1000.0 * (100.0 - percent) / percent).round());
    json!({
        "id": task.id,
        "type": task.kind,
        "status": status(task.status),
        "created_at": timestamp(task.created_at),
        "started_at": task.started_at.map(timestamp),
        "finished_at": task.finished_at.map(timestamp),
        "progress": { "percent": (percent * 10.0).round() / 10.0, "eta_seconds": eta, "steps": task.steps },
        "metrics": metrics,
        "result": task.result,
        "error": task.error.as_ref().map(|detail| json!({ "detail": detail })),
    })
}

/// A status as JSON has it.
pub(super) fn status(status: TaskStatus) -> String {
    json!(status).as_str().unwrap_or_default().to_owned()
}

/// Steps that a kind of task has in all. A reindex embeds and indexes two modalities; before it, a training encodes both,
/// learns two parts and measures, and an import takes records and encodes both.
fn planned_steps(kind: &str) -> usize {
    match kind {
        "reindex" => 4,
        "train" => 5 + 4,
        "import" => 3 + 4,
        _ => 1,
    }
}

/// RFC 3339 from Unix milliseconds.
pub(super) fn timestamp(ms: i64) -> String {
    time::OffsetDateTime::from_unix_timestamp_nanos(i128::from(ms) * 1_000_000)
        .ok()
        .and_then(|t| t.format(&time::format_description::well_known::Rfc3339).ok())
        .unwrap_or_default()
}

/// The answer to something that was accepted and is at work: 202 and where to look.
pub(super) fn accepted(task_view: Value, id: i64) -> impl axum::response::IntoResponse {
    let location = [(axum::http::header::LOCATION, format!("/v1/tasks/{id}"))];
    (StatusCode::ACCEPTED, location, axum::Json(task_view))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_one_segment_whatever_it_holds() {
        assert_eq!(encode_segment("birds/ä b?.png"), "birds%2F%C3%A4%20b%3F.png");
        assert_eq!(encode_segment("a-b_c.d~e"), "a-b_c.d~e");
    }

    #[test]
    fn times_are_rfc_3339() {
        assert_eq!(timestamp(1_764_000_000_123), "2025-11-24T16:00:00.123Z");
    }
}
