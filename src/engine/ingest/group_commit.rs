//! Items that come at the same time are written together: in one transaction that reaches the disk once, and with one pass of their
//! features through the model. Whoever comes while others are being written waits for the next round and finds company there.

use std::{
    collections::{HashSet, VecDeque},
    path::PathBuf,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tokio::sync::oneshot;

use crate::{
    catalog::{CatalogError, Item, NewFeatures, NewItem, PutOutcome, WriteCondition},
    collection::blocking,
    compute,
    engine::{engine::Engine, error::EngineError, ingest::items::unkept},
    util::fs::write_atomic,
};

/// Items of a transaction, at most: others wait for the catalog meanwhile.
const AT_ONCE: usize = 64;

/// An item that is encoded, and only has to be written.
pub(in crate::engine) struct PendingItem {
    pub(in crate::engine) item: NewItem,
    pub(in crate::engine) features: NewFeatures,
    /// The bytes of its picture's file, if it was given them.
    pub(in crate::engine) image: Option<Vec<u8>>,
    /// What is to happen where its id is known already.
    pub(in crate::engine) put: WriteCondition,
}

/// The item as it was written, and whether its id was new; or why it was not kept.
type WriteResult = Result<(Item, bool), EngineError>;

/// An item, and who waits for what becomes of it.
type QueuedWrite = (PendingItem, oneshot::Sender<WriteResult>);

/// Items that wait for the next round.
#[derive(Default)]
pub(in crate::engine) struct GroupCommit(Mutex<Vec<QueuedWrite>>);

impl GroupCommit {
    fn lock(&self) -> MutexGuard<'_, Vec<QueuedWrite>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl std::fmt::Debug for GroupCommit {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("GroupCommit").finish_non_exhaustive()
    }
}

impl Engine {
    /// Writes items, in their order. They are on disk and searchable when this returns, and that also if whoever asked goes away.
    pub(in crate::engine) async fn commit(self: &Arc<Self>, items: Vec<PendingItem>) -> Vec<WriteResult> {
        let mut told = Vec::with_capacity(items.len());
        self.commits.lock().extend(items.into_iter().map(|item| {
            let (tell, hear) = oneshot::channel();
            told.push(hear);
            (item, tell)
        }));
        // Somebody else's round may write them; then this one finds nothing, or what came later, and nobody waits for it.
        let engine = Arc::clone(self);
        compute::spawn(async move {
            let _changing = engine.changing.lock().await;
            let mut waiting = VecDeque::from(std::mem::take(&mut *engine.commits.lock()));
            while !waiting.is_empty() {
                engine.write_group(&mut waiting).await;
            }
        });
        let mut written = Vec::with_capacity(told.len());
        for told in told {
            written.push(told.await.unwrap_or_else(|_| Err(EngineError::NotWritten("its round was lost".into()))));
        }
        written
    }

    /// Writes the first ones, and tells each what became of it.
    async fn write_group(self: &Arc<Self>, waiting: &mut VecDeque<QueuedWrite>) {
        // Of one id one at a time, so that each is told of the item as it wrote it.
        let mut ids = HashSet::new();
        let some = waiting.iter().take(AT_ONCE).take_while(|(one, _)| ids.insert(one.item.id.as_str())).count();
        let puts: Vec<_> = waiting.iter().take(some).map(|(one, _)| (&one.item, &one.features, &one.put)).collect();
        let kept = match self.collection.catalog.put_items(&puts).await {
            Ok(kept) => kept,
            Err(error) => return not_written(waiting.drain(..some), &error),
        };
        let mut done = Vec::with_capacity(kept.len());
        for kept in kept {
            let Some((one, tell)) = waiting.pop_front() else { break };
            match kept {
                PutOutcome::Created => done.push((one.item.id, tell, true)),
                PutOutcome::Replaced => done.push((one.item.id, tell, false)),
                PutOutcome::AlreadyExists => reply(tell, Err(EngineError::ItemExists(one.item.id))),
                PutOutcome::PreconditionFailed => reply(tell, Err(EngineError::ItemChanged(one.item.id))),
                // A compaction took it for nobody's, which it was until now. Those behind it come after it.
                PutOutcome::ImageFileMissing => match rewrite_image(&one).await {
                    Ok(()) => waiting.push_front((one, tell)),
                    Err(error) => reply(tell, Err(error)),
                },
            }
        }
        if done.is_empty() {
            return;
        }
        let ids: Vec<&str> = done.iter().map(|(id, ..)| id.as_str()).collect();
        let items = match self.take_over().await {
            Ok(()) => self.collection.catalog.items_by_id(&ids).await.map_err(EngineError::from),
            Err(error) => Err(error),
        };
        let mut items = items.inspect_err(|error| {
            tracing::error!(%error, items = done.len(), "items are in the catalog, but could not be made searchable");
        });
        for (id, tell, created) in done {
            let item = match &mut items {
                Ok(items) => items.remove(&id).ok_or_else(|| format!("item {id:?} went as it came")),
                Err(error) => Err(error.to_string()),
            };
            reply(tell, item.map(|item| (item, created)).map_err(EngineError::NotWritten));
        }
    }
}

/// Whoever has gone in the meantime is told in vain.
fn reply(tell: oneshot::Sender<WriteResult>, answer: WriteResult) {
    let _ = tell.send(answer);
}

fn not_written(waiting: impl ExactSizeIterator<Item = QueuedWrite>, error: &CatalogError) {
    tracing::error!(%error, items = waiting.len(), "items could not be written");
    waiting.for_each(|(_, tell)| reply(tell, Err(EngineError::NotWritten(error.to_string()))));
}

/// Writes a posted picture once more to where its item says that it lies.
async fn rewrite_image(one: &PendingItem) -> Result<(), EngineError> {
    let Some(path) = one.item.image.as_ref().map(|image| PathBuf::from(&image.path)) else { return Ok(()) };
    let bytes = one.image.clone().unwrap_or_default();
    blocking(move || write_atomic(&path, &bytes).map_err(unkept(&path))).await?
}
