//! What is a collection on disk?

mod blocking;
mod data_dir;
mod encoders;
mod error;
mod index_store;
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
pub use progress::{NoProgress, Progress};
pub(crate) use {blocking::blocking, encoders::encode_one};

/// Longer side of the thumbnails that an import makes, in pixels.
pub const THUMBNAIL_SIDE: u32 = 320;

/// An opened collection: its folder and its catalog. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Collection {
    /// Where things lie.
    pub data_dir: DataDir,
    /// What is known.
    pub catalog: Catalog,
    /// How large pictures may be.
    pub limits: PictureLimits,
}

impl Collection {
    /// Opens the collection in `root`, an empty one if nothing is there.
    ///
    /// # Errors
    /// If a folder cannot be made or the catalog cannot be opened.
    pub async fn open(root: &Path, limits: PictureLimits) -> Result<Self, CollectionError> {
        let data_dir =
            DataDir::create(root).map_err(CollectionError::io("the data folder could not be made:", root))?;
        let catalog = Catalog::open(data_dir.root()).await?;
        Ok(Self { data_dir, catalog, limits })
    }

    /// The thumbnail of an item's picture as JPEG bytes, made now if it is not there. `None` without a picture.
    ///
    /// # Errors
    /// If the picture can no longer be read.
    pub(crate) fn thumbnail(&self, item: &Item) -> Result<Option<Vec<u8>>, CollectionError> {
        let (Some(hash), Some(path)) = (&item.content_hash, &item.image_path) else { return Ok(None) };
        let kept = self.data_dir.thumbnail(hash, THUMBNAIL_SIDE);
        if let Ok(bytes) = std::fs::read(&kept) {
            return Ok(Some(bytes));
        }
        let bytes = dataset::read_file(Path::new(path), &self.limits)?;
        let jpeg = dataset::thumbnail(&dataset::decode(&bytes, &self.limits)?.picture, THUMBNAIL_SIDE);
        // A thumbnail that cannot be kept is made again next time.
        if let Err(error) = write_atomic_unsynced(&kept, &jpeg) {
            tracing::warn!(%error, path = %kept.display(), "a thumbnail could not be kept");
        }
        Ok(Some(jpeg))
    }
}
