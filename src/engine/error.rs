//! Errors of a running service.

use std::path::Path;

use crate::{
    catalog::CatalogError,
    collection::CollectionError,
    compute::Rejected,
    dataset::{DatasetError, PictureError},
    encoders::EncoderError,
    index::IndexError,
    model::ModelError,
};

/// Why a query could not be answered or an item could not be written.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// The index is still being built or warmed up.
    #[error("the service is starting; its index is not ready yet")]
    Starting,
    /// The service is shutting down.
    #[error("the service is shutting down")]
    ShuttingDown,
    /// The queue for the encoder is full.
    #[error("more queries are waiting than this machine can encode")]
    Overloaded,
    /// The deadline of the query has passed, or will have passed before its turn comes.
    #[error("the query could not be answered before its deadline")]
    TimedOut,
    /// A query is invalid.
    #[error("{field}: {reason}")]
    BadQuery {
        /// The field of the query.
        field: String,
        /// The problem, the value found and the allowed values.
        reason: String,
    },
    /// A filter is invalid.
    #[error("filter: {0}")]
    BadFilter(String),
    /// The ranking of a cursor has expired.
    #[error("the cursor is older than ten minutes, or from before a restart; send the query again without it")]
    CursorExpired,
    /// No item has this id.
    #[error("there is no item with the id {0:?}")]
    NoSuchItem(String),
    /// An item is invalid.
    #[error("{field}: {reason}")]
    BadItem {
        /// The field of the item.
        field: String,
        /// The problem, the value found and the allowed values.
        reason: String,
    },
    /// An item with this id exists.
    #[error("there is an item {0:?} already; PUT replaces it")]
    ItemExists(String),
    /// The item does not match the tags of If-Match.
    #[error("item {0:?} does not match If-Match; fetch it again")]
    ItemChanged(String),
    /// A task of this kind is running.
    #[error("task {id} ({kind}) is running; only one task of a kind runs at a time")]
    TaskRunning {
        /// The kind.
        kind: &'static str,
        /// Its number.
        id: i64,
    },
    /// Encoded items could not be written, or could not be made searchable.
    #[error("items could not be written: {0}")]
    NotWritten(String),
    /// The collection cannot be read or changed.
    #[error(transparent)]
    Collection(#[from] CollectionError),
}

impl EngineError {
    /// For `map_err`: an I/O error of the operation `what` on `path`.
    pub(crate) fn io(what: &str, path: &Path) -> impl FnOnce(std::io::Error) -> Self + use<> {
        let of = CollectionError::io(what, path);
        move |source| of(source).into()
    }

    /// An error that only a bug or a panic can cause.
    pub(crate) fn internal(reason: impl Into<String>) -> Self {
        CollectionError::Internal(reason.into()).into()
    }

    /// Whether the operation was cancelled.
    pub(crate) fn is_cancelled(&self) -> bool {
        matches!(self, Self::Collection(CollectionError::Cancelled))
    }
}

impl From<Rejected> for EngineError {
    fn from(rejected: Rejected) -> Self {
        match rejected {
            Rejected::QueueFull => Self::Overloaded,
            Rejected::DeadlineExceeded => Self::TimedOut,
            Rejected::Panicked => Self::internal(rejected.to_string()),
        }
    }
}

/// Errors of the layers below arrive as a [`CollectionError`].
macro_rules! from_below {
    ($($error:ty),*) => {$(
        impl From<$error> for EngineError {
            fn from(error: $error) -> Self {
                CollectionError::from(error).into()
            }
        }
    )*};
}

from_below!(CatalogError, DatasetError, PictureError, EncoderError, ModelError, IndexError);
