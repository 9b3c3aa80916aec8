//! Tasks: long-running work with its status, progress, metrics and result.

use serde::{Deserialize, Serialize};
use sqlx::FromRow;
use utoipa::ToSchema;

use super::{Catalog, CatalogError, now_ms, values::from_json};

/// Status of a task.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema, sqlx::Type)]
#[serde(rename_all = "lowercase")]
#[sqlx(rename_all = "lowercase")]
pub enum TaskStatus {
    /// Accepted, not started.
    Enqueued,
    /// In progress.
    Running,
    /// Completed.
    Succeeded,
    /// Ended with an error.
    Failed,
    /// Ended on request.
    Cancelled,
    /// Its process ended before the task did.
    Interrupted,
}

impl TaskStatus {
    /// Whether a task with this status is over.
    pub fn has_ended(self) -> bool {
        !matches!(self, Self::Enqueued | Self::Running)
    }

    /// Name as in responses.
    pub fn name(self) -> &'static str {
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

/// Progress of one step of a task.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Step {
    /// What the step does.
    pub name: String,
    /// Units done.
    pub done: u64,
    /// Units in total.
    pub total: u64,
    /// What is counted, in the singular.
    pub unit: String,
}

/// A task.
#[derive(Debug, Clone, PartialEq, FromRow)]
pub struct Task {
    /// Its number.
    pub id: i64,
    /// Kind of work, such as `train`.
    #[sqlx(rename = "type")]
    pub kind: String,
    /// Status.
    pub status: TaskStatus,
    /// Time of creation, in Unix milliseconds.
    pub created_at: i64,
    /// Time of start, in Unix milliseconds.
    pub started_at: Option<i64>,
    /// Time of completion, in Unix milliseconds.
    pub finished_at: Option<i64>,
    /// Progress of the steps that have started.
    #[sqlx(json)]
    pub steps: Vec<Step>,
    /// Result, if it succeeded.
    #[sqlx(json(nullable))]
    pub result: Option<serde_json::Value>,
    /// Why it failed.
    pub error: Option<String>,
}

impl Catalog {
    /// Creates a task and returns its number.
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

    /// Marks a task as running and stores its progress.
    ///
    /// # Errors
    /// If the database fails.
    pub async fn update_task(&self, id: i64, steps: &[Step]) -> Result<(), CatalogError> {
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

    /// Stores how a task ended.
    ///
    /// # Errors
    /// If the database fails.
    pub async fn finish_task(
        &self,
        id: i64,
        status: TaskStatus,
        steps: &[Step],
        result: Option<&serde_json::Value>,
        error: Option<&str>,
    ) -> Result<(), CatalogError> {
        sqlx::query("update tasks set status = ?, finished_at = ?, steps = ?, result = ?, error = ? where id = ?")
            .bind(status)
            .bind(now_ms())
            .bind(serde_json::json!(steps).to_string())
            .bind(result.map(ToString::to_string))
            .bind(error)
            .bind(id)
            .execute(&self.writer)
            .await?;
        Ok(())
    }

    /// Marks unfinished tasks of an earlier process as interrupted and returns their number. Called once at start, by
    /// the only service on the data folder.
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

    /// Appends metrics to those of a task.
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

    /// Metrics of a task, numbered from 1, that come after number `after`.
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

    /// Tasks with numbers below `before`, newest first, optionally of one status or kind: at most `limit`.
    ///
    /// # Errors
    /// If the database fails.
    pub async fn tasks(
        &self,
        status: Option<TaskStatus>,
        kind: Option<&str>,
        before: i64,
        limit: u32,
    ) -> Result<Vec<Task>, CatalogError> {
        Ok(sqlx::query_as(
            "select id, type, status, created_at, started_at, finished_at, steps, result, error from tasks
             where (?1 is null or status = ?1) and (?2 is null or type = ?2) and id < ?3 order by id desc limit ?4",
        )
        .bind(status)
        .bind(kind)
        .bind(before)
        .bind(limit)
        .fetch_all(&self.readers)
        .await?)
    }

    /// A task by number.
    ///
    /// # Errors
    /// If the database fails.
    pub async fn task(&self, id: i64) -> Result<Option<Task>, CatalogError> {
        Ok(sqlx::query_as(
            "select id, type, status, created_at, started_at, finished_at, steps, result, error
             from tasks where id = ?",
        )
        .bind(id)
        .fetch_optional(&self.readers)
        .await?)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[tokio::test]
    async fn tasks_are_read_back_as_they_were_stored() {
        let folder = tempfile::tempdir().expect("a folder");
        let catalog = Catalog::open(folder.path()).await.expect("a catalog");
        let (first, second) = (catalog.create_task("train").await, catalog.create_task("backup").await);
        let (first, second) = (first.expect("created"), second.expect("created"));
        let steps = [Step { name: "learn".into(), done: 1, total: 2, unit: "epoch".into() }];
        catalog.update_task(first, &steps).await.expect("updated");
        let running = catalog.tasks(Some(TaskStatus::Running), None, i64::MAX, 9).await.expect("read");
        assert_eq!((running.len(), running[0].id, running[0].steps.as_slice()), (1, first, steps.as_slice()));
        let result = json!({"model": "m"});
        catalog.finish_task(first, TaskStatus::Succeeded, &steps, Some(&result), None).await.expect("finished");
        let ended = catalog.task(first).await.expect("read").expect("a task");
        assert_eq!((ended.kind.as_str(), ended.status, ended.result), ("train", TaskStatus::Succeeded, Some(result)));
        let new = catalog.task(second).await.expect("read").expect("a task");
        assert_eq!((new.status, new.started_at, new.steps, new.result), (TaskStatus::Enqueued, None, Vec::new(), None));
    }
}
