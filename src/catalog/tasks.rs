//! Long work: what was asked for, how far it is, how it ended.

use serde::{Deserialize, Serialize};
use sqlx::FromRow;

use super::{
    connection::Catalog,
    error::CatalogError,
    values::{from_json, now_ms},
};

/// Where a task stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum TaskStatus {
    /// Accepted, not begun.
    Enqueued,
    /// At work.
    Running,
    /// Ended well.
    Succeeded,
    /// Ended with an error.
    Failed,
    /// Ended because somebody asked for it.
    Cancelled,
    /// Its process ended before it did.
    Interrupted,
}

impl TaskStatus {
    fn as_str(self) -> &'static str {
        match self {
            Self::Enqueued => "enqueued",
            Self::Running => "running",
            Self::Succeeded => "succeeded",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
            Self::Interrupted => "interrupted",
        }
    }
}

/// How far one step of a task is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Step {
    /// What is being done.
    pub name: String,
    /// How much of it is done.
    pub done: u64,
    /// How much there is to do.
    pub total: u64,
    /// What is counted.
    pub unit: String,
}

/// A task.
#[derive(Debug, Clone, PartialEq)]
pub struct Task {
    /// Its number.
    pub id: i64,
    /// What kind of work it is.
    pub kind: String,
    /// Where it stands.
    pub status: TaskStatus,
    /// Unix milliseconds.
    pub created_at: i64,
    /// Unix milliseconds.
    pub started_at: Option<i64>,
    /// Unix milliseconds.
    pub finished_at: Option<i64>,
    /// How far it is.
    pub steps: Vec<Step>,
    /// What it made.
    pub result: Option<serde_json::Value>,
    /// Why it failed.
    pub error: Option<String>,
}

#[derive(FromRow)]
struct TaskRow {
    id: i64,
    #[sqlx(rename = "type")]
    kind: String,
    status: String,
    created_at: i64,
    started_at: Option<i64>,
    finished_at: Option<i64>,
    steps: String,
    result: Option<String>,
    error: Option<String>,
}

impl Catalog {
    /// Accepts a task.
    ///
    /// # Errors
    /// If the database fails.
    pub async fn create_task(&self, kind: &str) -> Result<i64, CatalogError> {
        Ok(sqlx::query_scalar("insert into tasks (type, status, created_at) values (?, 'enqueued', ?) returning id")
            .bind(kind)
            .bind(now_ms())
            .fetch_one(&self.writer)
            .await?)
    }

    /// Says that a task is at work, and how far it is.
    ///
    /// # Errors
    /// If the database fails.
    pub async fn task_running(&self, id: i64, steps: &[Step]) -> Result<(), CatalogError> {
        sqlx::query(
            "update tasks set status = 'running', started_at = coalesce(started_at, ?), steps = ? where id = ?",
        )
        .bind(now_ms())
        .bind(serde_json::json!(steps).to_string())
        .bind(id)
        .execute(&self.writer)
        .await?;
        Ok(())
    }

    /// Says how a task ended.
    ///
    /// # Errors
    /// If the database fails.
    pub async fn task_ended(
        &self,
        id: i64,
        status: TaskStatus,
        steps: &[Step],
        result: Option<&serde_json::Value>,
        error: Option<&str>,
    ) -> Result<(), CatalogError> {
        sqlx::query("update tasks set status = ?, finished_at = ?, steps = ?, result = ?, error = ? where id = ?")
            .bind(status.as_str())
            .bind(now_ms())
            .bind(serde_json::json!(steps).to_string())
            .bind(result.map(ToString::to_string))
            .bind(error)
            .bind(id)
            .execute(&self.writer)
            .await?;
        Ok(())
    }

    /// Marks tasks that a process left behind when it ended as interrupted. Called once, at start, by the one service
    /// that owns the data folder.
    ///
    /// # Errors
    /// If the database fails.
    pub async fn interrupt_orphaned_tasks(&self) -> Result<u64, CatalogError> {
        let done = sqlx::query(
            "update tasks set status = 'interrupted', finished_at = ?,
                    error = 'the service ended before the task did; it starts from the catalog, so nothing is lost'
             where status in ('enqueued', 'running')",
        )
        .bind(now_ms())
        .execute(&self.writer)
        .await?;
        Ok(done.rows_affected())
    }

    /// Keeps what a task measured, behind what it measured before.
    ///
    /// # Errors
    /// If the database fails.
    pub async fn add_task_metrics(&self, id: i64, metrics: &[serde_json::Value]) -> Result<(), CatalogError> {
        if metrics.is_empty() {
            return Ok(());
        }
        let mut tx = self.writer.begin_with("begin immediate").await?;
        for metric in metrics {
            sqlx::query(
                "insert into task_metrics (task, number, metric)
                 select ?1, coalesce(max(number), 0) + 1, ?2 from task_metrics where task = ?1",
            )
            .bind(id)
            .bind(metric.to_string())
            .execute(&mut *tx)
            .await?;
        }
        tx.commit().await?;
        Ok(())
    }

    /// What a task measured, with numbers from 1, behind the number `after`.
    ///
    /// # Errors
    /// If the database fails.
    pub async fn task_metrics(&self, id: i64, after: i64) -> Result<Vec<(i64, serde_json::Value)>, CatalogError> {
        let rows: Vec<(i64, String)> =
            sqlx::query_as("select number, metric from task_metrics where task = ? and number > ? order by number")
                .bind(id)
                .bind(after)
                .fetch_all(&self.readers)
                .await?;
        rows.into_iter().map(|(number, text)| Ok((number, from_json("task_metrics.metric", &text)?))).collect()
    }

    /// Tasks of a status and of a kind, or of any, the newest first; those with numbers below `before`.
    ///
    /// # Errors
    /// If the database fails.
    pub async fn tasks(
        &self,
        status: Option<TaskStatus>,
        kind: Option<&str>,
        before: i64,
        most: u32,
    ) -> Result<Vec<Task>, CatalogError> {
        let rows: Vec<TaskRow> = sqlx::query_as(
            "select id, type, status, created_at, started_at, finished_at, steps, result, error from tasks
             where (?1 is null or status = ?1) and (?2 is null or type = ?2) and id < ?3 order by id desc limit ?4",
        )
        .bind(status.map(TaskStatus::as_str))
        .bind(kind)
        .bind(before)
        .bind(most)
        .fetch_all(&self.readers)
        .await?;
        rows.into_iter().map(Task::try_from).collect()
    }

    /// A task by number.
    ///
    /// # Errors
    /// If the database fails.
    pub async fn task(&self, id: i64) -> Result<Option<Task>, CatalogError> {
        let row: Option<TaskRow> = sqlx::query_as(
            "select id, type, status, created_at, started_at, finished_at, steps, result, error from tasks where id = ?",
        )
        .bind(id)
        .fetch_optional(&self.readers)
        .await?;
        row.map(Task::try_from).transpose()
    }
}

impl TryFrom<TaskRow> for Task {
    type Error = CatalogError;

    fn try_from(row: TaskRow) -> Result<Self, CatalogError> {
        let status = serde_json::from_value(serde_json::Value::String(row.status))
            .map_err(|e| CatalogError::Damaged { place: "tasks.status", reason: e.to_string() })?;
        Ok(Self {
            id: row.id,
            kind: row.kind,
            status,
            created_at: row.created_at,
            started_at: row.started_at,
            finished_at: row.finished_at,
            steps: from_json("tasks.steps", &row.steps)?,
            result: row.result.as_deref().map(|r| from_json("tasks.result", r)).transpose()?,
            error: row.error,
        })
    }
}
