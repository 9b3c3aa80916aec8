//! The demo collection: Tux Paint's stamps and the Open Clip Art Library, as Debian and Ubuntu package them, curated.
//!
//! Only the rules are here. Pictures and captions come from the packages when the owner asks for them: [`fetch()`] takes
//! them into a folder, [`collect`] reads what a curator would keep.

mod classes;
mod fetch;
mod italian;
mod openclipart;
mod tux_paint;
mod wording;

use std::path::{Path, PathBuf};

pub use fetch::{FetchProgress, fetch};
use serde_json::Value;

use super::{DatasetError, Origin, Record};

const STAMPS: &str = "usr/share/tuxpaint/stamps";
const DRAWINGS: &str = "usr/share/openclipart/svg";

/// The curated collection in a folder that [`fetch()`] has filled: about 3500 records with captions and one label each, in
/// a fixed order. Reads every drawing's metadata (under a second); decodes no picture.
pub fn collect(dir: &Path) -> Result<Vec<Record>, DatasetError> {
    let (stamps, drawings) = (dir.join(STAMPS), dir.join(DRAWINGS));
    for root in [&stamps, &drawings] {
        std::fs::read_dir(root).map_err(|error| DatasetError::unreadable(root, &error))?;
    }
    let mut records = tux_paint::collect(&stamps);
    records.extend(openclipart::collect(&drawings));
    Ok(records)
}

fn record(
    id: String,
    picture: PathBuf,
    captions: Vec<String>,
    class: &str,
    collection: &str,
    author: Option<String>,
) -> Record {
    let mut meta = serde_json::Map::new();
    meta.insert("collection".into(), Value::from(collection));
    if let Some(author) = author {
        meta.insert("author".into(), Value::from(author));
    }
    Record {
        id,
        origin: Origin { file: picture.clone(), line: None },
        image: Some(picture),
        captions,
        labels: vec![class.to_owned()],
        split: None,
        meta,
    }
}

#[cfg(test)]
mod tests;
