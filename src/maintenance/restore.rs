//! Restores a collection from a backup, on any machine.
//!
//! Nothing in the archive is trusted: its manifest is checked against its contents before the first file is written,
//! and each file against its checksum while it is written. Everything is written into a staging folder next to the new
//! data folder and renamed at the end, so a power failure leaves a complete collection or none.
//!
//! Pictures are restored into the new data folder. Image paths are derived from content hashes. Paths stored in the
//! backup are ignored: they belong to another machine, or may be crafted to read arbitrary files.

use std::{
    collections::HashSet,
    fs::{self, File},
    path::{Path, PathBuf},
    time::Instant,
};

use crate::{
    archive::{About, Archive, is_segment},
    catalog::{self, Catalog, CatalogError},
    collection::{CollectionError, DataDir, Job, blocking},
    maintenance::{backup::ending, staging::StagingDir},
};

/// Result of a restore.
#[derive(Debug, Clone, PartialEq)]
pub struct RestoreSummary {
    /// The new data folder.
    pub data: PathBuf,
    /// The description in the backup.
    pub about: About,
    /// Size of its files in bytes.
    pub bytes: u64,
    /// Its duration in seconds.
    pub seconds: f64,
}

/// Restores a backup into the data folder `to`.
///
/// # Errors
/// [`CollectionError::BadOutput`] if `to` is not empty; [`CollectionError::Archive`] with the file that is damaged;
/// [`CollectionError::Cancelled`] soon after the job is cancelled; or if the catalog or the file system fails. In these
/// cases nothing is left behind.
pub async fn restore(archive: &Path, to: &Path, job: &Job) -> Result<RestoreSummary, CollectionError> {
    let began = Instant::now();
    let root = prepare_target(to)?;
    let parent = root.parent().unwrap_or(Path::new("/")).to_owned();
    let archive = archive.to_owned();
    let archive = blocking(move || Archive::open(&archive)).await??;
    let about = archive.manifest().about.clone();

    let staging =
        StagingDir::create(&parent).map_err(CollectionError::io("cannot create a staging folder in", &parent))?;
    let data = staging.path().join("data");
    let unpacked = data.clone();
    let (bytes, unpacking) = (archive.manifest().files.iter().map(|file| file.bytes).sum(), job.clone());
    job.progress.begin("verify and unpack", "byte", Some(bytes));
    blocking(move || unpack(&archive, &unpacked, &unpacking)).await??;

    job.progress.begin("settle the catalog", "catalog", Some(1));
    let catalog = Catalog::open(&data).await?;
    let relocated = relocate(&catalog, &root, &about).await;
    catalog.close().await;
    relocated?;
    job.progress.advance(1);
    blocking(move || {
        // One sync for all files, instead of waiting for the disk for each of them.
        let synced = File::open(&data).and_then(|folder| Ok(rustix::fs::syncfs(&folder)?));
        synced.map_err(CollectionError::io("the collection could not be synced:", &data))?;
        staging.publish(&data, &root)?;
        Ok(RestoreSummary { data: root, about, bytes, seconds: began.elapsed().as_secs_f64() })
    })
    .await?
}

/// The absolute path of the new data folder, which is absent or empty.
fn prepare_target(to: &Path) -> Result<PathBuf, CollectionError> {
    let refused = |reason: &str| {
        let to = to.display();
        Err(CollectionError::BadOutput(format!("{to} {reason}; choose another folder with --data, it will be created")))
    };
    let unreadable = || CollectionError::io("the data folder cannot be read:", to);
    let root = std::path::absolute(to).map_err(unreadable())?;
    match fs::symlink_metadata(&root) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            let above = root.parent().unwrap_or(Path::new("/"));
            if above.is_dir() { Ok(root) } else { refused(&format!("is in {}, which does not exist", above.display())) }
        }
        Err(error) => Err(unreadable()(error)),
        Ok(_) => {
            // Resolve symbolic links.
            let root = fs::canonicalize(&root).map_err(unreadable())?;
            if root.join(catalog::FILE).exists() {
                return refused("has a collection already");
            }
            match fs::read_dir(&root).map_err(unreadable())?.next() {
                Some(_) => refused("is not empty"),
                None => Ok(root),
            }
        }
    }
}

/// Writes all files into `data` and verifies each.
fn unpack(archive: &Archive, data: &Path, job: &Job) -> Result<(), CollectionError> {
    let mut done = 0;
    let mut folders = HashSet::new();
    for entry in &archive.manifest().files {
        let path = data.join(&entry.path);
        let folder = path.parent().unwrap_or(data);
        if folders.insert(folder.to_owned()) {
            fs::create_dir_all(folder).map_err(CollectionError::io("a folder could not be created:", folder))?;
        }
        let mut file = File::create_new(&path).map_err(CollectionError::io("a file could not be made:", &path))?;
        archive.extract(entry, &mut file, &job.stop, &mut |bytes| {
            done += bytes;
            job.progress.advance(done);
        })?;
    }
    Ok(())
}

/// Migrates the catalog, checks it against the manifest, and rewrites the paths of its pictures.
async fn relocate(catalog: &Catalog, root: &Path, about: &About) -> Result<(), CollectionError> {
    let damaged = |reason: String| CatalogError::Damaged { place: catalog::FILE, reason };
    catalog.integrity_check().await?;
    let items = catalog.counts().await?.items.unsigned_abs();
    if items != about.counts.items {
        return Err(damaged(format!("it has {items} items, but the manifest says {}", about.counts.items)).into());
    }
    if let Some(model) = catalog.models().await?.into_iter().find(|model| !is_segment(&model.version)) {
        return Err(damaged(format!("it has a model {:?}, which is not a valid name", model.version)).into());
    }
    let place =
        |content: &[u8], mime: &str| root.join(DataDir::upload_name(content, ending(mime))).display().to_string();
    Ok(catalog.rewrite_image_paths(&place).await?)
}
