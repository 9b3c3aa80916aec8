//! What is a collection on disk?

mod blocking;
mod data_dir;
mod encoders;
mod error;
mod index_store;
mod job;
mod progress;

use std::path::Path;

use crate::{
    catalog::{Catalog, Item},
    dataset::{self, PictureLimits},
    util::fs::write_atomic_unsynced,
};

pub use data_dir::DataDir;
pub use encoders::Encoders;
pub use error::CollectionError;
pub(crate) use index_store::base_watermark;
pub use job::Job;
pub use progress::{NoProgress, Progress};
pub(crate) use {blocking::blocking, encoders::encode_one};

/// Longer side of the thumbnails that an import creates, in pixels.
pub const THUMBNAIL_SIDE: u32 = 320;

/// An opened collection: its folder and its catalog. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Collection {
    /// Its folder.
    pub data_dir: DataDir,
    /// Its catalog.
    pub catalog: Catalog,
    /// Limits of its pictures.
    pub limits: PictureLimits,
}

impl Collection {
    /// Opens the collection in `root`, or creates an empty one.
    ///
    /// # Errors
    /// If a folder cannot be created or the catalog cannot be opened.
    pub async fn open(root: &Path, limits: PictureLimits) -> Result<Self, CollectionError> {
        let data_dir =
            DataDir::create(root).map_err(CollectionError::io("the data folder could not be created:", root))?;
        let catalog = Catalog::open(data_dir.root()).await?;
        Ok(Self { data_dir, catalog, limits })
    }

    /// The thumbnail of an item's picture as JPEG, created if it is missing. `None` without a picture.
    ///
    /// # Errors
    /// If the picture cannot be read any more.
    pub(crate) fn thumbnail(&self, item: &Item) -> Result<Option<Vec<u8>>, CollectionError> {
        let (Some(hash), Some(path)) = (&item.content_hash, &item.image_path) else { return Ok(None) };
        let file = self.data_dir.thumbnail(hash, THUMBNAIL_SIDE);
        if let Ok(bytes) = std::fs::read(&file) {
            return Ok(Some(bytes));
        }
        let bytes = dataset::read_file(Path::new(path), &self.limits)?;
        let jpeg = dataset::thumbnail(&dataset::decode(&bytes, &self.limits)?.picture, THUMBNAIL_SIDE);
        // Without the stored file, the thumbnail is created again next time.
        if let Err(error) = write_atomic_unsynced(&file, &jpeg) {
            tracing::warn!(%error, path = %file.display(), "a thumbnail could not be stored");
        }
        Ok(Some(jpeg))
    }
}
