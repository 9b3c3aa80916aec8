//! Errors of operations on a collection.

use std::path::Path;

use crate::{
    archive::ArchiveError,
    catalog::CatalogError,
    dataset::{DatasetError, PictureError},
    encoders::EncoderError,
    index::IndexError,
    model::ModelError,
};

/// Why a collection could not be read or changed.
#[derive(Debug, thiserror::Error)]
pub enum CollectionError {
    /// No model was trained on this collection.
    #[error("no model has been trained yet; run `diptych train` first")]
    NoModel,
    /// The active model was trained on features of other encoders.
    #[error(
        "model {version} was trained with the {kind} encoder {trained}, but {given} is set; train again, or set the \
         encoder it was trained with"
    )]
    OtherEncoder {
        /// The model.
        version: String,
        /// `picture` or `text`.
        kind: &'static str,
        /// The encoder it was trained with.
        trained: String,
        /// The encoder in the settings.
        given: String,
    },
    /// No model has this name.
    #[error("there is no model {0:?}; `diptych models list` shows the models that exist")]
    NoSuchModel(String),
    /// There is no model to roll back to.
    #[error("no other model was active before {0}; `diptych models activate` activates any model")]
    NoPreviousModel(String),
    /// A field of a request is invalid.
    #[error("{field}: {reason}")]
    BadField {
        /// The field.
        field: String,
        /// The problem, the value found and the allowed values.
        reason: String,
    },
    /// Invalid training settings.
    #[error("{0}")]
    Settings(String),
    /// Not enough data for training or evaluation.
    #[error("{0}")]
    NotEnoughData(String),
    /// A model, a backup or a collection cannot be written to the given path.
    #[error("{0}")]
    BadOutput(String),
    /// A backup cannot be written or read.
    #[error(transparent)]
    Archive(ArchiveError),
    /// Feature files cannot be read.
    #[error(transparent)]
    Dataset(#[from] DatasetError),
    /// The operation was cancelled.
    #[error("the operation was cancelled")]
    Cancelled,
    /// Another process is training on this data folder.
    #[error("another training is running on this data folder")]
    TrainingElsewhere,
    /// A picture cannot be read.
    #[error(transparent)]
    Picture(#[from] PictureError),
    /// An encoder is missing or failed.
    #[error(transparent)]
    Encoder(Box<EncoderError>),
    /// Training or a model failed.
    #[error(transparent)]
    Model(ModelError),
    /// The index on disk cannot be used or written.
    #[error("{0}")]
    IndexOnDisk(String),
    /// The index failed.
    #[error(transparent)]
    Index(IndexError),
    /// The catalog failed.
    #[error(transparent)]
    Catalog(#[from] CatalogError),
    /// An I/O operation failed.
    #[error("{what}: {source}")]
    Io {
        /// The operation, with the path.
        what: String,
        /// The error of the operating system.
        source: std::io::Error,
    },
    /// A bug, or a panic of a background task.
    #[error("internal error: {0}")]
    Internal(String),
}

impl From<EncoderError> for CollectionError {
    fn from(error: EncoderError) -> Self {
        Self::Encoder(Box::new(error))
    }
}

impl From<ModelError> for CollectionError {
    fn from(error: ModelError) -> Self {
        match error {
            ModelError::Stopped => Self::Cancelled,
            ModelError::Settings(_) => Self::Settings(error.to_string()),
            other => Self::Model(other),
        }
    }
}

impl From<ArchiveError> for CollectionError {
    fn from(error: ArchiveError) -> Self {
        if matches!(error, ArchiveError::Cancelled) { Self::Cancelled } else { Self::Archive(error) }
    }
}

impl From<IndexError> for CollectionError {
    fn from(error: IndexError) -> Self {
        if error == IndexError::Stopped { Self::Cancelled } else { Self::Index(error) }
    }
}

impl CollectionError {
    /// For `map_err`: an I/O error of the operation `what` on `path`.
    pub(crate) fn io(what: &str, path: &Path) -> impl FnOnce(std::io::Error) -> Self + use<> {
        let what = format!("{what} {}", path.display());
        move |source| Self::Io { what, source }
    }
}
