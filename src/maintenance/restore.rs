//! A collection from a backup, on any machine.
//!
//! Nothing is believed: all that the archive says is compared with what is there before the first file is written, and each file
//! with its sum as it is written. All is made in a folder beside the new data folder, which gets its name at the end: whatever
//! moment the power fails at, there is a whole collection or none.
//!
//! Pictures come to lie in the new data folder. Where is not read from the backup's catalog but follows from their contents: a
//! path in there is of another machine, or of somebody who wants to see a file that is none of his business.

use std::{
    collections::HashSet,
    fs::{self, File},
    path::{Path, PathBuf},
    sync::{Arc, atomic::AtomicBool},
    time::Instant,
};

use crate::{
    archive::{About, Archive, is_segment},
    catalog::{self, Catalog, CatalogError},
    collection::{CollectionError, DataDir, Progress, blocking},
    maintenance::{backup::ending, staging::StagingDir},
};

/// What a restore made.
#[derive(Debug, Clone, PartialEq)]
pub struct RestoreSummary {
    /// The new data folder.
    pub data: PathBuf,
    /// What the backup says of itself.
    pub about: About,
    /// Bytes of its files.
    pub bytes: u64,
    /// How long it took.
    pub seconds: f64,
}

/// Makes the data folder `to` from a backup.
///
/// # Errors
/// [`CollectionError::BadOutput`] if there is something already; [`CollectionError::Archive`] with the file that is wrong;
/// [`CollectionError::Cancelled`] soon after `stop` is set; or if the catalog or the file system fails. Then nothing is left of it.
pub async fn restore(
    archive: &Path,
    to: &Path,
    progress: Arc<dyn Progress>,
    stop: Arc<AtomicBool>,
) -> Result<RestoreSummary, CollectionError> {
    let began = Instant::now();
    let root = free_place(to)?;
    let parent = root.parent().unwrap_or(Path::new("/")).to_owned();
    let archive = archive.to_owned();
    let archive = blocking(move || Archive::open(&archive)).await??;
    let about = archive.manifest().about.clone();

    let workplace = StagingDir::make(&parent).map_err(CollectionError::io("nothing can be made in", &parent))?;
    let data = workplace.path().join("data");
    let unpacked = data.clone();
    let (bytes, heard) = (archive.manifest().files.iter().map(|file| file.bytes).sum(), Arc::clone(&progress));
    progress.begin("verify and unpack", "byte", Some(bytes));
    blocking(move || unpack(&archive, &unpacked, heard.as_ref(), &stop)).await??;

    progress.begin("settle the catalog", "catalog", Some(1));
    let catalog = Catalog::open(&data).await?;
    let settled = settle(&catalog, &root, &about).await;
    catalog.close().await;
    settled?;
    progress.advance(1);
    blocking(move || {
        // One call for all files: one by one, each would wait for the disk.
        let synced = File::open(&data).and_then(|folder| Ok(rustix::fs::syncfs(&folder)?));
        synced.map_err(CollectionError::io("the collection could not be written to the disk:", &data))?;
        workplace.put(&data, &root)?;
        Ok(RestoreSummary { data: root, about, bytes, seconds: began.elapsed().as_secs_f64() })
    })
    .await?
}

/// The place of the new data folder, if nothing is there or an empty folder.
fn free_place(to: &Path) -> Result<PathBuf, CollectionError> {
    let refused = |reason: &str| {
        let to = to.display();
        Err(CollectionError::BadOutput(format!("{to} {reason}; --data names another folder, which a restore makes")))
    };
    let unreadable = || CollectionError::io("the data folder cannot be read:", to);
    let root = std::path::absolute(to).map_err(unreadable())?;
    match fs::symlink_metadata(&root) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            let above = root.parent().unwrap_or(Path::new("/"));
            if above.is_dir() {
                Ok(root)
            } else {
                refused(&format!("would lie in {}, which is not there", above.display()))
            }
        }
        Err(error) => Err(unreadable()(error)),
        Ok(_) => {
            // A link leads to the folder that is meant.
            let root = fs::canonicalize(&root).map_err(unreadable())?;
            if root.join(catalog::FILE).exists() {
                return refused("holds a collection already");
            }
            match fs::read_dir(&root).map_err(unreadable())?.next() {
                Some(_) => refused("is not empty"),
                None => Ok(root),
            }
        }
    }
}

/// Writes all files below `data`, each verified.
fn unpack(archive: &Archive, data: &Path, progress: &dyn Progress, stop: &AtomicBool) -> Result<(), CollectionError> {
    let mut done = 0;
    let mut folders = HashSet::new();
    for entry in &archive.manifest().files {
        let path = data.join(&entry.path);
        let folder = path.parent().unwrap_or(data);
        if folders.insert(folder.to_owned()) {
            fs::create_dir_all(folder).map_err(CollectionError::io("a folder could not be made:", folder))?;
        }
        let mut file = File::create_new(&path).map_err(CollectionError::io("a file could not be made:", &path))?;
        archive.extract(entry, &mut file, stop, &mut |bytes| {
            done += bytes;
            progress.advance(done);
        })?;
    }
    Ok(())
}

/// Brings the catalog to this version's form, holds it to what the backup says of it, and tells it where its pictures lie.
async fn settle(catalog: &Catalog, root: &Path, about: &About) -> Result<(), CollectionError> {
    let damaged = |reason: String| CatalogError::Damaged { place: catalog::FILE, reason };
    catalog.integrity_check().await?;
    let items = catalog.counts().await?.items.unsigned_abs();
    if items != about.counts.items {
        return Err(damaged(format!("it has {items} items, but the manifest says {}", about.counts.items)).into());
    }
    if let Some(model) = catalog.models().await?.into_iter().find(|model| !is_segment(&model.version)) {
        return Err(damaged(format!("it has a model {:?}, which is no name of one", model.version)).into());
    }
    let place =
        |content: &[u8], mime: &str| root.join(DataDir::upload_name(content, ending(mime))).display().to_string();
    Ok(catalog.rewrite_image_paths(&place).await?)
}
