//! Many items at once: create and delete.

use std::ops::Range;

use axum::{
    Extension, Json,
    extract::{Request, State},
    http::StatusCode,
    response::{IntoResponse, Response},
};
use utoipa_axum::routes;

use crate::{
    catalog::{Clause, Field, Filter, Predicate, Scalar},
    engine::{BulkLine, ItemDraft},
    server::{
        ApiResult, App, Code, Problem, RoutePolicy, Routes,
        extract::{
            body::read_body,
            filter,
            item::{DeleteRequest, batch_item},
            json,
        },
        middleware::idempotency::IdempotencyKey,
        responses::{
            item::{BatchResponse, DeleteResponse, LineError, LineResult},
            task::{TaskAccepted, TaskResponse},
        },
    },
};

/// A body of [`create_items`].
const BATCH_EXAMPLE: &str = r#"{"id": "img-42", "captions": ["a bird on a branch"], "labels": ["bird"]}
{"id": "img-43", "captions": ["a red barn"], "labels": ["barn"], "meta": {"year": 1994}}"#;

pub(crate) fn routes() -> Routes {
    Routes::new()
        .route(RoutePolicy::INGEST.with_images().idempotent(), routes!(create_items))
        .route(RoutePolicy::INGEST.with_images().idempotent(), routes!(delete_items))
}

/// Create many items
///
/// One JSON object per line, as in `POST /v1/items`, with the image as `image_base64`. Each line is accepted or refused
/// independently, in order; an item with a known id is replaced. More than 200 lines are run as a task, whose result
/// lists the refused lines.
#[utoipa::path(post, path = "/v1/items/batch", tag = "items",
    request_body(content(
        (String = "application/jsonl"),
        (String = "text/plain", example = json!(BATCH_EXAMPLE)),
    )),
    responses(
        (status = 200, description = "The outcome of each line", body = BatchResponse),
        (status = 202, description = "The task that creates the items", body = TaskResponse,
            headers(("Location", description = "Path of the task")))))]
async fn create_items(
    State(app): State<App>,
    key: Option<Extension<IdempotencyKey>>,
    request: Request,
) -> ApiResult<Response> {
    let body = read_body(request).await?;
    let text = std::str::from_utf8(&body)
        .map_err(|e| Problem::malformed(format!("the body is not valid UTF-8 after byte {}", e.valid_up_to())))?;
    let mut end = 0;
    let ranges = text.split_inclusive('\n').map(|line| {
        end += line.len();
        end - line.len()..end
    });
    let lines: Vec<(usize, Range<usize>)> =
        (1..).zip(ranges).filter(|(_, line)| !text[line.clone()].trim().is_empty()).collect();
    if lines.is_empty() {
        return Err(Problem::new(Code::InvalidBatch, "the body is empty; one JSON object per line is expected"));
    }
    // Lines are parsed one at a time, for they may hold many images.
    let lines = lines.into_iter().map(|(number, line)| (number, parse_line(&text[line], number, key.as_deref())));
    if lines.len() > app.limits.max_batch {
        let lines = lines.map(|(number, draft)| BulkLine { number, draft: draft.map_err(|p| code_and_detail(&p)) });
        let task =
            app.engine.tasks().bulk_ingest(lines.collect(), |error| code_and_detail(&Problem::from(error))).await?;
        return Ok(TaskAccepted::from(task).into_response());
    }
    let lines = lines.map(|(number, draft)| BulkLine { number, draft });
    let outcomes = app.engine.items().ingest_lines(lines, Problem::from).await;
    let items: Vec<_> = outcomes.into_iter().map(|(line, outcome)| line_result(line, outcome)).collect();
    let refused = items.iter().filter(|item| item.error.is_some()).count();
    Ok(Json(BatchResponse { taken: items.len() - refused, refused, items }).into_response())
}

fn parse_line(line: &str, number: usize, key: Option<&IdempotencyKey>) -> ApiResult<ItemDraft> {
    let mut draft = batch_item(line)?;
    draft.id = draft.id.or_else(|| key.map(|key| key.item_id(number)));
    Ok(draft)
}

fn line_result(line: usize, outcome: ApiResult<(String, bool)>) -> LineResult {
    match outcome {
        Ok((id, created)) => {
            let status = if created { StatusCode::CREATED } else { StatusCode::OK };
            LineResult { line, status: status.as_u16(), id: Some(id), error: None }
        }
        Err(problem) => {
            let (code, detail) = code_and_detail(&problem);
            let status = problem.code().info().status.as_u16();
            LineResult { line, status, id: None, error: Some(LineError { code, detail }) }
        }
    }
}

fn code_and_detail(problem: &Problem) -> (String, String) {
    (problem.code().info().code.to_owned(), problem.detail().to_owned())
}

/// Delete many items
///
/// Those with the given ids, or those that match a filter. `dry_run` only counts them.
#[utoipa::path(post, path = "/v1/items/delete", tag = "items", request_body = DeleteRequest,
    responses((status = 200, description = "Number of deleted items", body = DeleteResponse)))]
async fn delete_items(
    State(app): State<App>,
    json::Json(DeleteRequest { ids, filter, dry_run }): json::Json<DeleteRequest>,
) -> ApiResult<Json<DeleteResponse>> {
    let filter = match (ids, filter) {
        (Some(ids), None) => with_ids(ids)?,
        (None, Some(filter)) => filter::resolve(Some(filter), &app.limits)?,
        _ => return Err(Problem::new(Code::InvalidFilter, "exactly one of \"ids\" and \"filter\" is expected")),
    };
    if filter.is_empty() {
        let detail = "/filter: the filter matches all items; to delete all, send {\"must_not\": [{\"key\": \"id\", \
                      \"match\": {\"any\": []}}]}";
        return Err(Problem::new(Code::InvalidFilter, detail).with_pointer("/filter"));
    }
    let matched = app.engine.items().delete_matching(&filter, dry_run).await?;
    Ok(Json(DeleteResponse { matched, deleted: if dry_run { 0 } else { matched }, dry_run }))
}

/// Items with one of these ids.
fn with_ids(ids: Vec<String>) -> ApiResult<Filter> {
    if ids.len() > filter::MAX_VALUES {
        let reason = format!("{} ids are given; at most {} are allowed", ids.len(), filter::MAX_VALUES);
        return Err(Problem::invalid_field(Code::InvalidFilter, "ids", reason));
    }
    let ids = ids.into_iter().map(Scalar::Text).collect();
    Ok(Filter { must: vec![Clause::Condition(Field::Id, Predicate::Any(ids))], ..Filter::default() })
}
