//! Trains a model and, if it is promoted, builds its index.

use std::sync::Arc;

use serde_json::{Value, json};

use super::{import::encode_all, reindex};
use crate::{
    collection::Job,
    engine::{EngineError, OnDuplicate, TaskContext, TaskKind},
    model::TrainSettings,
    training::{PromotionPolicy, Trained, train},
};

/// Steps: encode two modalities, train two heads, evaluate, reindex.
pub(in crate::engine) const KIND: TaskKind =
    TaskKind { name: "train", steps: 5 + reindex::KIND.steps, on_duplicate: OnDuplicate::Reject };

pub(in crate::engine) async fn run(
    TaskContext { collection, encoders, serving, closing }: &TaskContext,
    settings: TrainSettings,
    policy: PromotionPolicy,
    job: Job,
) -> Result<Value, EngineError> {
    encode_all(collection, encoders, &job).await?;
    let Trained { record, report, verdict, .. } = train(collection, encoders, settings, policy, &job).await?;
    // The model is active already, so its index is built even if the task is cancelled now.
    let job = job.uncancellable(Arc::clone(closing));
    let index = if verdict.promoted { Some(reindex::rebuild_index(serving, &job).await?) } else { None };
    Ok(json!({ "model": record.version, "verdict": verdict, "report": report, "index": index }))
}
