//! Bulk ingestion: many items are encoded in parallel and written together; each is accepted or rejected separately.

use futures_util::{StreamExt, stream};

use super::{draft::ItemDraft, service::IngestService};
use crate::{catalog::WriteCondition, compute, engine::error::EngineError};

/// The maximum number of items that are written together: enough to share the cost of a write, and few enough that a
/// task stops in time.
pub(in crate::engine) const WRITTEN_TOGETHER: usize = 16;

/// A line of a bulk request.
#[derive(Debug)]
pub struct BulkLine<E> {
    /// Its number, from 1.
    pub number: usize,
    /// Its item, or the error of parsing it.
    pub draft: Result<ItemDraft, E>,
}

/// The number of a line, and its item's id with whether that is new, or why it was rejected.
pub type LineResult<E> = (usize, Result<(String, bool), E>);

impl IngestService {
    /// Writes items in order, replacing those whose id exists. When this returns, each is either on disk and
    /// searchable, or rejected; `rejection` converts an error into the type of the caller.
    pub async fn ingest_lines<E>(
        &self,
        lines: impl Iterator<Item = BulkLine<E>>,
        rejection: impl Fn(EngineError) -> E,
    ) -> Vec<LineResult<E>> {
        let mut results = Vec::new();
        let mut lines = lines.peekable();
        while lines.peek().is_some() {
            let encoding = lines.by_ref().take(WRITTEN_TOGETHER).map(async |BulkLine { number, draft }| {
                let encoded = match draft {
                    Ok(draft) => self.encode(draft, None, WriteCondition::Always).await.map_err(&rejection),
                    Err(why) => Err(why),
                };
                (number, encoded)
            });
            // No more at a time than there are threads, because queries wait in the same queue.
            let concurrent = compute::cores().min(self.queue_limit()).max(1);
            let encoded: Vec<_> = stream::iter(encoding).buffered(concurrent).collect().await;
            let mut ready = Vec::with_capacity(encoded.len());
            let mut numbers = Vec::with_capacity(encoded.len());
            for (number, encoded) in encoded {
                numbers.push((number, encoded.map(|item| ready.push(item))));
            }
            let mut written = self.write(ready).await.into_iter();
            for (number, encoded) in numbers {
                let lost = || Err(EngineError::NotWritten("the write was lost".into()));
                let line = match encoded {
                    Ok(()) => written.next().unwrap_or_else(lost).map(|(item, new)| (item.id, new)).map_err(&rejection),
                    Err(why) => Err(why),
                };
                results.push((number, line));
            }
        }
        results
    }
}
