//! A task.

use axum::{
    Json,
    http::{StatusCode, header},
    response::{IntoResponse, Response},
};
use serde::Serialize;
use serde_json::{Value, json};
use utoipa::{IntoResponses, ToSchema};

use super::timestamp::timestamp;
use crate::{
    catalog::{Step, Task, TaskStatus, now_ms},
    engine,
};

/// Long work.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub(crate) struct TaskView {
    pub(crate) id: i64,
    /// What kind of work it is.
    r#type: String,
    pub(crate) status: TaskStatus,
    #[schema(format = DateTime)]
    created_at: String,
    #[schema(format = DateTime)]
    started_at: Option<String>,
    #[schema(format = DateTime)]
    finished_at: Option<String>,
    pub(crate) progress: ProgressView,
    /// What was measured last, such as the losses of an epoch.
    #[schema(value_type = Option<Object>)]
    metrics: Option<Value>,
    /// What it made, once it has succeeded.
    #[schema(value_type = Option<Object>)]
    result: Option<Value>,
    error: Option<TaskError>,
}

/// How far a task is.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub(crate) struct ProgressView {
    /// From 0 to 100.
    percent: f64,
    /// An estimate; null where there is none.
    eta_seconds: Option<f64>,
    steps: Vec<Step>,
}

/// Why a task failed.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
struct TaskError {
    detail: String,
}

/// Tasks, newest first.
#[derive(Serialize, ToSchema)]
pub(crate) struct TaskList {
    pub(crate) tasks: Vec<TaskView>,
    /// What `before` has to be for the next page; null on the last.
    pub(crate) next_before: Option<i64>,
}

impl TaskView {
    /// As `GET /v1/tasks/{id}` shows it.
    pub(crate) fn new(task: &Task, metrics: Option<Value>) -> Self {
        // Steps weigh the same; what a step's amount is was known only when it began.
        let part = |done: u64, total: u64| if total == 0 { 1.0 } else { done.min(total) as f64 / total as f64 };
        let planned = engine::planned_steps(&task.kind).max(task.steps.len());
        let percent = task.steps.iter().map(|s| part(s.done, s.total)).sum::<f64>() / planned as f64 * 100.0;
        let percent = if task.status == TaskStatus::Succeeded { 100.0 } else { percent };
        let running = task.started_at.filter(|_| task.status == TaskStatus::Running && percent >= 1.0);
        let eta = running.map(|began| ((now_ms() - began) as f64 / 1000.0 * (100.0 - percent) / percent).round());
        Self {
            id: task.id,
            r#type: task.kind.clone(),
            status: task.status,
            created_at: timestamp(task.created_at),
            started_at: task.started_at.map(timestamp),
            finished_at: task.finished_at.map(timestamp),
            progress: ProgressView {
                // The sum of nothing is -0.
                percent: (percent * 10.0).round() / 10.0 + 0.0,
                eta_seconds: eta,
                steps: task.steps.clone(),
            },
            metrics,
            result: task.result.clone(),
            error: task.error.clone().map(|detail| TaskError { detail }),
        }
    }
}

/// A status as JSON has it.
pub(crate) fn status(status: TaskStatus) -> String {
    json!(status).as_str().unwrap_or_default().to_owned()
}

/// The answer to something that was accepted and is at work: 202 and where to look.
#[derive(IntoResponses)]
#[response(status = 202, description = "The task", headers(("Location", description = "The task")))]
pub(crate) struct Accepted(TaskView);

impl From<Task> for Accepted {
    fn from(task: Task) -> Self {
        Self(TaskView::new(&task, None))
    }
}

impl IntoResponse for Accepted {
    fn into_response(self) -> Response {
        let location = [(header::LOCATION, format!("/v1/tasks/{}", self.0.id))];
        (StatusCode::ACCEPTED, location, Json(self.0)).into_response()
    }
}
