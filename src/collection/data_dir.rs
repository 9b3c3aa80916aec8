//! Where things lie in a data folder.

use std::{
    io,
    path::{Path, PathBuf},
};

use crate::util::hex;

/// A data folder. Everything in it but the catalog, `images/`, `models/` and `backups/` can be deleted and is made
/// again.
#[derive(Debug, Clone)]
pub struct DataDir {
    root: PathBuf,
}

impl DataDir {
    /// Takes `root` as the data folder and makes what is missing of it.
    ///
    /// # Errors
    /// If a folder cannot be made.
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

    /// Where a model of this version lies.
    pub fn model(&self, version: &str) -> PathBuf {
        self.models().join(version)
    }

    /// Where the page for people on a model lies.
    pub fn report_page(&self, version: &str) -> PathBuf {
        self.model(version).join("report.html")
    }

    /// Where the curves behind a model's report lie.
    pub fn report_curves(&self, version: &str) -> PathBuf {
        self.model(version).join("report.json")
    }

    /// All models.
    pub fn models(&self) -> PathBuf {
        self.root.join("models")
    }

    /// Where an unfinished training keeps its checkpoint.
    pub fn training(&self) -> PathBuf {
        self.models().join("training")
    }

    /// Where a model lies that is about to get its name.
    pub fn finishing(&self) -> PathBuf {
        self.models().join("finishing")
    }

    /// Where generations of the index lie.
    pub fn index(&self) -> PathBuf {
        self.root.join("index")
    }

    /// Where the picture with this content lies, if the service was given it.
    pub fn upload(&self, content_hash: &[u8], ending: &str) -> PathBuf {
        self.root.join(Self::upload_name(content_hash, ending))
    }

    /// The same, below the folder.
    pub fn upload_name(content_hash: &[u8], ending: &str) -> String {
        let name = hex::encode(content_hash);
        format!("images/{}/{name}.{ending}", &name[..name.len().min(2)])
    }

    /// Where pictures lie that the service was given.
    pub fn images(&self) -> PathBuf {
        self.root.join("images")
    }

    /// Where backups lie, unless their owner says otherwise.
    pub fn backups(&self) -> PathBuf {
        self.root.join("backups")
    }

    /// Where the demo collection is unpacked.
    pub fn demo(&self) -> PathBuf {
        self.root.join("demo")
    }

    /// Where the thumbnail of a picture lies, by the picture's content.
    pub fn thumbnail(&self, content_hash: &[u8], side: u32) -> PathBuf {
        let name = hex::encode(content_hash);
        self.thumbnails().join(&name[..name.len().min(2)]).join(format!("{name}-{side}.jpg"))
    }

    /// All thumbnails.
    pub fn thumbnails(&self) -> PathBuf {
        self.root.join("thumbnails")
    }
}
