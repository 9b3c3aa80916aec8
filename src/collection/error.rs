//! Why something could not be searched or changed.

use std::path::Path;

use crate::{
    archive::ArchiveError,
    catalog::CatalogError,
    compute::Refused,
    dataset::{DatasetError, PictureError},
    dscmr::DscmrError,
    encoders::EncoderError,
    index::IndexError,
};

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
    pub(crate) fn io(what: &str, path: &Path) -> impl FnOnce(std::io::Error) -> Self + use<> {
        let what = format!("{what} {}", path.display());
        move |source| Self::Io { what, source }
    }
}
