//! Cache of items with all fields of a result, valid until the catalog changes: see [`Catalog::version`].

use std::{collections::HashMap, sync::Arc};

use parking_lot::{Mutex, MutexGuard};

use crate::{
    catalog::{Catalog, Item, Watermark},
    engine::error::EngineError,
    util::lru::WeightedLru,
};

/// The maximum number of cached items.
const ITEMS: usize = 20_000;

/// Their approximate maximum size in bytes.
const BYTES: usize = 32 << 20;

/// Approximate size of an item in addition to its texts.
const ITEM: usize = 600;

/// The most recently used items of one catalog.
#[derive(Debug)]
pub(super) struct ItemCache {
    catalog: Catalog,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    /// Version of the catalog at or after which every entry was read.
    version: u64,
    latest: Option<Watermark>,
    items: WeightedLru<i64, Arc<Item>>,
}

impl ItemCache {
    pub(super) fn new(catalog: Catalog) -> Self {
        let state = State { version: 0, latest: None, items: WeightedLru::new(ITEMS, BYTES) };
        Self { catalog, state: Mutex::new(state) }
    }

    pub(super) fn catalog(&self) -> &Catalog {
        &self.catalog
    }

    /// The items with these keys that exist, by key.
    pub(super) async fn items(&self, keys: &[i64]) -> Result<HashMap<i64, Arc<Item>>, EngineError> {
        let version = self.catalog.version().await?;
        let mut found = HashMap::with_capacity(keys.len());
        if let Some(version) = version {
            let mut state = self.at(version);
            found.extend(keys.iter().filter_map(|key| Some((*key, Arc::clone(state.items.get(key)?)))));
        }
        let missing: Vec<i64> = keys.iter().copied().filter(|key| !found.contains_key(key)).collect();
        if missing.is_empty() {
            return Ok(found);
        }
        let read = self.catalog.items_by_key(&missing).await?.into_iter().map(|(key, item)| (key, Arc::new(item)));
        let read: HashMap<i64, Arc<Item>> = read.collect();
        if let Some(version) = version {
            let mut state = self.at(version);
            if state.version == version {
                read.iter().for_each(|(key, item)| state.items.insert(*key, Arc::clone(item), bytes(item)));
            }
        }
        found.extend(read);
        Ok(found)
    }

    /// The watermark of the latest change of the catalog.
    pub(super) async fn latest_watermark(&self) -> Result<Watermark, EngineError> {
        let version = self.catalog.version().await?;
        if let Some(latest) = version.and_then(|version| self.at(version).latest) {
            return Ok(latest);
        }
        let latest = self.catalog.latest_watermark().await?;
        if let Some(version) = version {
            let mut state = self.at(version);
            if state.version == version {
                state.latest = Some(latest);
            }
        }
        Ok(latest)
    }

    /// The cache, which is cleared if its version is older than `version`.
    fn at(&self, version: u64) -> MutexGuard<'_, State> {
        let mut state = self.state.lock();
        if state.version < version {
            state.version = version;
            state.latest = None;
            state.items.clear();
        }
        state
    }
}

/// Approximate size of an item in bytes.
fn bytes(item: &Item) -> usize {
    let texts = item.captions.iter().map(|caption| caption.text.len() + 64);
    let labels = item.labels.iter().map(|label| label.len() + 24);
    let paths = item.id.len() + item.source.len() + item.image_path.as_ref().map_or(0, String::len);
    let meta =
        if item.meta.is_empty() { 0 } else { 4 * serde_json::to_string(&item.meta).map_or(0, |json| json.len()) };
    ITEM + texts.sum::<usize>() + labels.sum::<usize>() + paths + meta
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::{NewItem, WriteCondition};

    fn told(id: &str, label: &str) -> NewItem {
        NewItem::captioned(id, "a barn", label)
    }

    /// A reader sees every acknowledged write, while other readers fill the cache.
    #[tokio::test(flavor = "multi_thread")]
    async fn item_cache_never_serves_stale_items() {
        let folder = tempfile::tempdir().expect("a folder");
        let catalog = Catalog::open(folder.path()).await.expect("a catalog");
        catalog.import_batch(&[told("a", "first"), told("b", "first")], &[]).await.expect("taken");
        let shown = Arc::new(ItemCache::new(catalog.clone()));
        let stop = Arc::new(std::sync::atomic::AtomicBool::new(false));
        let others: Vec<_> = (0..4)
            .map(|_| {
                let (shown, stop) = (Arc::clone(&shown), Arc::clone(&stop));
                tokio::spawn(async move {
                    while !stop.load(std::sync::atomic::Ordering::Relaxed) {
                        assert_eq!(shown.items(&[1, 2]).await.expect("read").len(), 2);
                        tokio::task::yield_now().await;
                    }
                })
            })
            .collect();
        for round in 0..200 {
            let label = format!("round {round}");
            catalog.put_item(&told("a", &label), &Default::default(), &WriteCondition::Always).await.expect("written");
            let latest = shown.latest_watermark().await.expect("read");
            assert_eq!(latest, catalog.latest_watermark().await.expect("read"));
            assert_eq!(shown.items(&[1, 2, 3]).await.expect("read")[&1].labels, [label]);
        }
        stop.store(true, std::sync::atomic::Ordering::Relaxed);
        for other in others {
            other.await.expect("it ends");
        }
        let (once, again) = (shown.items(&[1, 2]).await.expect("read"), shown.items(&[1, 2]).await.expect("read"));
        assert!(Arc::ptr_eq(&once[&2], &again[&2]), "it stays cached between writes");
        catalog.delete_items(&[2]).await.expect("gone");
        assert_eq!(shown.items(&[1, 2]).await.expect("read").len(), 1);
        catalog.close().await;
    }
}
