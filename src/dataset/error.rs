//! Errors of a whole collection. An error in one record is a [`Rejection`](super::Rejection).

use std::{io, path::Path};

/// An error that prevents reading a collection at all.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DatasetError {
    /// The path cannot be opened.
    #[error("{path}: {reason}")]
    Unreadable {
        /// The path.
        path: String,
        /// Error of the operating system.
        reason: String,
    },
    /// The file does not have a supported format.
    #[error("{path}: a {found} is not a collection; expected a folder of images or a .jsonl, .csv or .tsv file")]
    NotACollection {
        /// The path.
        path: String,
        /// What was found.
        found: String,
    },
    /// The header of a table is not valid.
    #[error("{path}:1: {reason}")]
    BadHeader {
        /// The table.
        path: String,
        /// What is missing or not allowed, and what was found.
        reason: String,
    },
    /// A program that the demo collection needs is not installed.
    #[error(
        "the demo collection consists of two Debian packages, and `{program}` is not installed to download them; to \
         search your own images instead: diptych import PATH"
    )]
    NoApt {
        /// The missing program.
        program: &'static str,
    },
    /// The demo collection could not be downloaded or unpacked.
    #[error("the demo collection: {step} failed: {reason}{hint}")]
    DemoFailed {
        /// The failed step.
        step: String,
        /// Message of the program.
        reason: String,
        /// What to try; may be empty.
        hint: &'static str,
    },
}

impl DatasetError {
    pub(super) fn unreadable(path: &Path, error: &io::Error) -> Self {
        Self::Unreadable { path: path.display().to_string(), reason: error.to_string() }
    }
}
