//! How is a collection one file? As a tar of plain files, closed by a list of them with their SHA-256.
//!
//! ```text
//! models/m-20261124-1/model.safetensors …
//! index/CURRENT, index/8/pictures.vectors …
//! images/ab/abcd….png …                     each picture once, by its content
//! catalog.sqlite3
//! manifest.json                             Manifest: what all this is, and length and SHA-256 of each file above
//! manifest.json.sha256                      as sha256sum writes it
//! ```
//!
//! Tar, because it is written in one pass without holding anything, whatever its size, and because every system can
//! list and unpack it (`tar xf`, then `sha256sum -c manifest.json.sha256`). Nothing is compressed: pictures and weights
//! are already as small as they get.
//!
//! The list comes last, so that a file that ends too early has none. Whoever reads trusts nothing: names are of one
//! plain form, each header is byte for byte the one that [`Writer`] makes, each file is in the list and the other way
//! round, and behind the last one there are the zeros that close a tar and nothing else. So there is no byte that could
//! be another unnoticed. The sums tell damage, not malice: whoever can write the archive can write the sums. The
//! SHA-256 of the whole file, kept elsewhere, tells both.

mod name;
mod read;
mod write;

use std::path::Path;

use serde::{Deserialize, Serialize};

pub use name::is_segment;
pub use read::Archive;
pub use write::{Writer, Written};

/// The version of the archive's form. Another one is not read.
pub const FORMAT: u32 = 1;

/// The file that says what the archive holds.
pub const MANIFEST: &str = "manifest.json";

/// The file that keeps the manifest's SHA-256; the last one.
pub const MANIFEST_SUM: &str = "manifest.json.sha256";

/// Bytes of a header, and what every file is filled up to a multiple of.
const BLOCK: u64 = 512;

/// The zeros that close a tar.
const END: u64 = 2 * BLOCK;

/// Why an archive could not be written or read.
#[derive(Debug, thiserror::Error)]
pub enum ArchiveError {
    /// It ends too early, or goes on where it should end.
    #[error("the archive is torn: {0}")]
    Torn(String),
    /// What is in it is not what was written.
    #[error("{file} in the archive is damaged: {reason}")]
    Damaged {
        /// The file in the archive.
        file: String,
        /// What is wrong with it.
        reason: String,
    },
    /// A file that no backup holds.
    #[error("{file} does not belong into the archive: {reason}")]
    Stray {
        /// Its name.
        file: String,
        /// Why it does not.
        reason: String,
    },
    /// A file that is in the list alone.
    #[error("{0} is missing from the archive, though its manifest lists it")]
    Missing(String),
    /// It was written by another version of the program.
    #[error(
        "the archive has format {found}, but this program reads {FORMAT}; use the diptych that wrote it, or a newer one"
    )]
    OtherFormat {
        /// What the manifest says.
        found: u64,
    },
    /// A file cannot be put into the archive.
    #[error("{file} cannot be put into the archive: {reason}")]
    Refused {
        /// Its name there.
        file: String,
        /// Why not.
        reason: String,
    },
    /// Somebody asked the work to stop.
    #[error("the work was stopped")]
    Stopped,
    /// The file system refused.
    #[error("{what}: {source}")]
    Io {
        /// What was being done, with the path.
        what: String,
        /// What the system said.
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

/// What a backup holds, as it says itself.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct About {
    /// The program that wrote it, with its version.
    pub program: String,
    /// When it was written, in RFC 3339.
    pub created_at: String,
    /// The collection's own name, which no other one has.
    pub collection: String,
    /// The model that answers.
    pub model: Option<String>,
    /// The generation of the index that is with it.
    pub index_generation: Option<u64>,
    /// How much there is of everything.
    pub counts: Counts,
    /// Files that should be with it and could not be read, the first of them.
    pub missing: Vec<Absent>,
}

/// How much a backup holds of everything.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Counts {
    /// Items.
    pub items: u64,
    /// Different pictures.
    pub pictures: u64,
    /// Captions.
    pub captions: u64,
    /// Trained models.
    pub models: u64,
    /// API keys; of each its SHA-256, not its secret.
    pub keys: u64,
    /// Files that should be here and could not be read.
    pub missing: u64,
}

/// A file that should be in the archive and could not be read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Absent {
    /// Its name in the archive.
    pub path: String,
    /// Why it could not be read.
    pub reason: String,
}

/// The archive's last file but one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    /// The version of the archive's form.
    pub format: u32,
    /// What it holds.
    #[serde(flatten)]
    pub about: About,
    /// Its files in their order, but for the last two.
    pub files: Vec<FileEntry>,
}

/// The length and the content of a file.
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

/// The header of a file, in which nothing is left to choose but its name, its length and the time of all of them.
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

/// The zeros that fill a file up to whole blocks.
fn padding(bytes: u64) -> u64 {
    bytes.next_multiple_of(BLOCK) - bytes
}

/// What `sha256sum manifest.json` prints.
fn sum_line(sha256: &str) -> String {
    format!("{sha256}  {MANIFEST}\n")
}

#[cfg(test)]
mod tests;
