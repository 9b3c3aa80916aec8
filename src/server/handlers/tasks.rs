//! How far long work is: one task, all of them, their events as they come, and how to stop one.

use std::{collections::VecDeque, convert::Infallible, time::Duration};

use axum::{
    Json,
    extract::{Path, Query, State, rejection::PathRejection, rejection::QueryRejection},
    http::HeaderMap,
    response::sse::{Event, KeepAlive, Sse},
};
use futures_util::{Stream, stream};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::server::{
    error::{Code, Outcome, Problem},
    responses::{self, ProgressView, TaskList, TaskView},
    state::App,
};
use crate::{
    catalog::{Catalog, Task, TaskStatus},
    engine::EngineError,
};

/// How often a task is looked at for events, and while somebody waits for its end.
const LOOK_EVERY: Duration = Duration::from_millis(200);

/// The longest that a request waits for a task's end, in seconds.
const MAX_WAIT: u64 = 25;

/// Tasks of a list, unless it says otherwise, and at most.
const LISTED: u32 = 50;
const MAX_LISTED: u32 = 500;

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct ListOptions {
    #[param(inline, nullable = false)]
    status: Option<TaskStatus>,
    /// Such as `train`.
    #[param(nullable = false)]
    r#type: Option<String>,
    /// Those with a smaller number.
    #[param(nullable = false)]
    before: Option<i64>,
    #[param(minimum = 1, maximum = 500, nullable = false)]
    limit: Option<u32>,
}

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct WaitOptions {
    /// Seconds to wait for its end.
    #[param(minimum = 0, maximum = 25, nullable = false)]
    wait: Option<u64>,
}

/// What an event `progress` tells.
#[derive(Debug, PartialEq, Serialize, ToSchema)]
struct ProgressEvent {
    status: TaskStatus,
    progress: ProgressView,
}

/// Tasks, newest first
#[utoipa::path(get, path = "/v1/tasks", tag = "admin", params(ListOptions),
    responses((status = 200, description = "A page of them", body = TaskList)))]
pub(crate) async fn list(
    State(app): State<App>,
    options: Result<Query<ListOptions>, QueryRejection>,
) -> Outcome<Json<TaskList>> {
    let Query(ListOptions { status, r#type, before, limit }) = options?;
    let limit = limit.unwrap_or(LISTED);
    if !(1..=MAX_LISTED).contains(&limit) {
        return Err(Problem::out_of_range("limit", limit, &(1..=MAX_LISTED)));
    }
    let catalog = &app.engine.collection().catalog;
    let before = before.unwrap_or(i64::MAX);
    let tasks = catalog.tasks(status, r#type.as_deref(), before, limit).await?;
    let next_before = tasks.last().filter(|_| tasks.len() == limit as usize).map(|task| task.id);
    let tasks = tasks.iter().map(|task| TaskView::new(task, None)).collect();
    Ok(Json(TaskList { tasks, next_before }))
}

/// A task
///
/// As it is or, with `wait`, as it is when it has ended or the time is over.
#[utoipa::path(get, path = "/v1/tasks/{id}", tag = "admin", params(("id" = i64, Path), WaitOptions),
    responses((status = 200, description = "The task", body = TaskView)))]
pub(crate) async fn one(
    State(app): State<App>,
    id: Result<Path<i64>, PathRejection>,
    options: Result<Query<WaitOptions>, QueryRejection>,
) -> Outcome<Json<TaskView>> {
    let (Path(id), Query(WaitOptions { wait })) = (id?, options?);
    let wait = wait.unwrap_or(0);
    if wait > MAX_WAIT {
        return Err(Problem::out_of_range("wait", wait, &(0..=MAX_WAIT)));
    }
    let catalog = &app.engine.collection().catalog;
    // In time for the answer, however little time a request has here.
    let patience = Duration::from_secs(wait).min(app.limits.request * 4 / 5);
    let until = tokio::time::Instant::now() + patience;
    let task = loop {
        let task = find(catalog, id).await?;
        if has_ended(&task) || tokio::time::Instant::now() >= until {
            break task;
        }
        tokio::time::sleep(LOOK_EVERY).await;
    };
    let last = catalog.task_metrics(id, 0).await?.pop();
    Ok(Json(TaskView::new(&task, last.map(|(_, metric)| metric))))
}

/// Stop a task
#[utoipa::path(post, path = "/v1/tasks/{id}/cancel", tag = "admin", params(("id" = i64, Path)),
    responses((status = 200, description = "It was asked to stop", body = TaskView)))]
pub(crate) async fn cancel(State(app): State<App>, id: Result<Path<i64>, PathRejection>) -> Outcome<Json<TaskView>> {
    let Path(id) = id?;
    let task = find(&app.engine.collection().catalog, id).await?;
    if has_ended(&task) || !app.engine.tasks().cancel(id) {
        let detail = format!("task {id} is not at work: it is {}", responses::status(task.status));
        return Err(Problem::new(Code::TaskEnded, detail));
    }
    Ok(Json(TaskView::new(&task, None)))
}

/// A task's events as they come
///
/// Server-sent events: `metric`, `progress` and at the end `status`. A client that comes back with `Last-Event-ID` hears the
/// metrics that it missed.
#[utoipa::path(get, path = "/v1/tasks/{id}/events", tag = "admin",
    params(("id" = i64, Path), ("Last-Event-ID" = Option<String>, Header, description = "The id of the last event that was heard")),
    responses((status = 200, description = "Events", content(("text/event-stream")))))]
pub(crate) async fn events(
    State(app): State<App>,
    id: Result<Path<i64>, PathRejection>,
    headers: HeaderMap,
) -> Outcome<Sse<impl Stream<Item = Result<Event, Infallible>>>> {
    let Path(id) = id?;
    let catalog = app.engine.collection().catalog.clone();
    find(&catalog, id).await?;
    let last = headers.get("last-event-id").and_then(|v| v.to_str().ok()).and_then(|v| v.parse().ok()).unwrap_or(0);
    let watch = Watch { catalog, task: id, heard: last, shown: None, waiting: VecDeque::new(), ended: false };
    Ok(Sse::new(stream::unfold(watch, Watch::next)).keep_alive(KeepAlive::new().interval(Duration::from_secs(15))))
}

/// A client that hears of a task.
struct Watch {
    catalog: Catalog,
    task: i64,
    /// The last metric that was told.
    heard: i64,
    /// The progress that was told last.
    shown: Option<ProgressEvent>,
    waiting: VecDeque<Event>,
    ended: bool,
}

impl Watch {
    async fn next(mut self) -> Option<(Result<Event, Infallible>, Self)> {
        loop {
            if let Some(event) = self.waiting.pop_front() {
                return Some((Ok(event), self));
            }
            if self.ended {
                return None;
            }
            if self.shown.is_some() {
                tokio::time::sleep(LOOK_EVERY).await;
            }
            // Where the catalog fails there is nothing more to tell; the client asks again.
            self.look().await.ok()?;
        }
    }

    async fn look(&mut self) -> Result<(), EngineError> {
        // The task before its metrics: what has ended has told all of them.
        let Some(task) = self.catalog.task(self.task).await? else {
            self.ended = true;
            return Ok(());
        };
        for (number, metric) in self.catalog.task_metrics(self.task, self.heard).await? {
            self.heard = number;
            self.tell("metric", &metric);
        }
        let whole = TaskView::new(&task, None);
        let progress = ProgressEvent { status: whole.status, progress: whole.progress.clone() };
        if self.shown.as_ref() != Some(&progress) {
            self.tell("progress", &progress);
            self.shown = Some(progress);
        }
        if has_ended(&task) {
            self.tell("status", &whole);
            self.ended = true;
        }
        Ok(())
    }

    fn tell(&mut self, kind: &str, data: &impl Serialize) {
        // What is told has text keys and finite numbers alone.
        let event = Event::default().event(kind).id(self.heard.to_string()).json_data(data).unwrap_or_default();
        self.waiting.push_back(event);
    }
}

async fn find(catalog: &Catalog, id: i64) -> Outcome<Task> {
    let task = catalog.task(id).await?;
    task.ok_or_else(|| Problem::new(Code::NotFound, format!("there is no task {id}")))
}

fn has_ended(task: &Task) -> bool {
    !matches!(task.status, TaskStatus::Enqueued | TaskStatus::Running)
}
