//! Answers queries from the live generation, and swaps in the next one without a query noticing.

use std::{
    path::Path,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::Instant,
};

use arc_swap::ArcSwapOption;

use crate::{
    catalog::Item,
    collection::{Collection, CollectionError, Encoders, NoProgress, Progress, blocking},
    compute::{self, Worker},
    dataset,
    engine::{
        error::EngineError,
        ingest::group_commit::GroupCommit,
        projection::LastMap,
        query::{cursors::CursorStore, item_cache::ItemCache, text_encoder::BatchedTextEncoder},
        serving::snapshot::{Generation, IndexMode},
        tasks::runner::Tasks,
    },
};

/// How much a query may ask for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EngineLimits {
    /// Characters of a query's text.
    pub text_chars: usize,
    /// Results of a page, and inputs of a batch.
    pub results: usize,
    /// Terms of a query.
    pub terms: usize,
    /// BatchedTextEncoder that wait for their encoder, and pictures that wait for theirs.
    pub queue: usize,
    /// BatchedTextEncoder whose points are kept for whoever asks them again.
    pub kept_texts: usize,
    /// Bytes that may take, at most.
    pub kept_bytes: usize,
}

impl Default for EngineLimits {
    fn default() -> Self {
        Self { text_chars: 10_000, results: 100, terms: 16, queue: 64, kept_texts: 4096, kept_bytes: 32 << 20 }
    }
}

/// The engine of one collection.
#[derive(Debug)]
pub struct Engine {
    pub(in crate::engine) collection: Collection,
    pub(in crate::engine) encoders: Encoders,
    limits: EngineLimits,
    live: ArcSwapOption<Generation>,
    /// Words on their way to their point.
    pub(in crate::engine) texts: BatchedTextEncoder,
    /// Items as answers show them.
    pub(in crate::engine) shown: ItemCache,
    /// Pictures on theirs, and items that come.
    pub(in crate::engine) worker: Worker,
    /// StoredRanking by whoever changes the catalog or puts in a generation, so that what is live has come as far as what was
    /// acknowledged.
    pub(in crate::engine) changing: tokio::sync::Mutex<()>,
    /// Items that are encoded and wait to be written.
    pub(in crate::engine) commits: GroupCommit,
    /// When the last fold began by itself.
    pub(in crate::engine) last_fold: Mutex<Option<Instant>>,
    /// Long work.
    pub(in crate::engine) tasks: Tasks,
    /// StoredRanking while a generation is built: one after the other, so that the last one is of the model that answers.
    pub(in crate::engine) building: tokio::sync::Mutex<()>,
    /// Rankings that cursors point into.
    pub(in crate::engine) pages: CursorStore,
    /// The last sheet of the common space.
    pub(in crate::engine) map: LastMap,
    /// Set once [`Self::start`] has done what it can.
    pub(in crate::engine) warm: AtomicBool,
    /// Set once, when the service ends.
    pub(in crate::engine) closing: Arc<AtomicBool>,
}

impl Engine {
    /// An engine without a generation; [`Self::start`] gives it one.
    ///
    /// # Errors
    /// If the system refuses threads.
    pub fn new(collection: Collection, encoders: Encoders, limits: EngineLimits) -> Result<Self, EngineError> {
        let threads = |source| CollectionError::Io { what: "encoder threads could not be started".into(), source };
        let shown = ItemCache::new(collection.catalog.clone());
        let texts = BatchedTextEncoder::start(Arc::clone(&encoders.text), &limits).map_err(threads)?;
        let worker = Worker::start("pictures", compute::cores(), limits.queue).map_err(threads)?;
        Ok(Self {
            collection,
            encoders,
            limits,
            live: ArcSwapOption::empty(),
            texts,
            shown,
            worker,
            changing: tokio::sync::Mutex::new(()),
            commits: GroupCommit::default(),
            last_fold: Mutex::new(None),
            tasks: Tasks::default(),
            building: tokio::sync::Mutex::new(()),
            pages: CursorStore::default(),
            map: LastMap::default(),
            warm: AtomicBool::new(false),
            closing: Arc::new(AtomicBool::new(false)),
        })
    }

    /// Takes up the generation that is on disk. Where there is none, or one that cannot be used, scans answer from memory.
    /// Says whether a reindex is due.
    ///
    /// # Errors
    /// [`CollectionError::NoModel`], [`CollectionError::OtherEncoder`]; or if the catalog or the model's files fail.
    pub async fn open(&self) -> Result<(Arc<Generation>, bool), EngineError> {
        let reason = match Generation::open(&self.collection, &self.encoders).await {
            Ok(Some(generation)) => {
                let generation = self.put_in(generation).await?;
                let due = generation.needs_fold();
                return Ok((generation, due));
            }
            Ok(None) => None,
            Err(CollectionError::IndexOnDisk(reason)) => {
                tracing::warn!(reason, "the index on disk cannot be used; scans answer until it is built anew");
                Some(reason)
            }
            Err(error) => return Err(error.into()),
        };
        let stop = Arc::clone(&self.closing);
        let mut scanned =
            Generation::build(&self.collection, &self.encoders, IndexMode::InMemoryScan, Arc::new(NoProgress), stop)
                .await?;
        scanned.degraded = reason;
        Ok((self.put_in(scanned).await?, true))
    }

    /// As [`Self::open`], warms up, and then starts the reindex that is due.
    ///
    /// # Errors
    /// As [`Self::open`]; or if a query fails.
    pub async fn start(self: &Arc<Self>) -> Result<Arc<Generation>, EngineError> {
        let opened = self.open().await;
        if opened.is_ok() {
            self.warm_up().await?;
        }
        // Where there is no model yet, the training that makes one warms up what it leaves behind.
        self.warm.store(true, Ordering::Relaxed);
        let (generation, due) = opened?;
        if due {
            self.reindex().await?;
        }
        Ok(generation)
    }

    /// Builds a generation beside the live one, writes it to disk and swaps it in. Queries that run keep the one they began
    /// with.
    ///
    /// # Errors
    /// As [`Generation::build`]; then the live generation stays.
    pub async fn rebuild(
        &self,
        progress: Arc<dyn Progress>,
        stop: Arc<AtomicBool>,
    ) -> Result<Arc<Generation>, EngineError> {
        let _building = self.building.lock().await;
        let kind = IndexMode::Persisted(self.collection.index_parameters().await?);
        let built = Generation::build(&self.collection, &self.encoders, kind, progress, stop).await?;
        let before = self.live().map_or(built.built_at(), |live| live.built_at());
        let remembered = before.min(built.built_at());
        let built = self.put_in(built).await?;
        // The generation before can be gone back to, so what came after it is remembered.
        self.collection.catalog.truncate_change_log(remembered).await?;
        Ok(built)
    }

    /// Makes a generation the live one, once it has come as far as the catalog.
    async fn put_in(&self, generation: Generation) -> Result<Arc<Generation>, EngineError> {
        let _changing = self.changing.lock().await;
        if !generation.catch_up(&self.collection, &self.encoders).await? {
            let reason = "the catalog no longer remembers what changed while the index was built; reindex again";
            return Err(CollectionError::IndexOnDisk(reason.into()).into());
        }
        let generation = Arc::new(generation);
        self.live.store(Some(Arc::clone(&generation)));
        self.texts.keep_those_of(&generation.record.version);
        Ok(generation)
    }

    /// The generation that answers.
    pub fn live(&self) -> Option<Arc<Generation>> {
        self.live.load_full()
    }

    /// The collection.
    pub fn collection(&self) -> &Collection {
        &self.collection
    }

    /// How much a query may ask for.
    pub fn limits(&self) -> EngineLimits {
        self.limits
    }

    /// Asks all long work to stop; the service is about to end.
    pub fn close(&self) {
        self.closing.store(true, Ordering::Relaxed);
        self.tasks.stop_all();
    }

    /// The generation that answers, or why none does.
    ///
    /// # Errors
    /// [`CollectionError::NoModel`], [`EngineError::Starting`].
    pub async fn ready(&self) -> Result<Arc<Generation>, EngineError> {
        match self.live() {
            Some(generation) => Ok(generation),
            None if self.collection.catalog.active_model().await?.is_none() => Err(CollectionError::NoModel.into()),
            None => Err(EngineError::Starting),
        }
    }

    /// As [`Self::ready`], for whoever decides where queries go: only once the first is answered as quickly as the others, and no
    /// longer once the service is asked to end.
    ///
    /// # Errors
    /// As [`Self::ready`]; [`EngineError::ShuttingDown`].
    pub async fn accepts(&self) -> Result<Arc<Generation>, EngineError> {
        if self.closing.load(Ordering::Relaxed) {
            return Err(EngineError::ShuttingDown);
        }
        let generation = self.ready().await?;
        if self.warm.load(Ordering::Relaxed) { Ok(generation) } else { Err(EngineError::Starting) }
    }

    /// The thumbnail of an item's picture as JPEG bytes, made now if it is not there.
    ///
    /// # Errors
    /// If the picture can no longer be read.
    pub async fn thumbnail(&self, item: &Item) -> Result<Option<Vec<u8>>, EngineError> {
        let (collection, item) = (self.collection.clone(), item.clone());
        Ok(blocking(move || collection.thumbnail(&item)).await??)
    }

    /// The bytes of an item's picture, as its owner has them.
    ///
    /// # Errors
    /// If the picture can no longer be read.
    pub async fn picture(&self, item: &Item) -> Result<Option<Vec<u8>>, EngineError> {
        let Some(path) = item.image_path.clone() else { return Ok(None) };
        let limits = self.collection.limits;
        blocking(move || Ok(Some(dataset::read_file(Path::new(&path), &limits)?))).await?
    }
}
