//! Responses with tasks.

use axum::{
    Json,
    http::{StatusCode, header},
    response::{IntoResponse, Response},
};
use serde::Serialize;
use serde_json::Value;
use utoipa::{IntoResponses, ToSchema};

use super::timestamp::timestamp;
use crate::{
    catalog::{Step, Task, TaskStatus, now_ms},
    engine,
};

/// A task.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub(crate) struct TaskResponse {
    pub(crate) id: i64,
    /// Kind of the task.
    r#type: String,
    pub(crate) status: TaskStatus,
    #[schema(format = DateTime)]
    created_at: String,
    #[schema(format = DateTime)]
    started_at: Option<String>,
    #[schema(format = DateTime)]
    finished_at: Option<String>,
    pub(crate) progress: TaskProgress,
    /// The latest measurement, such as the losses of an epoch.
    #[schema(value_type = Option<Object>)]
    metrics: Option<Value>,
    /// Result of a task that succeeded.
    #[schema(value_type = Option<Object>)]
    result: Option<Value>,
    error: Option<TaskError>,
}

/// Progress of a task.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub(crate) struct TaskProgress {
    /// From 0 to 100.
    percent: f64,
    /// Estimated time to the end; null if unknown.
    eta_seconds: Option<f64>,
    steps: Vec<TaskStep>,
}

/// Progress of a step of a task.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
struct TaskStep {
    name: String,
    /// Units that are done.
    done: u64,
    /// Units in all.
    total: u64,
    /// What is counted.
    unit: String,
}

/// Why a task failed.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
struct TaskError {
    detail: String,
}

/// A page of tasks, newest first.
#[derive(Serialize, ToSchema)]
pub(crate) struct TaskList {
    pub(crate) tasks: Vec<TaskResponse>,
    /// Value of `before` for the next page; null on the last page.
    pub(crate) next_before: Option<i64>,
}

impl TaskResponse {
    /// `metrics` is the latest measurement.
    pub(crate) fn new(task: &Task, metrics: Option<Value>) -> Self {
        // All steps count the same: their totals are known only once they start.
        let fraction = |done: u64, total: u64| if total == 0 { 1.0 } else { done.min(total) as f64 / total as f64 };
        let planned = engine::planned_steps(&task.kind).max(task.steps.len());
        let percent = task.steps.iter().map(|s| fraction(s.done, s.total)).sum::<f64>() / planned as f64 * 100.0;
        let percent = if task.status == TaskStatus::Succeeded { 100.0 } else { percent };
        let running = task.started_at.filter(|_| task.status == TaskStatus::Running && percent >= 1.0);
        let eta = running.map(|started| ((now_ms() - started) as f64 / 1000.0 * (100.0 - percent) / percent).round());
        Self {
            id: task.id,
            r#type: task.kind.clone(),
            status: task.status,
            created_at: timestamp(task.created_at),
            started_at: task.started_at.map(timestamp),
            finished_at: task.finished_at.map(timestamp),
            progress: TaskProgress {
                // The sum of no steps is -0.
                percent: (percent * 10.0).round() / 10.0 + 0.0,
                eta_seconds: eta,
                steps: task.steps.iter().map(TaskStep::from).collect(),
            },
            metrics,
            result: task.result.clone(),
            error: task.error.clone().map(|detail| TaskError { detail }),
        }
    }
}

impl From<&Step> for TaskStep {
    fn from(Step { name, done, total, unit }: &Step) -> Self {
        Self { name: name.clone(), done: *done, total: *total, unit: unit.clone() }
    }
}

/// A task was started: 202, with the path of the task.
#[derive(IntoResponses)]
#[response(status = 202, description = "The task that was started",
    headers(("Location", description = "Path of the task")))]
pub(crate) struct TaskAccepted(TaskResponse);

impl From<Task> for TaskAccepted {
    fn from(task: Task) -> Self {
        Self(TaskResponse::new(&task, None))
    }
}

impl IntoResponse for TaskAccepted {
    fn into_response(self) -> Response {
        let location = [(header::LOCATION, format!("/v1/tasks/{}", self.0.id))];
        (StatusCode::ACCEPTED, location, Json(self.0)).into_response()
    }
}
