//! Who answers a query, and who changes the collection?
//!
//! The collection grows by [`import()`], gets features by [`encode_missing`] and a common space by [`train()`]. A
//! [`Generation`] is one trained model with the two indexes of everything that the collection holds, immutable; the
//! [`Engine`] answers queries from the live one and builds the next beside it.

mod ask;
mod backup;
mod batch;
mod bounded;
mod commit;
mod compact;
mod encode;
mod engine;
mod everyday;
mod folder;
mod gate;
mod generation;
mod given;
mod import;
mod ingest;
mod jobs;
mod kept;
mod map;
mod metrics;
mod packing;
mod pages;
mod probe;
mod progress;
mod query;
mod rank;
mod reindex;
mod report;
mod restore;
mod selftest;
mod settings;
mod shown;
mod tasks;
mod texts;
mod train;
mod tune;
mod versions;
mod warm;
mod workplace;

use std::{path::Path, sync::Arc};

use crate::{
    archive::ArchiveError,
    catalog::{Catalog, CatalogError, Item},
    compute::Refused,
    core::Picture,
    dataset::{self, DatasetError, PictureError, PictureLimits},
    dscmr::DscmrError,
    encoders::{EncoderError, ImageEncoder, TextEncoder},
    index::IndexError,
    util::fs::write_atomic_unsynced,
};

pub use crate::dataset::json_kind;
pub use ask::Term;
pub use backup::{BackupSummary, BackupTo, backup, tidy_backups};
pub use batch::{BatchLine, TakenLine};
pub use compact::{CompactSummary, Removed, compact};
pub use encode::{EncodeSummary, encode_missing};
pub use engine::{Engine, EngineLimits};
pub use everyday::{Everyday, EverydayQuery, PictureRow, WordRow, precision_at_10};
pub use folder::DataFolder;
pub use gate::{DEFAULT_MARGIN, Gate, Verdict};
pub use generation::{Generation, IndexKind, index_parameters};
pub use given::{TrainedOnFeatures, load_features, train_on_features};
pub use import::{ImportSummary, Records, import};
pub use ingest::{ItemChange, ItemDraft};
pub use map::{Placed, SpaceMap};
pub use progress::{Progress, Silent};
pub use query::{Answer, Direction, Found, Kind, LeftOut, PredictedLabel, Query, Target, Timings};
pub use report::{ReportPage, keep_report, report_page, report_page_of_features};
pub use restore::{RestoreSummary, restore};
pub use settings::train_settings;
pub use train::{Material, Trained, ablate, load_material, train};
pub use tune::tune_index;
pub use versions::{activate, roll_back};

/// Longer side of the thumbnails that an import makes, in pixels.
pub const THUMBNAIL_SIDE: u32 = 320;

/// Why something could not be searched or changed.
#[derive(Debug, thiserror::Error)]
pub enum SearchError {
    /// No model was trained on this collection.
    #[error("nothing is trained yet; run `diptych train` first")]
    NoModel,
    /// The model that answers was trained on features of other encoders.
    #[error(
        "model {version} was trained with the {kind} encoder {trained}, but {given} is set; train again, or set the \
         encoder it was trained with"
    )]
    OtherEncoder {
        /// The model.
        version: String,
        /// `picture` or `text`.
        kind: &'static str,
        /// The encoder it learned from.
        trained: String,
        /// The encoder at hand.
        given: String,
    },
    /// There is no model of this name.
    #[error("there is no model {0:?}; `diptych models list` names those that there are")]
    NoSuchModel(String),
    /// There is nothing to go back to.
    #[error("no other model answered before {0}; `diptych models activate` makes any of them answer")]
    NoModelBefore(String),
    /// The index is still being built.
    #[error("the service is starting; its index is not built yet, or not warm")]
    Starting,
    /// The service was asked to end.
    #[error("the service is about to end")]
    Closing,
    /// More queries than the machine can encode.
    #[error("more queries are waiting than this machine can encode")]
    Overloaded,
    /// The query's time is over, or will be before its turn comes.
    #[error("the query could not be answered within its time")]
    TimedOut,
    /// A query that cannot be answered.
    #[error("{field}: {reason}")]
    BadQuery {
        /// The field of the query.
        field: String,
        /// What was wrong, what was found, what is allowed.
        reason: String,
    },
    /// A cursor whose ranking is no longer kept.
    #[error("the cursor is older than ten minutes, or the service was started since; ask again without it")]
    CursorExpired,
    /// There is no item of this id.
    #[error("there is no item with the id {0:?}")]
    NoSuchItem(String),
    /// An item that cannot be taken.
    #[error("{field}: {reason}")]
    BadItem {
        /// Where in the item.
        field: String,
        /// What was wrong, what was found, what is allowed.
        reason: String,
    },
    /// An item of this id is there already.
    #[error("there is an item {0:?} already; PUT replaces it")]
    ItemExists(String),
    /// Settings that no training can use.
    #[error("{0}")]
    Settings(String),
    /// An item is no longer what somebody took it for.
    #[error("item {0:?} is not, or no longer, as the tag in If-Match says; GET it again")]
    ItemChanged(String),
    /// A task of this kind is at work.
    #[error("task {id} ({kind}) is at work; one of its kind runs at a time")]
    TaskAtWork {
        /// The kind.
        kind: &'static str,
        /// Its number.
        id: i64,
    },
    /// There is not enough to learn from.
    #[error("{0}")]
    NotEnough(String),
    /// A model, a backup or a collection cannot be put where it should go.
    #[error("{0}")]
    BadOutput(String),
    /// A backup cannot be written or read.
    #[error(transparent)]
    Archive(ArchiveError),
    /// Given features cannot be read.
    #[error(transparent)]
    Features(#[from] DatasetError),
    /// Somebody asked the work to stop.
    #[error("the work was stopped")]
    Stopped,
    /// Another process is training on this data folder.
    #[error("another training is running on this data folder")]
    TrainingElsewhere,
    /// A posted picture cannot be read.
    #[error(transparent)]
    Picture(#[from] PictureError),
    /// An encoder is missing or failed.
    #[error(transparent)]
    Encoder(Box<EncoderError>),
    /// Learning or the common space failed.
    #[error(transparent)]
    Space(DscmrError),
    /// The index on disk cannot be used or written.
    #[error("{0}")]
    IndexOnDisk(String),
    /// The index failed.
    #[error(transparent)]
    Index(IndexError),
    /// The catalog failed.
    #[error(transparent)]
    Catalog(#[from] CatalogError),
    /// The file system refused.
    #[error("{what}: {source}")]
    Io {
        /// What was being done, with the path.
        what: String,
        /// What the system said.
        source: std::io::Error,
    },
    /// Items that were encoded could not be written, or not be made searchable.
    #[error("items could not be written: {0}")]
    NotWritten(String),
    /// A background thread ended without an answer.
    #[error("a background job ended without an answer: {0}")]
    Background(String),
}

impl From<EncoderError> for SearchError {
    fn from(error: EncoderError) -> Self {
        Self::Encoder(Box::new(error))
    }
}

impl From<Refused> for SearchError {
    fn from(refused: Refused) -> Self {
        match refused {
            Refused::Full => Self::Overloaded,
            Refused::Late => Self::TimedOut,
            Refused::Failed => Self::Background(refused.to_string()),
        }
    }
}

/// A stop is a stop, whoever noticed it.
impl From<DscmrError> for SearchError {
    fn from(error: DscmrError) -> Self {
        match error {
            DscmrError::Stopped => Self::Stopped,
            DscmrError::Settings(_) => Self::Settings(error.to_string()),
            other => Self::Space(other),
        }
    }
}

impl From<ArchiveError> for SearchError {
    fn from(error: ArchiveError) -> Self {
        if matches!(error, ArchiveError::Stopped) { Self::Stopped } else { Self::Archive(error) }
    }
}

impl From<IndexError> for SearchError {
    fn from(error: IndexError) -> Self {
        if error == IndexError::Stopped { Self::Stopped } else { Self::Index(error) }
    }
}

impl SearchError {
    fn io(what: &str, path: &Path) -> impl FnOnce(std::io::Error) -> Self + use<> {
        let what = format!("{what} {}", path.display());
        move |source| Self::Io { what, source }
    }
}

/// An opened collection: its folder and its catalog. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Library {
    /// Where things lie.
    pub folder: DataFolder,
    /// What is known.
    pub catalog: Catalog,
    /// How large pictures may be.
    pub limits: PictureLimits,
}

impl Library {
    /// Opens the collection in `root`, an empty one if nothing is there.
    ///
    /// # Errors
    /// If a folder cannot be made or the catalog cannot be opened.
    pub async fn open(root: &Path, limits: PictureLimits) -> Result<Self, SearchError> {
        let folder = DataFolder::create(root).map_err(SearchError::io("the data folder could not be made:", root))?;
        let catalog = Catalog::open(folder.root()).await?;
        Ok(Self { folder, catalog, limits })
    }

    /// The thumbnail of an item's picture as JPEG bytes, made now if it is not there. `None` without a picture.
    ///
    /// # Errors
    /// If the picture can no longer be read.
    fn thumbnail(&self, item: &Item) -> Result<Option<Vec<u8>>, SearchError> {
        let (Some(hash), Some(path)) = (&item.content_hash, &item.image_path) else { return Ok(None) };
        let kept = self.folder.thumbnail(hash, THUMBNAIL_SIDE);
        if let Ok(bytes) = std::fs::read(&kept) {
            return Ok(Some(bytes));
        }
        let bytes = dataset::read_file(Path::new(path), &self.limits)?;
        let jpeg = dataset::thumbnail(&dataset::decode(&bytes, &self.limits)?.picture, THUMBNAIL_SIDE);
        // A thumbnail that cannot be kept is made again next time.
        if let Err(error) = write_atomic_unsynced(&kept, &jpeg) {
            tracing::warn!(%error, path = %kept.display(), "a thumbnail could not be kept");
        }
        Ok(Some(jpeg))
    }
}

/// The two encoders of a collection. Cheap to clone.
#[derive(Clone)]
pub struct Encoders {
    /// For pictures.
    pub image: Arc<dyn ImageEncoder>,
    /// For sentences.
    pub text: Arc<dyn TextEncoder>,
}

impl std::fmt::Debug for Encoders {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Encoders").field("image", &self.image.id()).field("text", &self.text.id()).finish()
    }
}

/// Runs work that blocks or keeps a core busy off the async threads.
async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, SearchError> {
    let span = tracing::Span::current();
    tokio::task::spawn_blocking(move || span.in_scope(work)).await.map_err(|e| SearchError::Background(e.to_string()))
}

/// Features of one picture.
fn encode_one(encoder: &dyn ImageEncoder, picture: Picture) -> Result<Vec<f32>, SearchError> {
    one(encoder.encode(std::slice::from_ref(&picture))?)
}

/// The only row of an encoder's answer to one input.
fn one(mut rows: Vec<Vec<f32>>) -> Result<Vec<f32>, SearchError> {
    rows.pop().ok_or_else(|| SearchError::Background("an encoder gave no features for its input".into()))
}
