//! Why a collection could not be read at all. What is wrong with one record is a [`Rejection`](super::Rejection).

use std::{io, path::Path};

/// Why a collection could not be read at all.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DatasetError {
    /// The path cannot be opened.
    #[error("{path}: {reason}")]
    Unreadable {
        /// The path asked for.
        path: String,
        /// What the system said.
        reason: String,
    },
    /// A file that is no list of records.
    #[error("{path}: a {found} is not a collection; a folder of pictures, a .jsonl, a .csv or a .tsv file is read")]
    NotACollection {
        /// The path asked for.
        path: String,
        /// What it is.
        found: String,
    },
    /// The header of a table cannot be used.
    #[error("{path}:1: {reason}")]
    BadHeader {
        /// The table.
        path: String,
        /// What is missing or too much, what was found, what is allowed.
        reason: String,
    },
    /// A program that the demo collection needs is not on this machine.
    #[error(
        "the demo collection is two packages of Debian and Ubuntu, and `{program}` is not here to get them; to search \
         your own pictures instead: diptych import PATH"
    )]
    NoApt {
        /// The missing program.
        program: &'static str,
    },
    /// The demo collection could not be fetched or unpacked.
    #[error("the demo collection: {step} failed: {reason}{hint}")]
    DemoFailed {
        /// What was being done.
        step: String,
        /// What the program said.
        reason: String,
        /// What to try, or nothing.
        hint: &'static str,
    },
}

impl DatasetError {
    pub(super) fn unreadable(path: &Path, error: &io::Error) -> Self {
        Self::Unreadable { path: path.display().to_string(), reason: error.to_string() }
    }
}
