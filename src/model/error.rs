//! Why there is no common space.

use std::path::{Path, PathBuf};

/// Why learning or a learned space failed.
#[derive(Debug, thiserror::Error)]
pub enum DscmrError {
    /// The collection is too small or too uniform to learn from.
    #[error("{0}")]
    NotEnough(String),
    /// A setting cannot be used.
    #[error("the settings of the training: {0}")]
    Settings(String),
    /// A GPU was asked for and cannot be used.
    #[error("training on a GPU: {0}")]
    Device(String),
    /// A feature is NaN or infinite.
    #[error("{what} features, row {row}: a value is not finite")]
    NotFinite {
        /// `picture` or `sentence`.
        what: &'static str,
        /// Row of the feature matrix, from 0.
        row: usize,
    },
    /// Features have another length than the model learned from.
    #[error("{what} features have {found} dimensions, but the model learned from {expected}")]
    WrongDims {
        /// `picture` or `sentence`.
        what: &'static str,
        /// What the model learned from.
        expected: usize,
        /// What was given.
        found: usize,
    },
    /// Somebody asked the training to stop. A checkpoint was written, if there is a place for one.
    #[error("the training was stopped")]
    Stopped,
    /// A file of a model is missing, torn or of another version.
    #[error("{}: {reason}", path.display())]
    BadFile {
        /// The file.
        path: PathBuf,
        /// What is wrong, with the tensor's name where it is one.
        reason: String,
    },
    /// A tensor operation failed.
    #[error("the network failed: {0}")]
    Network(#[from] candle_core::Error),
}

impl DscmrError {
    /// A fault of a file.
    pub(crate) fn file(path: &Path, reason: impl ToString) -> Self {
        Self::BadFile { path: path.to_owned(), reason: reason.to_string() }
    }
}
