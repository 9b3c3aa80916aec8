//! The curated collection of both sources.

use std::path::Path;

use super::{
    openclipart,
    packages::{DRAWINGS, STAMPS},
    tux_paint,
};
use crate::dataset::{DatasetError, Record};

/// The curated collection in a folder that [`fetch`](super::fetch()) has filled: about 3500 records with captions and
/// one label each, in a fixed order. Reads the metadata of every drawing (under a second) and decodes no picture.
///
/// # Errors
/// [`DatasetError::Unreadable`] if the folder of a package does not exist.
pub fn collect(dir: &Path) -> Result<Vec<Record>, DatasetError> {
    let (stamps, drawings) = (dir.join(STAMPS), dir.join(DRAWINGS));
    for root in [&stamps, &drawings] {
        std::fs::read_dir(root).map_err(|error| DatasetError::unreadable(root, &error))?;
    }
    let mut records = tux_paint::collect(&stamps);
    records.extend(openclipart::collect(&drawings));
    Ok(records)
}

#[cfg(test)]
mod tests;
