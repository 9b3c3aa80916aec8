//! Errors of training, evaluating and loading a model.

use std::path::{Path, PathBuf};

/// Reason why a training, an embedding or the loading of a model failed.
#[derive(Debug, thiserror::Error)]
pub enum ModelError {
    /// The collection is too small or too uniform to train on.
    #[error("{0}")]
    NotEnough(String),
    /// A training setting is unknown or out of range.
    #[error("training settings: {0}")]
    Settings(String),
    /// The requested GPU cannot be used.
    #[error("training on a GPU: {0}")]
    Device(String),
    /// A feature is NaN or infinite.
    #[error("{what} features, row {row}: a value is not finite")]
    NotFinite {
        /// `image` or `text`.
        what: &'static str,
        /// Row of the feature matrix, from 0.
        row: usize,
    },
    /// Features do not have the number of dimensions that the model was trained on.
    #[error("{what} features have {found} dimensions, but the model was trained on {expected}")]
    WrongDims {
        /// `image` or `text`.
        what: &'static str,
        /// Dimensions that the model was trained on.
        expected: usize,
        /// Dimensions of the given features.
        found: usize,
    },
    /// The training was cancelled. A checkpoint was written if a checkpoint folder was given.
    #[error("the training was stopped")]
    Stopped,
    /// A file of a model is missing, damaged or of another format version.
    #[error("{}: {reason}", path.display())]
    BadFile {
        /// The file.
        path: PathBuf,
        /// What is wrong, with the name of the tensor if it concerns one.
        reason: String,
    },
    /// A tensor operation failed.
    #[error("the network failed: {0}")]
    Network(#[from] candle_core::Error),
}

impl ModelError {
    /// A [`Self::BadFile`].
    pub(crate) fn file(path: &Path, reason: impl ToString) -> Self {
        Self::BadFile { path: path.to_owned(), reason: reason.to_string() }
    }
}
