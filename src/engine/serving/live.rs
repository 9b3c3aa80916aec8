//! The live snapshot, and its replacement without interrupting queries.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use arc_swap::ArcSwapOption;
use parking_lot::Mutex;

use crate::{
    collection::{Collection, CollectionError, Encoders, Job},
    engine::{EngineError, IndexMode, QueryCache, ServingSnapshot},
};

/// The minimum time between two automatic rebuilds.
const BETWEEN_REBUILDS: Duration = Duration::from_secs(60);

/// The live snapshot of a collection and everything that changes it.
#[derive(Debug)]
pub struct Serving {
    collection: Collection,
    encoders: Encoders,
    live: ArcSwapOption<ServingSnapshot>,
    query_cache: Arc<QueryCache>,
    /// Held by callers that change the catalog or publish a snapshot, so that the live snapshot has applied every
    /// acknowledged change.
    writing: tokio::sync::Mutex<()>,
    /// Held while a snapshot is built, so that builds are sequential and the last one has the active model.
    building: tokio::sync::Mutex<()>,
    last_rebuild: Mutex<Option<Instant>>,
    warm: AtomicBool,
    closing: Arc<AtomicBool>,
}

impl Serving {
    /// Without a live snapshot; [`Self::open`] loads one.
    pub(in crate::engine) fn new(
        collection: Collection,
        encoders: Encoders,
        query_cache: Arc<QueryCache>,
        closing: Arc<AtomicBool>,
    ) -> Self {
        Self {
            collection,
            encoders,
            live: ArcSwapOption::empty(),
            query_cache,
            writing: tokio::sync::Mutex::new(()),
            building: tokio::sync::Mutex::new(()),
            last_rebuild: Mutex::new(None),
            warm: AtomicBool::new(false),
            closing,
        }
    }

    /// Publishes the snapshot on disk. If there is none, or it cannot be used, queries scan the vectors in memory.
    /// Returns whether a rebuild is due.
    ///
    /// # Errors
    /// [`CollectionError::NoModel`], [`CollectionError::OtherEncoder`]; or if the catalog or the model's files fail.
    pub async fn open(&self) -> Result<(Arc<ServingSnapshot>, bool), EngineError> {
        let degraded_reason = match ServingSnapshot::open(&self.collection, &self.encoders).await {
            Ok(Some(snapshot)) => {
                let snapshot = self.publish(snapshot).await?;
                let due = snapshot.indexes.needs_rebuild();
                return Ok((snapshot, due));
            }
            Ok(None) => None,
            Err(CollectionError::IndexOnDisk(reason)) => {
                tracing::warn!(reason, "the index on disk cannot be used; queries use scans until it is rebuilt");
                Some(reason)
            }
            Err(error) => return Err(error.into()),
        };
        let (mode, job) = (IndexMode::InMemoryScan, Job { stop: Arc::clone(&self.closing), ..Job::default() });
        let mut scanned = ServingSnapshot::build(&self.collection, &self.encoders, mode, &job).await?;
        scanned.degraded_reason = degraded_reason;
        Ok((self.publish(scanned).await?, true))
    }

    /// Like [`Self::open`], after another model was activated: a snapshot that is being built may be of the model
    /// before and must not be published after this one.
    ///
    /// # Errors
    /// Same as [`Self::open`].
    pub(in crate::engine) async fn reopen(&self) -> Result<(Arc<ServingSnapshot>, bool), EngineError> {
        let _building = self.building.lock().await;
        self.open().await
    }

    /// Builds a snapshot alongside the live one, writes its index to disk and publishes it. Running queries keep the
    /// one that they began with.
    ///
    /// # Errors
    /// Same as [`ServingSnapshot::build`]; then the live snapshot stays.
    pub(in crate::engine) async fn rebuild(&self, job: &Job) -> Result<Arc<ServingSnapshot>, EngineError> {
        let _building = self.building.lock().await;
        let mode = IndexMode::Persisted(self.collection.index_parameters().await?);
        let built = ServingSnapshot::build(&self.collection, &self.encoders, mode, job).await?;
        let previous = self.live().map_or(built.base_watermark(), |live| live.base_watermark());
        // A rollback returns to the previous generation, which needs the changes since.
        let remembered = previous.min(built.base_watermark());
        let built = self.publish(built).await?;
        self.collection.catalog.truncate_change_log(remembered).await?;
        Ok(built)
    }

    /// Makes a snapshot the live one once it has caught up with the catalog.
    async fn publish(&self, snapshot: ServingSnapshot) -> Result<Arc<ServingSnapshot>, EngineError> {
        let _writing = self.writing.lock().await;
        if !snapshot.catch_up(&self.collection, &self.encoders).await? {
            let reason = "the change log does not reach back to the start of the index build; reindex again";
            return Err(CollectionError::IndexOnDisk(reason.into()).into());
        }
        let snapshot = Arc::new(snapshot);
        self.live.store(Some(Arc::clone(&snapshot)));
        self.query_cache.switch_model(&snapshot.record.version);
        Ok(snapshot)
    }

    /// Locks the catalog for a change. Callers update the live snapshot before they release the lock.
    pub(in crate::engine) async fn lock_writes(&self) -> tokio::sync::MutexGuard<'_, ()> {
        self.writing.lock().await
    }

    /// Applies the catalog's changes to the live snapshot. Returns whether a rebuild should start now.
    pub(in crate::engine) async fn catch_up(&self) -> Result<bool, EngineError> {
        let Some(live) = self.live() else { return Ok(false) };
        let caught_up = live.catch_up(&self.collection, &self.encoders).await?;
        Ok((live.indexes.needs_rebuild() || !caught_up) && self.may_rebuild())
    }

    fn may_rebuild(&self) -> bool {
        let mut last = self.last_rebuild.lock();
        let may = last.is_none_or(|at| at.elapsed() >= BETWEEN_REBUILDS);
        if may {
            *last = Some(Instant::now());
        }
        may
    }

    /// The live snapshot.
    pub fn live(&self) -> Option<Arc<ServingSnapshot>> {
        self.live.load_full()
    }

    /// The live snapshot, or the reason why there is none.
    ///
    /// # Errors
    /// [`CollectionError::NoModel`], [`EngineError::Starting`].
    pub async fn ready(&self) -> Result<Arc<ServingSnapshot>, EngineError> {
        match self.live() {
            Some(snapshot) => Ok(snapshot),
            None if self.collection.catalog.active_model().await?.is_none() => Err(CollectionError::NoModel.into()),
            None => Err(EngineError::Starting),
        }
    }

    /// Like [`Self::ready`], for load balancers: only after the warm-up and until shutdown begins.
    ///
    /// # Errors
    /// Same as [`Self::ready`]; [`EngineError::ShuttingDown`].
    pub async fn ready_for_traffic(&self) -> Result<Arc<ServingSnapshot>, EngineError> {
        if self.is_closing() {
            return Err(EngineError::ShuttingDown);
        }
        let snapshot = self.ready().await?;
        if self.warm.load(Ordering::Relaxed) { Ok(snapshot) } else { Err(EngineError::Starting) }
    }

    pub(in crate::engine) fn set_warm(&self) {
        self.warm.store(true, Ordering::Relaxed);
    }

    pub(in crate::engine) fn is_closing(&self) -> bool {
        self.closing.load(Ordering::Relaxed)
    }
}
