//! Paths in a data folder.

use std::{
    io,
    path::{Path, PathBuf},
};

use crate::util::hex;

/// A data folder. Everything but the catalog, `images/`, `models/` and `backups/` is a cache that can be deleted.
#[derive(Debug, Clone)]
pub struct DataDir {
    root: PathBuf,
}

impl DataDir {
    /// Opens `root` as a data folder and creates missing folders.
    ///
    /// # Errors
    /// If a folder cannot be created.
    pub fn create(root: &Path) -> io::Result<Self> {
        let folder = Self { root: std::path::absolute(root)? };
        for part in [folder.root.clone(), folder.thumbnails(), folder.models()] {
            std::fs::create_dir_all(part)?;
        }
        Ok(folder)
    }

    /// The folder itself.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Folder of a model.
    pub fn model(&self, version: &str) -> PathBuf {
        self.models().join(version)
    }

    /// HTML report of a model.
    pub fn report_page(&self, version: &str) -> PathBuf {
        self.model(version).join("report.html")
    }

    /// Curves of a model's report.
    pub fn report_curves(&self, version: &str) -> PathBuf {
        self.model(version).join("report.json")
    }

    /// Folder of all models.
    pub fn models(&self) -> PathBuf {
        self.root.join("models")
    }

    /// Folder for the checkpoint of an unfinished training.
    pub fn training(&self) -> PathBuf {
        self.models().join("training")
    }

    /// Folder of a complete model that has not been renamed to its version yet.
    pub fn finishing(&self) -> PathBuf {
        self.models().join("finishing")
    }

    /// Folder of the index generations.
    pub fn index(&self) -> PathBuf {
        self.root.join("index")
    }

    /// File of an uploaded picture.
    pub fn upload(&self, content_hash: &[u8], ending: &str) -> PathBuf {
        self.root.join(Self::upload_name(content_hash, ending))
    }

    /// The same, relative to the data folder.
    pub fn upload_name(content_hash: &[u8], ending: &str) -> String {
        let name = hex::encode(content_hash);
        format!("images/{}/{name}.{ending}", &name[..name.len().min(2)])
    }

    /// Folder of uploaded pictures.
    pub fn images(&self) -> PathBuf {
        self.root.join("images")
    }

    /// Default folder for backups.
    pub fn backups(&self) -> PathBuf {
        self.root.join("backups")
    }

    /// Folder into which the demo collection is unpacked.
    pub fn demo(&self) -> PathBuf {
        self.root.join("demo")
    }

    /// File of the thumbnail of a picture, by the hash of its content.
    pub fn thumbnail(&self, content_hash: &[u8], side: u32) -> PathBuf {
        let name = hex::encode(content_hash);
        self.thumbnails().join(&name[..name.len().min(2)]).join(format!("{name}-{side}.jpg"))
    }

    /// Folder of all thumbnails.
    pub fn thumbnails(&self) -> PathBuf {
        self.root.join("thumbnails")
    }
}
