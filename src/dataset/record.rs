//! A record of a collection, and a rejected one.

use std::{
    fmt,
    path::{Path, PathBuf},
};

use super::Split;

/// Location of a record: the file and, in a file of many records, the line.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Origin {
    /// The image itself in a folder of images, else the JSONL or CSV file.
    pub file: PathBuf,
    /// Line number from 1; `None` if the file is the record.
    pub line: Option<u64>,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            Some(line) => write!(f, "{}:{line}", self.file.display()),
            None => write!(f, "{}", self.file.display()),
        }
    }
}

/// An item as described in a data set. It has an image, a caption, or both.
#[derive(Debug, Default, Clone, PartialEq)]
pub struct Record {
    /// Its id, which is stable across imports.
    pub id: String,
    /// Where it was read.
    pub origin: Origin,
    /// Absolute path of the image.
    pub image: Option<PathBuf>,
    /// Captions, trimmed, none empty.
    pub captions: Vec<String>,
    /// Labels, trimmed, none empty.
    pub labels: Vec<String>,
    /// The split that the record assigns.
    pub split: Option<Split>,
    /// All other fields.
    pub meta: serde_json::Map<String, serde_json::Value>,
}

/// A record that was rejected.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rejection {
    /// Where it was read.
    pub origin: Origin,
    /// The problem, the value found and the allowed values.
    pub reason: String,
}

impl Rejection {
    /// A rejection at a line of a file.
    pub(super) fn at(file: &Path, line: u64, reason: impl Into<String>) -> Self {
        Self { origin: Origin { file: file.to_owned(), line: Some(line) }, reason: reason.into() }
    }
}

impl fmt::Display for Rejection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.origin, self.reason)
    }
}

/// The absolute path of a record's image, written as `path` in a file of `folder`.
pub(super) fn resolve_image(folder: &Path, path: &str) -> Result<PathBuf, String> {
    if path.contains("://") {
        return Err(format!("its image `{path}` is a URL; images must be local files"));
    }
    if path.contains('\0') {
        return Err("its image path contains a zero byte".into());
    }
    Ok(folder.join(path))
}
