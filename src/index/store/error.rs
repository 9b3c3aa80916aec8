//! Errors of reading and writing generations.

use std::path::Path;

use super::manifest::FORMAT;
use crate::index::error::IndexError;

/// Error of reading or writing a generation.
#[derive(Debug, thiserror::Error)]
pub enum GenerationError {
    /// There is no generation.
    #[error("there is no index on disk yet")]
    Missing,
    /// A file differs from what was written, or is missing.
    #[error("the index file {file} is damaged: {reason}")]
    Damaged {
        /// Name of the file.
        file: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The generation was written by another version of the program.
    #[error("the index has format {found}, but this program reads format {FORMAT}")]
    OtherFormat {
        /// Format of the manifest.
        found: u64,
    },
    /// The generation belongs to another space.
    #[error("the index belongs to model {found}, not to {expected}")]
    OtherModel {
        /// Requested model and dimensions.
        expected: String,
        /// Model and dimensions of the manifest.
        found: String,
    },
    /// Another process is writing.
    #[error("another process is writing an index in this folder")]
    Busy,
    /// A name that cannot be part of a file name.
    #[error("{0:?} is not a name for an index: only lower-case letters are allowed")]
    BadName(String),
    /// The files are intact but do not form an index.
    #[error(transparent)]
    Index(#[from] IndexError),
    /// The file system returned an error.
    #[error("{what}: {source}")]
    Io {
        /// What failed, with the path.
        what: String,
        /// Error of the system.
        source: std::io::Error,
    },
}

impl GenerationError {
    /// Converts an I/O error at `path`. `what` names the failed operation.
    pub(super) fn io(what: &str, path: &Path) -> impl FnOnce(std::io::Error) -> Self + use<> {
        let what = format!("{what} {}", path.display());
        move |source| Self::Io { what, source }
    }

    /// Damage of the file at `path`.
    pub(super) fn damaged(path: &Path, reason: impl Into<String>) -> Self {
        let file = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        Self::Damaged { file, reason: reason.into() }
    }

    /// Converts an error of reading `path`: a missing file is damage, anything else an I/O error.
    pub(super) fn read(path: &Path) -> impl FnOnce(std::io::Error) -> Self + use<'_> {
        move |source| match source.kind() {
            std::io::ErrorKind::NotFound => Self::damaged(path, "it is missing"),
            _ => Self::io("cannot read", path)(source),
        }
    }
}
