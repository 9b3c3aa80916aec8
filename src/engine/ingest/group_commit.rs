//! Group commit: items that arrive at the same time are written in one transaction, with a single fsync, and embedded
//! as one batch. Items that arrive while a group is being written form the next group.

use std::{
    collections::{HashSet, VecDeque},
    path::PathBuf,
    sync::Arc,
};

use parking_lot::Mutex;
use tokio::sync::oneshot;

use super::encode::{PendingItem, save_failed};
use crate::{
    catalog::{Catalog, CatalogError, Item, PutOutcome},
    collection::blocking,
    compute,
    engine::{EngineError, Serving, TaskRunner, serving::sync_live_index},
    util::fs::write_atomic,
};

/// The maximum number of items in a transaction, which blocks other writers of the catalog.
const MAX_GROUP: usize = 64;

/// The item as it was written and whether its id is new, or why it was not written.
pub(super) type WriteResult = Result<(Item, bool), EngineError>;

/// An item, and the channel for its result.
type QueuedWrite = (PendingItem, oneshot::Sender<WriteResult>);

/// The queue of items to be written. Cheap to clone.
#[derive(Clone)]
pub(super) struct GroupCommit {
    catalog: Catalog,
    serving: Arc<Serving>,
    tasks: TaskRunner,
    queue: Arc<Mutex<Vec<QueuedWrite>>>,
}

impl std::fmt::Debug for GroupCommit {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("GroupCommit").finish_non_exhaustive()
    }
}

impl GroupCommit {
    pub(super) fn new(catalog: Catalog, serving: Arc<Serving>, tasks: TaskRunner) -> Self {
        Self { catalog, serving, tasks, queue: Arc::default() }
    }

    /// Writes items, in their order. They are on disk and searchable when this returns. They are also written if the
    /// caller is dropped.
    pub(super) async fn write(&self, items: Vec<PendingItem>) -> Vec<WriteResult> {
        let mut replies = Vec::with_capacity(items.len());
        self.queue.lock().extend(items.into_iter().map(|item| {
            let (reply, receiver) = oneshot::channel();
            replies.push(receiver);
            (item, reply)
        }));
        // Another caller's task may write these items; then this one finds an empty queue, or later items.
        let group_commit = self.clone();
        compute::spawn(async move { group_commit.write_queue().await });
        let mut results = Vec::with_capacity(replies.len());
        for reply in replies {
            results.push(reply.await.unwrap_or_else(|_| Err(EngineError::NotWritten("the write was lost".into()))));
        }
        results
    }

    async fn write_queue(&self) {
        let _writing = self.serving.lock_writes().await;
        let mut queue = VecDeque::from(std::mem::take(&mut *self.queue.lock()));
        while !queue.is_empty() {
            self.write_group(&mut queue).await;
        }
    }

    /// Writes the first items of the queue and replies to each.
    async fn write_group(&self, queue: &mut VecDeque<QueuedWrite>) {
        // A group has at most one item per id, so that each reply has the item as it was written.
        let mut ids = HashSet::new();
        let count = queue.iter().take(MAX_GROUP).take_while(|(one, _)| ids.insert(one.item.id.as_str())).count();
        let puts: Vec<_> = queue.iter().take(count).map(|(one, _)| (&one.item, &one.features, &one.put)).collect();
        let outcomes = match self.catalog.put_items(&puts).await {
            Ok(outcomes) => outcomes,
            Err(error) => return not_written(queue.drain(..count), &error),
        };
        let mut written = Vec::with_capacity(outcomes.len());
        for outcome in outcomes {
            let Some((one, sender)) = queue.pop_front() else { break };
            match outcome {
                PutOutcome::Created => written.push((one.item.id, sender, true)),
                PutOutcome::Replaced => written.push((one.item.id, sender, false)),
                PutOutcome::AlreadyExists => reply(sender, Err(EngineError::ItemExists(one.item.id))),
                PutOutcome::PreconditionFailed => reply(sender, Err(EngineError::ItemChanged(one.item.id))),
                // Compaction deleted the still unreferenced file. Rewrite it and retry; later items keep their order.
                PutOutcome::ImageFileMissing => match rewrite_image(&one).await {
                    Ok(()) => queue.push_front((one, sender)),
                    Err(error) => reply(sender, Err(error)),
                },
            }
        }
        if written.is_empty() {
            return;
        }
        let ids: Vec<&str> = written.iter().map(|(id, ..)| id.as_str()).collect();
        let items = match sync_live_index(&self.serving, &self.tasks).await {
            Ok(()) => self.catalog.items_by_id(&ids).await.map_err(EngineError::from),
            Err(error) => Err(error),
        };
        let mut items = items.inspect_err(|error| {
            tracing::error!(%error, items = written.len(), "items were written, but could not be made searchable");
        });
        for (id, sender, created) in written {
            let item = match &mut items {
                Ok(items) => items.remove(&id).ok_or_else(|| format!("item {id:?} was deleted at the same time")),
                Err(error) => Err(error.to_string()),
            };
            reply(sender, item.map(|item| (item, created)).map_err(EngineError::NotWritten));
        }
    }
}

/// Sends a result. Does nothing if the caller was dropped.
fn reply(sender: oneshot::Sender<WriteResult>, result: WriteResult) {
    let _ = sender.send(result);
}

fn not_written(group: impl ExactSizeIterator<Item = QueuedWrite>, error: &CatalogError) {
    tracing::error!(%error, items = group.len(), "items could not be written");
    group.for_each(|(_, sender)| reply(sender, Err(EngineError::NotWritten(error.to_string()))));
}

/// Writes an uploaded picture again to the path of its item.
async fn rewrite_image(one: &PendingItem) -> Result<(), EngineError> {
    let Some(path) = one.item.image.as_ref().map(|image| PathBuf::from(&image.path)) else { return Ok(()) };
    let bytes = one.image.clone().unwrap_or_default();
    blocking(move || write_atomic(&path, &bytes).map_err(save_failed(&path))).await?
}
