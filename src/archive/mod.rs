//! How is a collection stored in one file? As a tar archive that ends with a manifest of its files and their SHA-256.
//!
//! ```text
//! models/m-20261124-1/model.safetensors …
//! index/CURRENT, index/8/pictures.vectors …
//! images/ab/abcd….png …                     each picture once, named after the hash of its content
//! catalog.sqlite3
//! manifest.json                             Manifest: description, and length and SHA-256 of each file above
//! manifest.json.sha256                      in the format of sha256sum
//! ```
//!
//! Tar is written in one pass with constant memory, and every system can list and unpack it (`tar xf`, then
//! `sha256sum -c manifest.json.sha256`). Nothing is compressed, because pictures and weights hardly shrink.
//!
//! The manifest comes last, so that a truncated archive has none. The reader rejects anything that [`Writer`] would not
//! produce: unusual names, other header bytes, files missing from the manifest or the archive, and trailing data. Every
//! changed byte is therefore detected. The hashes protect against corruption, not against tampering, since an attacker
//! can recompute them; for that, compare the SHA-256 of the archive with a copy stored elsewhere.

mod name;
mod read;
mod write;

use std::path::Path;

use serde::{Deserialize, Serialize};

pub use name::is_segment;
pub use read::Archive;
pub use write::{ArchiveDigest, Writer};

/// The supported version of the archive format.
pub const FORMAT: u32 = 1;

/// The file that describes the content of the archive.
pub const MANIFEST: &str = "manifest.json";

/// The file with the SHA-256 of the manifest, which is the last one.
pub const MANIFEST_SUM: &str = "manifest.json.sha256";

/// Size of a header; files are padded to a multiple of it.
const BLOCK_BYTES: u64 = 512;

/// Length of the zeros at the end of a tar archive.
const END_BYTES: u64 = 2 * BLOCK_BYTES;

/// Why an archive could not be written or read.
#[derive(Debug, thiserror::Error)]
pub enum ArchiveError {
    /// It is truncated, or data follows its end.
    #[error("the archive is truncated or malformed: {0}")]
    Malformed(String),
    /// Its content differs from what was written.
    #[error("{file} in the archive is damaged: {reason}")]
    Damaged {
        /// The file in the archive.
        file: String,
        /// What is wrong with it.
        reason: String,
    },
    /// It has a file that is not part of a backup.
    #[error("unexpected file {file} in the archive: {reason}")]
    Unexpected {
        /// Its name.
        file: String,
        /// Why it is unexpected.
        reason: String,
    },
    /// A file of the manifest is missing.
    #[error("{0} is listed in the manifest but missing from the archive")]
    Missing(String),
    /// It has the format of another version of the program.
    #[error(
        "the archive has format {found}, but this program reads {FORMAT}; use the diptych that wrote it, or a newer one"
    )]
    OtherFormat {
        /// The format in the manifest.
        found: u64,
    },
    /// A file cannot be added to the archive.
    #[error("{file} cannot be added to the archive: {reason}")]
    Rejected {
        /// Its name in the archive.
        file: String,
        /// Why not.
        reason: String,
    },
    /// The operation was cancelled.
    #[error("the operation was cancelled")]
    Cancelled,
    /// An I/O operation failed.
    #[error("{what}: {source}")]
    Io {
        /// The operation, with the path.
        what: String,
        /// The error of the operating system.
        source: std::io::Error,
    },
}

impl ArchiveError {
    fn io(what: &str, path: &Path) -> impl FnOnce(std::io::Error) -> Self + use<> {
        let what = format!("{what} {}", path.display());
        move |source| Self::Io { what, source }
    }

    fn damaged(file: &str, reason: impl Into<String>) -> Self {
        Self::Damaged { file: file.to_owned(), reason: reason.into() }
    }
}

/// Description of a backup, stored in its manifest.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct About {
    /// The program that wrote it, with its version.
    pub program: String,
    /// When it was written, in RFC 3339.
    pub created_at: String,
    /// Unique id of the collection.
    pub collection: String,
    /// The active model.
    pub model: Option<String>,
    /// The generation of the included index.
    pub index_generation: Option<u64>,
    /// Numbers of items, pictures and so on.
    pub counts: Counts,
    /// The first of the files that could not be read.
    pub missing: Vec<MissingFile>,
}

/// Numbers of what a backup contains.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Counts {
    /// Items.
    pub items: u64,
    /// Distinct pictures.
    pub pictures: u64,
    /// Captions.
    pub captions: u64,
    /// Trained models.
    pub models: u64,
    /// API keys, stored as SHA-256 hashes.
    pub keys: u64,
    /// Files that could not be read.
    pub missing: u64,
}

/// A file that could not be read and is missing from the archive.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MissingFile {
    /// Its name in the archive.
    pub path: String,
    /// Why it could not be read.
    pub reason: String,
}

/// The manifest, which is the second to last file of an archive.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    /// The version of the archive format.
    pub format: u32,
    /// Description of the backup.
    #[serde(flatten)]
    pub about: About,
    /// Its files in their order, without the last two.
    pub files: Vec<FileEntry>,
}

/// Name, length and hash of a file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FileEntry {
    /// Its name in the archive.
    pub path: String,
    /// Its length.
    pub bytes: u64,
    /// Its SHA-256, in hex.
    pub sha256: String,
}

/// The header of a file, which is fully determined by its name, its length and the time of the archive.
fn header(path: &str, bytes: u64, at: u64) -> std::io::Result<tar::Header> {
    let mut header = tar::Header::new_ustar();
    header.set_path(path)?;
    header.set_size(bytes);
    header.set_mode(0o644);
    header.set_uid(0);
    header.set_gid(0);
    header.set_mtime(at);
    header.set_entry_type(tar::EntryType::Regular);
    header.set_cksum();
    Ok(header)
}

/// Length of the zeros that pad a file to whole blocks.
fn padding(bytes: u64) -> u64 {
    bytes.next_multiple_of(BLOCK_BYTES) - bytes
}

/// The output of `sha256sum manifest.json`.
fn sum_line(sha256: &str) -> String {
    format!("{sha256}  {MANIFEST}\n")
}

#[cfg(test)]
mod tests;
