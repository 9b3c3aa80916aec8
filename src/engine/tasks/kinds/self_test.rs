//! Comparing the live indexes with scans.

use std::sync::Arc;

use serde_json::{Map, Value, json};

use crate::{
    collection::{Job, blocking},
    engine::{EngineError, OnDuplicate, ServingSnapshot, TaskKind, metrics},
};

pub(in crate::engine) const KIND: TaskKind = TaskKind { name: "selftest", steps: 1, on_duplicate: OnDuplicate::Reuse };

pub(in crate::engine) async fn run(snapshot: Arc<ServingSnapshot>, job: Job) -> Result<Value, EngineError> {
    let number = snapshot.number;
    let tests = job.unless_cancelled(async { blocking(move || snapshot.self_test()).await? }).await?;
    tests.iter().for_each(|(name, test)| metrics::record_self_test(name, test));
    let tests: Map<String, Value> = tests.iter().map(|(name, test)| ((*name).to_owned(), json!(test))).collect();
    Ok(json!({ "index_generation": number, "indexes": tests }))
}
