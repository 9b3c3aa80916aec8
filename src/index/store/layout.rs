//! Names of files and folders, and the manifest's way from disk.

use std::path::Path;

use serde::Deserialize;

use super::{manifest::FORMAT, table_io::read_small};
use crate::index::{GenerationError, Manifest};

/// The file that lists the generations.
pub(super) const CURRENT: &str = "CURRENT";

/// The manifest of a generation, in its folder.
pub(super) const MANIFEST: &str = "manifest.json";

/// Prefix of the folders of unfinished generations.
pub(super) const UNFINISHED: &str = "unfinished-";

/// Maximum size of `CURRENT`, in bytes.
pub(super) const MAX_CURRENT: u64 = 1 << 16;

/// Maximum size of a manifest, in bytes.
const MAX_MANIFEST: u64 = 1 << 28;

/// Reads a manifest whose BLAKE3 is `hash`.
pub(super) fn read_manifest(path: &Path, hash: &str) -> Result<Manifest, GenerationError> {
    #[derive(Deserialize)]
    struct Format {
        format: u64,
    }
    let text = read_small(path, MAX_MANIFEST)?;
    if blake3::hash(&text).to_hex().as_str() != hash {
        return Err(GenerationError::damaged(path, "its checksum does not match"));
    }
    let unreadable = |e: serde_json::Error| GenerationError::damaged(path, e.to_string());
    let Format { format } = serde_json::from_slice(&text).map_err(unreadable)?;
    if format != u64::from(FORMAT) {
        return Err(GenerationError::OtherFormat { found: format });
    }
    serde_json::from_slice(&text).map_err(unreadable)
}

/// Checks that a name can be part of a file name.
pub(super) fn check_name(name: &str) -> Result<(), GenerationError> {
    let fits = !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_lowercase());
    if fits { Ok(()) } else { Err(GenerationError::BadName(name.to_owned())) }
}
