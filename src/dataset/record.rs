//! One item of a collection as its owner wrote it down, and one that could not be taken.

use std::{
    fmt,
    path::{Path, PathBuf},
};

use super::Split;

/// Where a record stands: the file and, in a file of many records, the line (from 1).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Origin {
    /// The file that names the record: the picture itself in a folder tree, else the JSONL or CSV file.
    pub file: PathBuf,
    /// The line in it, from 1; `None` where the file is the record.
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

/// One item as its owner wrote it down. It has a picture, a caption, or both.
#[derive(Debug, Clone, PartialEq)]
pub struct Record {
    /// The owner's name for it; stable over re-imports.
    pub id: String,
    /// Where it was found.
    pub origin: Origin,
    /// Absolute path of the picture.
    pub image: Option<PathBuf>,
    /// Sentences that describe it, trimmed, none empty.
    pub captions: Vec<String>,
    /// Class names, trimmed, none empty.
    pub labels: Vec<String>,
    /// The split its owner gave it.
    pub split: Option<Split>,
    /// Whatever else its owner said of it.
    pub meta: serde_json::Map<String, serde_json::Value>,
}

/// A record that could not be taken, and why, in a sentence for its owner.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rejection {
    /// Where it was found.
    pub origin: Origin,
    /// What was wrong, what was found, what is allowed.
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
