//! Creating, changing, deleting and listing items.

use std::sync::Arc;

use super::{
    encode::{Encoding, PendingItem, encode_draft},
    group_commit::{GroupCommit, WriteResult},
};
use crate::{
    catalog::{DeleteOutcome, Filter, Item, WriteCondition, etag, etag_matches},
    collection::{Collection, Encoders},
    compute::{self, WorkerPool},
    config::Limits,
    engine::{EngineError, ItemChange, ItemDraft, Serving, TaskRunner, query::check_filter, serving::sync_live_index},
};

/// Maximum number of attempts of a change whose item is changed concurrently.
const TRIES: usize = 10;

/// Writes the items of a running collection.
#[derive(Debug)]
pub struct IngestService {
    collection: Collection,
    encoders: Encoders,
    limits: Limits,
    serving: Arc<Serving>,
    workers: Arc<WorkerPool>,
    tasks: TaskRunner,
    group_commit: GroupCommit,
}

impl IngestService {
    pub(in crate::engine) fn new(
        collection: Collection,
        encoders: Encoders,
        limits: Limits,
        serving: Arc<Serving>,
        workers: Arc<WorkerPool>,
        tasks: TaskRunner,
    ) -> Self {
        let group_commit = GroupCommit::new(collection.catalog.clone(), Arc::clone(&serving), tasks.clone());
        Self { collection, encoders, limits, serving, workers, tasks, group_commit }
    }

    /// Writes an item: it is on disk and searchable when this returns. `put` decides what happens if its id exists.
    /// Returns the item and whether its id is new.
    ///
    /// # Errors
    /// [`EngineError::BadItem`] for a draft beyond the limits, [`EngineError::ItemExists`],
    /// [`EngineError::ItemChanged`], [`EngineError::Overloaded`]; or if the picture cannot be decoded or a part fails.
    /// In these cases nothing is changed.
    pub async fn put(&self, draft: ItemDraft, put: WriteCondition) -> Result<(Item, bool), EngineError> {
        self.put_over(draft, None, put).await
    }

    /// `before` is the item that is changed, if there is one.
    async fn put_over(
        &self,
        draft: ItemDraft,
        before: Option<Item>,
        put: WriteCondition,
    ) -> Result<(Item, bool), EngineError> {
        let item = self.encode(draft, before, put).await?;
        let written = self.write(vec![item]).await.pop();
        written.unwrap_or_else(|| Err(EngineError::NotWritten("the write was lost".into())))
    }

    /// Checks a draft, stores its picture, and encodes it on a worker thread.
    pub(super) async fn encode(
        &self,
        draft: ItemDraft,
        before: Option<Item>,
        put: WriteCondition,
    ) -> Result<PendingItem, EngineError> {
        let limits = self.collection.limits;
        let draft = draft.check(before.as_ref(), self.limits.max_text_chars, &limits)?;
        let (encoders, data_dir) = (self.encoders.clone(), self.collection.data_dir.clone());
        let encode = move || {
            let encoding = Encoding {
                image_encoder: encoders.image.as_ref(),
                text_encoder: encoders.text.as_ref(),
                data_dir: &data_dir,
                limits: &limits,
            };
            encode_draft(draft, before.as_ref(), put, encoding)
        };
        self.workers.run(None, encode).await?.output
    }

    pub(super) async fn write(&self, items: Vec<PendingItem>) -> Vec<WriteResult> {
        self.group_commit.write(items).await
    }

    /// The number of pictures that may wait for their encoder.
    pub(super) fn queue_limit(&self) -> usize {
        self.limits.queue
    }

    /// Changes an item. With tags, only if the item matches one of them.
    ///
    /// # Errors
    /// [`EngineError::NoSuchItem`]; else as [`Self::put`].
    pub async fn patch(&self, id: &str, change: ItemChange, tags: Option<Vec<String>>) -> Result<Item, EngineError> {
        for _ in 0..TRIES {
            match self.patch_once(id, change.clone(), tags.as_deref()).await {
                // Changed concurrently by another request. Without tags, the change applies to the item as it is
                // now.
                Err(EngineError::ItemChanged(_)) if tags.is_none() => {}
                ended => return ended,
            }
        }
        Err(EngineError::Overloaded)
    }

    async fn patch_once(&self, id: &str, change: ItemChange, tags: Option<&[String]>) -> Result<Item, EngineError> {
        let item = self.collection.catalog.item(id).await?;
        let item = item.ok_or_else(|| EngineError::NoSuchItem(id.to_owned()))?;
        if tags.is_some_and(|tags| !etag_matches(tags, Some(&item.record_hash))) {
            return Err(EngineError::ItemChanged(id.to_owned()));
        }
        // The write fails if the item has changed since it was read.
        let put = WriteCondition::IfMatch(vec![etag(&item.record_hash)]);
        let draft = change.apply_to(&item);
        Ok(self.put_over(draft, Some(item), put).await?.0)
    }

    /// Deletes an item: no later query finds it. `false` if no item has this id. With tags, only if it
    /// matches one of them.
    ///
    /// # Errors
    /// [`EngineError::ItemChanged`]; or if the catalog or the index fails.
    pub async fn delete(&self, id: &str, tags: Option<&[String]>) -> Result<bool, EngineError> {
        let (id, tags) = (id.to_owned(), tags.map(<[String]>::to_vec));
        let (catalog, serving, tasks) = self.parts();
        uncancellable(async move {
            let _writing = serving.lock_writes().await;
            match catalog.delete_item(&id, tags.as_deref()).await? {
                DeleteOutcome::Deleted => {
                    sync_live_index(&serving, &tasks).await?;
                    Ok(true)
                }
                DeleteOutcome::NotFound => Ok(false),
                DeleteOutcome::PreconditionFailed => Err(EngineError::ItemChanged(id)),
            }
        })
        .await
    }

    /// Deletes all items that match a filter; with `dry_run`, only counts them.
    ///
    /// # Errors
    /// [`EngineError::BadFilter`] for a field that no item has; or if the catalog or the index fails.
    pub async fn delete_matching(&self, filter: &Filter, dry_run: bool) -> Result<u64, EngineError> {
        check_filter(&self.collection.catalog, filter).await?;
        let filter = filter.clone();
        let (catalog, serving, tasks) = self.parts();
        uncancellable(async move {
            let _writing = serving.lock_writes().await;
            let keys = catalog.item_keys_matching(&filter, 0, u32::MAX).await?;
            if dry_run || keys.is_empty() {
                return Ok(keys.len() as u64);
            }
            let deleted = catalog.delete_items(&keys).await?;
            sync_live_index(&serving, &tasks).await?;
            Ok(deleted)
        })
        .await
    }

    /// Items that match a filter, oldest first, after the key `after`; and the key to continue after.
    ///
    /// # Errors
    /// [`EngineError::BadFilter`] for a field that no item has; or if the catalog fails.
    pub async fn list(
        &self,
        filter: &Filter,
        after: i64,
        limit: usize,
    ) -> Result<(Vec<Item>, Option<i64>), EngineError> {
        let catalog = &self.collection.catalog;
        check_filter(catalog, filter).await?;
        let keys = catalog.item_keys_matching(filter, after, u32::try_from(limit).unwrap_or(u32::MAX)).await?;
        let mut items = catalog.items_by_key(&keys).await?;
        let next = keys.last().copied().filter(|_| keys.len() == limit);
        Ok((keys.iter().filter_map(|key| items.remove(key)).collect(), next))
    }

    fn parts(&self) -> (crate::catalog::Catalog, Arc<Serving>, TaskRunner) {
        (self.collection.catalog.clone(), Arc::clone(&self.serving), self.tasks.clone())
    }
}

/// Runs work to completion even if the caller is dropped, so that index and catalog stay in sync.
async fn uncancellable<T: Send + 'static>(
    work: impl Future<Output = Result<T, EngineError>> + Send + 'static,
) -> Result<T, EngineError> {
    compute::spawn(work).await.map_err(|e| EngineError::internal(e.to_string()))?
}
