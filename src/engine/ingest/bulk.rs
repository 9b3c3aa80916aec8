//! Many items at once: encoded side by side, written together, each taken or refused by itself.

use std::sync::{Arc, atomic::Ordering};

use futures_util::{StreamExt, stream};
use serde_json::json;

use crate::{
    catalog::{Task, WriteCondition},
    collection::CollectionError,
    compute,
    engine::{
        engine::Engine,
        error::EngineError,
        ingest::items::ItemDraft,
        tasks::runner::{Job, OnDuplicate},
    },
};

/// Items that are written together, at most: enough to share what a write costs, and few enough that a task stops in time.
const TOGETHER: usize = 16;

/// Refused lines that a result names.
const NAMED: usize = 1000;

/// A line of a batch.
#[derive(Debug)]
pub struct BulkLine<E> {
    /// Its number, from 1.
    pub number: usize,
    /// What it says; or why it says nothing.
    pub draft: Result<ItemDraft, E>,
}

/// What became of a line: its number; and the item's id with whether that was new, or why it was refused.
pub type LineResult<E> = (usize, Result<(String, bool), E>);

impl Engine {
    /// Takes items, in order; one whose id is known is replaced. Each is on disk and searchable when this returns, or refused by
    /// itself, as `refusal` says it.
    pub async fn put_lines<E>(
        self: &Arc<Self>,
        lines: impl Iterator<Item = BulkLine<E>>,
        refusal: impl Fn(EngineError) -> E,
    ) -> Vec<LineResult<E>> {
        let mut taken = Vec::new();
        let mut lines = lines.peekable();
        while lines.peek().is_some() {
            let encoding = lines.by_ref().take(TOGETHER).map(async |BulkLine { number, draft }| {
                let encoded = match draft {
                    Ok(draft) => self.encoded(draft, None, WriteCondition::Always).await.map_err(&refusal),
                    Err(why) => Err(why),
                };
                (number, encoded)
            });
            // In order, and not more at once than there are threads for: queries wait in the same queue.
            let at_once = compute::cores().min(self.limits().queue).max(1);
            let encoded: Vec<_> = stream::iter(encoding).buffered(at_once).collect().await;
            let mut ready = Vec::with_capacity(encoded.len());
            let mut numbers = Vec::with_capacity(encoded.len());
            for (number, encoded) in encoded {
                numbers.push((number, encoded.map(|encoded| ready.push(encoded))));
            }
            let mut written = self.commit(ready).await.into_iter();
            for (number, encoded) in numbers {
                let lost = || Err(EngineError::NotWritten("there was none".into()));
                let line = match encoded {
                    Ok(()) => written.next().unwrap_or_else(lost).map(|(item, new)| (item.id, new)).map_err(&refusal),
                    Err(why) => Err(why),
                };
                taken.push((number, line));
            }
        }
        taken
    }

    /// Starts to take items as [`Self::put_lines`] does, as a task. Refusals are a code and a sentence.
    ///
    /// # Errors
    /// [`EngineError::TaskRunning`]; or if the catalog fails.
    pub async fn take_batch(
        self: &Arc<Self>,
        lines: Vec<BulkLine<(String, String)>>,
        refusal: fn(EngineError) -> (String, String),
    ) -> Result<Task, EngineError> {
        self.start_task("batch", OnDuplicate::Reject, async move |engine: Arc<Self>, job: Job| {
            let progress = job.listener();
            progress.begin("take items", "item", Some(lines.len() as u64));
            let (mut taken, mut refused, mut refusals) = (0, 0, Vec::new());
            let mut lines = lines.into_iter().peekable();
            while lines.peek().is_some() {
                if job.stop.load(Ordering::Relaxed) {
                    return Err(CollectionError::Cancelled.into());
                }
                for (number, line) in engine.put_lines(lines.by_ref().take(TOGETHER), refusal).await {
                    let Err((code, detail)) = line else {
                        taken += 1;
                        continue;
                    };
                    refused += 1;
                    if refusals.len() < NAMED {
                        refusals.push(json!({ "line": number, "error": { "code": code, "detail": detail } }));
                    }
                }
                progress.advance(taken + refused);
            }
            Ok(json!({ "taken": taken, "refused": refused, "items": refusals }))
        })
        .await
    }
}
