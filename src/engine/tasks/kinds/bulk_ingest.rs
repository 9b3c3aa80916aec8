//! Ingests the items of a bulk request.

use std::sync::Arc;

use serde_json::{Value, json};

use crate::{
    collection::Job,
    engine::{BulkLine, EngineError, IngestService, OnDuplicate, TaskKind, ingest::WRITTEN_TOGETHER},
};

pub(in crate::engine) const KIND: TaskKind = TaskKind { name: "batch", steps: 1, on_duplicate: OnDuplicate::Reject };

/// The maximum number of rejected lines in a result.
const NAMED: usize = 1000;

/// Ingests lines with [`IngestService::ingest_lines`]. A rejection has a code and a message.
pub(in crate::engine) async fn run(
    items: Arc<IngestService>,
    lines: Vec<BulkLine<(String, String)>>,
    rejection: fn(EngineError) -> (String, String),
    job: Job,
) -> Result<Value, EngineError> {
    job.progress.begin("ingest items", "item", Some(lines.len() as u64));
    let (mut accepted, mut rejected, mut rejections) = (0, 0, Vec::new());
    let mut lines = lines.into_iter().peekable();
    while lines.peek().is_some() {
        job.check_cancelled()?;
        for (number, line) in items.ingest_lines(lines.by_ref().take(WRITTEN_TOGETHER), rejection).await {
            let Err((code, detail)) = line else {
                accepted += 1;
                continue;
            };
            rejected += 1;
            if rejections.len() < NAMED {
                rejections.push(json!({ "line": number, "error": { "code": code, "detail": detail } }));
            }
        }
        job.progress.advance(accepted + rejected);
    }
    Ok(json!({ "taken": accepted, "refused": rejected, "items": rejections }))
}
