//! What serves queries and changes the collection?
//!
//! [`Engine`] is the running service of one collection. It is composed of services that own their state: [`Serving`]
//! holds the live [`ServingSnapshot`] (a model with the two indexes of everything in the collection) and replaces it,
//! [`QueryService`] answers queries from it, [`IngestService`] writes items, [`AdminTasks`] runs background tasks, and
//! [`ProjectionService`] projects the common space to two dimensions.

mod error;
mod ingest;
mod metrics;
mod projection;
mod query;
mod serving;
mod tasks;

use std::{
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use crate::{
    catalog::Item,
    collection::{Collection, CollectionError, Encoders, blocking},
    compute::{self, WorkerPool},
    config::Limits,
    dataset,
};
use query::QueryCache;
use tasks::TaskRunner;
use tasks::{OnDuplicate, TaskContext, TaskKind};

pub use error::EngineError;
pub use ingest::{BulkLine, IngestService, ItemChange, ItemDraft, LineResult};
pub use projection::{ProjectedPoint, Projection, ProjectionService};
pub use query::{
    Answer, Direction, ExcludedCounts, Hit, Kind, PredictedLabel, Query, QueryService, Target, Term, Timings,
};
pub(crate) use serving::VectorIndexStats;
pub use serving::{IndexMode, Serving, ServingSnapshot, tune_index};
pub use tasks::{AdminTasks, planned_steps};

pub use crate::training::{DEFAULT_MARGIN, PromotionPolicy, train_settings};

/// The running service of one collection.
#[derive(Debug)]
pub struct Engine {
    collection: Collection,
    limits: Limits,
    serving: Arc<Serving>,
    queries: QueryService,
    query_cache: Arc<QueryCache>,
    items: Arc<IngestService>,
    tasks: AdminTasks,
    runner: TaskRunner,
    projections: ProjectionService,
    /// Set when the service shuts down.
    closing: Arc<AtomicBool>,
}

impl Engine {
    /// Creates an engine without a live snapshot; [`Self::start`] loads one.
    ///
    /// # Errors
    /// If threads cannot be started.
    pub fn new(collection: Collection, encoders: Encoders, limits: Limits) -> Result<Self, EngineError> {
        let threads = |source| CollectionError::Io { what: "encoder threads could not be started".into(), source };
        let closing = Arc::new(AtomicBool::new(false));
        let query_cache = Arc::new(QueryCache::new(limits.query_cache_entries, limits.query_cache_size));
        let workers = Arc::new(WorkerPool::start("pictures", compute::cores(), limits.queue).map_err(threads)?);
        let runner = TaskRunner::new(collection.catalog.clone(), Arc::clone(&closing));
        let serving = Arc::new(Serving::new(
            collection.clone(),
            encoders.clone(),
            Arc::clone(&query_cache),
            Arc::clone(&closing),
        ));
        let queries = QueryService::start(
            &collection,
            &encoders,
            limits,
            Arc::clone(&serving),
            Arc::clone(&workers),
            Arc::clone(&query_cache),
        );
        let items = Arc::new(IngestService::new(
            collection.clone(),
            encoders.clone(),
            limits,
            Arc::clone(&serving),
            workers,
            runner.clone(),
        ));
        let context = TaskContext {
            collection: collection.clone(),
            encoders,
            serving: Arc::clone(&serving),
            closing: Arc::clone(&closing),
        };
        Ok(Self {
            queries: queries.map_err(threads)?,
            query_cache,
            tasks: AdminTasks::new(context, Arc::clone(&items), runner.clone()),
            runner,
            items,
            projections: ProjectionService::new(collection.catalog.clone(), Arc::clone(&serving)),
            serving,
            collection,
            limits,
            closing,
        })
    }

    /// Publishes the snapshot on disk or a scan, warms up, and starts a rebuild if one is due.
    ///
    /// # Errors
    /// Same as [`Serving::open`]; or if a query of the warm-up fails.
    pub async fn start(&self) -> Result<Arc<ServingSnapshot>, EngineError> {
        let opened = self.serving.open().await;
        if opened.is_ok() {
            serving::warm_up(&self.queries).await?;
        }
        // Without a model there is nothing to warm up; training the first one does it.
        self.serving.set_warm();
        let (snapshot, rebuild) = opened?;
        if rebuild {
            self.tasks.reindex().await?;
        }
        Ok(snapshot)
    }

    /// The collection.
    pub fn collection(&self) -> &Collection {
        &self.collection
    }

    /// Its limits.
    pub fn limits(&self) -> Limits {
        self.limits
    }

    /// The live snapshot.
    pub fn serving(&self) -> &Serving {
        &self.serving
    }

    /// Queries.
    pub fn queries(&self) -> &QueryService {
        &self.queries
    }

    /// Items.
    pub fn items(&self) -> &IngestService {
        &self.items
    }

    /// Background tasks.
    pub fn tasks(&self) -> &AdminTasks {
        &self.tasks
    }

    /// Projections of the common space.
    pub fn projections(&self) -> &ProjectionService {
        &self.projections
    }

    /// Begins the shutdown: cancels all tasks.
    pub fn close(&self) {
        self.closing.store(true, Ordering::Relaxed);
        self.runner.stop_all();
    }

    /// Exports gauges of queues, caches, tasks and the live indexes.
    pub fn export_metrics(&self) {
        self.queries.export_metrics();
        let (entries, bytes) = self.query_cache.size();
        metrics::export_query_cache(entries, bytes);
        metrics::export_tasks(self.tasks.running());
        if let Some(snapshot) = self.serving.live() {
            metrics::export_indexes(&snapshot);
        }
    }

    /// The thumbnail of an item's picture as JPEG, created if it is missing. `None` without a picture.
    ///
    /// # Errors
    /// If the picture can no longer be read.
    pub async fn thumbnail(&self, item: &Item) -> Result<Option<Vec<u8>>, EngineError> {
        let (collection, item) = (self.collection.clone(), item.clone());
        Ok(blocking(move || collection.thumbnail(&item)).await??)
    }

    /// The bytes of an item's picture file. `None` without a picture.
    ///
    /// # Errors
    /// If the picture can no longer be read.
    pub async fn picture(&self, item: &Item) -> Result<Option<Vec<u8>>, EngineError> {
        let Some(path) = item.image_path.clone() else { return Ok(None) };
        let limits = self.collection.limits;
        blocking(move || Ok(Some(dataset::read_file(Path::new(&path), &limits)?))).await?
    }
}
