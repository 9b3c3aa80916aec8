//! Evaluates the active model.

use serde_json::{Value, json};

use super::import::encode_all;
use crate::{
    collection::{CollectionError, Job},
    engine::{EngineError, OnDuplicate, TaskContext, TaskKind},
    training::{keep_report, report_page},
};

pub(in crate::engine) const KIND: TaskKind = TaskKind { name: "evaluate", steps: 1, on_duplicate: OnDuplicate::Reuse };

/// Evaluates the active model and stores its report page and curves.
pub(in crate::engine) async fn run(
    TaskContext { collection, encoders, .. }: &TaskContext,
    job: Job,
) -> Result<Value, EngineError> {
    let record = collection.catalog.active_model().await?.ok_or(CollectionError::NoModel)?;
    encode_all(collection, encoders, &job).await?;
    let page = job.unless_cancelled(report_page(collection, encoders, &record)).await?;
    keep_report(collection, &record.version, &page).await?;
    Ok(json!({ "model": record.version, "report": page.report }))
}
