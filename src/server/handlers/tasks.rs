//! Tasks: list, get, cancel, and their events.

use std::{collections::VecDeque, convert::Infallible, time::Duration};

use axum::{
    Json,
    extract::State,
    http::HeaderMap,
    response::sse::{Event, KeepAlive, Sse},
};
use futures_util::{Stream, stream};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::routes;

use crate::{
    catalog::{Catalog, CatalogError, Task, TaskStatus},
    server::{
        ApiResult, App, Code, Problem, RoutePolicy, Routes,
        extract::{path::Path, query::Query},
        responses::task::{TaskList, TaskProgress, TaskResponse},
    },
};

/// How often a task is polled for events and for its end.
const POLL_INTERVAL: Duration = Duration::from_millis(200);

/// Maximum of `wait`, in seconds.
const MAX_WAIT: u64 = 25;

/// Tasks of a page, by default and at most.
const DEFAULT_LIMIT: u32 = 50;
const MAX_LIMIT: u32 = 500;

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct ListParams {
    #[param(inline, nullable = false)]
    status: Option<TaskStatus>,
    /// Kind of the tasks, such as `train`.
    #[param(nullable = false)]
    r#type: Option<String>,
    /// Lists only tasks with a smaller id.
    #[param(nullable = false)]
    before: Option<i64>,
    /// Tasks of a page.
    #[param(minimum = 1, maximum = 500, default = 50, nullable = false)]
    limit: Option<u32>,
}

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct WaitParams {
    /// Seconds to wait for the end of the task.
    #[param(minimum = 0, maximum = 25, default = 0, nullable = false)]
    wait: Option<u64>,
}

/// Data of an event `progress`.
#[derive(Debug, PartialEq, Serialize, ToSchema)]
struct ProgressEvent {
    status: TaskStatus,
    progress: TaskProgress,
}

pub(crate) fn routes() -> Routes {
    Routes::new()
        .route(RoutePolicy::ADMIN, routes!(list_tasks))
        .route(RoutePolicy::ADMIN, routes!(get_task))
        .route(RoutePolicy::ADMIN.idempotent(), routes!(cancel_task))
        .route(RoutePolicy::ADMIN, routes!(stream_task_events))
}

/// List tasks
#[utoipa::path(get, path = "/v1/tasks", tag = "admin", params(ListParams),
    responses((status = 200, description = "A page of tasks, newest first", body = TaskList)))]
async fn list_tasks(
    State(app): State<App>,
    Query(ListParams { status, r#type, before, limit }): Query<ListParams>,
) -> ApiResult<Json<TaskList>> {
    let limit = Problem::check_range("limit", limit.unwrap_or(DEFAULT_LIMIT), 1..=MAX_LIMIT)?;
    let catalog = &app.engine.collection().catalog;
    let before = before.unwrap_or(i64::MAX);
    let tasks = catalog.tasks(status, r#type.as_deref(), before, limit).await?;
    let next_before = tasks.last().filter(|_| tasks.len() == limit as usize).map(|task| task.id);
    let tasks = tasks.iter().map(|task| TaskResponse::new(task, None)).collect();
    Ok(Json(TaskList { tasks, next_before }))
}

/// Get task
///
/// With `wait`, the response is sent when the task ends or the time is over.
#[utoipa::path(get, path = "/v1/tasks/{id}", tag = "admin",
    params(("id" = i64, Path, description = "Id of the task"), WaitParams),
    responses((status = 200, description = "The task", body = TaskResponse)))]
async fn get_task(
    State(app): State<App>,
    Path(id): Path<i64>,
    Query(WaitParams { wait }): Query<WaitParams>,
) -> ApiResult<Json<TaskResponse>> {
    let wait = Problem::check_range("wait", wait.unwrap_or(0), 0..=MAX_WAIT)?;
    let catalog = &app.engine.collection().catalog;
    // Ends before the request's own time limit, however short that is.
    let wait = Duration::from_secs(wait).min(app.limits.request_timeout * 4 / 5);
    let deadline = tokio::time::Instant::now() + wait;
    let task = loop {
        let task = find_task(catalog, id).await?;
        if task.status.has_ended() || tokio::time::Instant::now() >= deadline {
            break task;
        }
        tokio::time::sleep(POLL_INTERVAL).await;
    };
    let latest = catalog.task_metrics(id, 0).await?.pop();
    Ok(Json(TaskResponse::new(&task, latest.map(|(_, metrics)| metrics))))
}

/// Cancel task
#[utoipa::path(post, path = "/v1/tasks/{id}/cancel", tag = "admin",
    params(("id" = i64, Path, description = "Id of the task")),
    responses((status = 200, description = "The task, which stops within a second", body = TaskResponse)))]
async fn cancel_task(State(app): State<App>, Path(id): Path<i64>) -> ApiResult<Json<TaskResponse>> {
    let task = find_task(&app.engine.collection().catalog, id).await?;
    let status = task.status;
    if status.has_ended() || !app.engine.tasks().cancel(id) {
        let detail = format!("task {id} is not running; its status is {}", status.name());
        return Err(Problem::new(Code::TaskEnded, detail));
    }
    Ok(Json(TaskResponse::new(&task, None)))
}

/// Stream task events
///
/// Server-sent events: `metric`, `progress` and, at the end, `status`. A client that reconnects with `Last-Event-ID`
/// gets the metrics that it missed.
#[utoipa::path(get, path = "/v1/tasks/{id}/events", tag = "admin",
    params(("id" = i64, Path, description = "Id of the task"),
        ("Last-Event-ID" = Option<String>, Header, description = "Id of the last event that the client received")),
    responses((status = 200, description = "Stream of events", content(("text/event-stream")))))]
async fn stream_task_events(
    State(app): State<App>,
    Path(id): Path<i64>,
    headers: HeaderMap,
) -> ApiResult<Sse<impl Stream<Item = Result<Event, Infallible>>>> {
    let catalog = app.engine.collection().catalog.clone();
    find_task(&catalog, id).await?;
    let last = headers.get("last-event-id").and_then(|v| v.to_str().ok()).and_then(|v| v.parse().ok()).unwrap_or(0);
    let events =
        EventStream { catalog, task: id, last_metric: last, progress: None, queue: VecDeque::new(), ended: false };
    let events = stream::unfold(events, EventStream::next);
    Ok(Sse::new(events).keep_alive(KeepAlive::new().interval(Duration::from_secs(15))))
}

/// Events of a task for one client.
struct EventStream {
    catalog: Catalog,
    task: i64,
    /// Number of the last metric that was sent.
    last_metric: i64,
    /// The last progress that was sent.
    progress: Option<ProgressEvent>,
    queue: VecDeque<Event>,
    ended: bool,
}

impl EventStream {
    async fn next(mut self) -> Option<(Result<Event, Infallible>, Self)> {
        loop {
            if let Some(event) = self.queue.pop_front() {
                return Some((Ok(event), self));
            }
            if self.ended {
                return None;
            }
            if self.progress.is_some() {
                tokio::time::sleep(POLL_INTERVAL).await;
            }
            // An error of the catalog ends the stream; the client reconnects.
            self.poll().await.ok()?;
        }
    }

    async fn poll(&mut self) -> Result<(), CatalogError> {
        // The task is read before its metrics, so that a task that has ended has no later ones.
        let Some(task) = self.catalog.task(self.task).await? else {
            self.ended = true;
            return Ok(());
        };
        for (number, metric) in self.catalog.task_metrics(self.task, self.last_metric).await? {
            self.last_metric = number;
            self.push("metric", &metric);
        }
        let response = TaskResponse::new(&task, None);
        let progress = ProgressEvent { status: response.status, progress: response.progress.clone() };
        if self.progress.as_ref() != Some(&progress) {
            self.push("progress", &progress);
            self.progress = Some(progress);
        }
        if response.status.has_ended() {
            self.push("status", &response);
            self.ended = true;
        }
        Ok(())
    }

    fn push(&mut self, kind: &str, data: &impl Serialize) {
        // Serialization cannot fail: all keys are strings and all numbers finite.
        let event = Event::default().event(kind).id(self.last_metric.to_string()).json_data(data).unwrap_or_default();
        self.queue.push_back(event);
    }
}

async fn find_task(catalog: &Catalog, id: i64) -> ApiResult<Task> {
    let task = catalog.task(id).await?;
    task.ok_or_else(|| Problem::new(Code::NotFound, format!("there is no task with the id {id}")))
}
