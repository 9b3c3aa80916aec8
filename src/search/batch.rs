//! Many items at once, as a task.

use std::sync::{Arc, atomic::Ordering};

use serde_json::json;

use super::{
    Engine, ItemDraft, SearchError,
    tasks::{Job, Twin},
};
use crate::catalog::{Put, Task};

/// Refused lines that a result names.
const NAMED: usize = 1000;

/// A line of a batch.
#[derive(Debug)]
pub struct BatchLine {
    /// Its number, from 1.
    pub number: usize,
    /// What it says; or the code and the sentence of why it says nothing.
    pub draft: Result<ItemDraft, (String, String)>,
}

impl Engine {
    /// Starts to take items as a task, in order; one whose id is known is replaced. `refusal` gives an error's code and sentence.
    ///
    /// # Errors
    /// [`SearchError::TaskAtWork`]; or if the catalog fails.
    pub async fn take_batch(
        self: &Arc<Self>,
        lines: Vec<BatchLine>,
        refusal: fn(SearchError) -> (String, String),
    ) -> Result<Task, SearchError> {
        self.start_task("batch", Twin::Refused, async move |engine: Arc<Self>, job: Job| {
            let progress = job.listener();
            progress.begin("take items", "item", Some(lines.len() as u64));
            let (mut taken, mut refused, mut refusals) = (0, 0, Vec::new());
            for (done, BatchLine { number, draft }) in (1..).zip(lines) {
                if job.stop.load(Ordering::Relaxed) {
                    return Err(SearchError::Stopped);
                }
                let put = match draft {
                    Ok(draft) => engine.put_item(draft, Put::Replace).await.map_err(refusal),
                    Err(why) => Err(why),
                };
                match put {
                    Ok(_) => taken += 1,
                    Err((code, detail)) => {
                        refused += 1;
                        if refusals.len() < NAMED {
                            refusals.push(json!({ "line": number, "error": { "code": code, "detail": detail } }));
                        }
                    }
                }
                progress.advance(done);
            }
            Ok(json!({ "taken": taken, "refused": refused, "items": refusals }))
        })
        .await
    }
}
