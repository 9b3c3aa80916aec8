//! Reclaims disk space while the collection is in use.
//!
//! Each step is short: rows are deleted a few thousand at a time, the keyword index is merged and free pages are
//! returned in small transactions. We never run a full VACUUM, which would block writers, except once on small
//! databases that predate incremental vacuum.
//!
//! An image file is written before its row, so it is briefly unreferenced. The catalog's write lock orders the two,
//! also between processes: an unreferenced file is removed while it is held, and an item whose file was removed is not
//! written but writes its file again (see [`crate::catalog::PutOutcome::ImageFileMissing`]).

use std::{
    fs,
    path::{Path, PathBuf},
    time::Instant,
};

use serde::Serialize;
use walkdir::WalkDir;

use crate::{
    catalog::VacuumMode,
    collection::{Collection, CollectionError, Job, blocking},
    index::GenerationError,
    maintenance::{
        lock::MaintenanceLock,
        staging::{is_old, remove_stale},
    },
    training,
    util::fs::dir_size,
};

/// The number of files per lookup and removal.
const FILES: usize = 128;

/// Result of a compaction.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct CompactSummary {
    /// Bytes of the data folder before it, without backups.
    pub bytes_before: u64,
    /// Bytes after it.
    pub bytes_after: u64,
    /// Numbers of removed entries.
    pub removed: Removed,
    /// Steps that were skipped, with reasons.
    pub notes: Vec<String>,
    /// Its duration in seconds.
    pub seconds: f64,
}

/// Numbers of what a compaction removed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Removed {
    /// Features of unreferenced pictures and captions.
    pub features: u64,
    /// Files of unreferenced pictures.
    pub pictures: u64,
    /// Thumbnails of unreferenced pictures.
    pub thumbnails: u64,
    /// Index generations that no rollback could use.
    pub generations: u64,
    /// Stale temporary files and folders.
    pub temporaries: u64,
}

/// Removes unreferenced data and returns free space to the file system.
///
/// # Errors
/// [`CollectionError::Cancelled`] soon after the job is cancelled; or if the catalog or the file system fails. Removals
/// until then are kept.
pub async fn compact(collection: &Collection, job: &Job) -> Result<CompactSummary, CollectionError> {
    let began = Instant::now();
    let _lock = MaintenanceLock::acquire(collection, job).await?;
    let compaction = Compaction { collection, job };
    let mut summary = CompactSummary { bytes_before: compaction.bytes().await?, ..CompactSummary::default() };
    summary.removed.features = compaction.features().await?;
    summary.removed.pictures = compaction.pictures().await?;
    summary.removed.thumbnails = compaction.thumbnails().await?;
    compaction.leftovers(&mut summary).await?;
    compaction.catalog(&mut summary.notes).await?;
    summary.bytes_after = compaction.bytes().await?;
    summary.seconds = began.elapsed().as_secs_f64();
    Ok(summary)
}

/// A picture's or a thumbnail's file, and the content hash in its name, in hex.
struct ContentFile {
    content: String,
    path: PathBuf,
}

struct Compaction<'a> {
    collection: &'a Collection,
    job: &'a Job,
}

impl Compaction<'_> {
    /// Bytes of the data folder without backups.
    async fn bytes(&self) -> Result<u64, CollectionError> {
        let folder = self.collection.data_dir.clone();
        blocking(move || {
            let folders = [folder.images(), folder.thumbnails(), folder.models(), folder.index()];
            let files = ["", "-wal"].map(|end| folder.root().join(format!("{}{end}", crate::catalog::FILE)));
            let files = files.iter().filter_map(|file| file.metadata().ok()).map(|metadata| metadata.len());
            folders.iter().map(|folder| dir_size(folder)).chain(files).sum()
        })
        .await
    }

    async fn features(&self) -> Result<u64, CollectionError> {
        let catalog = &self.collection.catalog;
        let last = catalog.max_feature_rowid().await?;
        self.job.progress.begin("features", "row", Some(last.unsigned_abs()));
        let (mut at, mut gone) = (0, 0);
        while at < last {
            self.job.check_cancelled()?;
            let (next, some) = catalog.delete_unused_features(at).await?;
            (at, gone) = (next, gone + some);
            self.job.progress.advance(at.min(last).unsigned_abs());
        }
        Ok(gone)
    }

    async fn pictures(&self) -> Result<u64, CollectionError> {
        let mut gone = 0;
        for folder in self.folders("pictures", self.collection.data_dir.images()).await? {
            for some in self.unused(folder).await? {
                self.job.check_cancelled()?;
                let contents = some.iter().map(|named| named.content.clone()).collect();
                // Look up again under the write lock, so that no item can be added.
                let remove = move |unused: Vec<String>| {
                    some.iter()
                        .filter(|named| unused.contains(&named.content))
                        .filter(|named| remove(&named.path))
                        .count()
                };
                gone += self.collection.catalog.lock_if_unused(contents, remove).await? as u64;
            }
        }
        Ok(gone)
    }

    /// Thumbnails are created again on demand, so no lock is needed.
    async fn thumbnails(&self) -> Result<u64, CollectionError> {
        let mut gone = 0;
        for folder in self.folders("thumbnails", self.collection.data_dir.thumbnails()).await? {
            for some in self.unused(folder).await? {
                self.job.check_cancelled()?;
                gone += blocking(move || some.iter().filter(|named| remove(&named.path)).count()).await? as u64;
            }
        }
        Ok(gone)
    }

    /// Begins a step through the folders in `above`, each of which has files named after content hashes.
    async fn folders(&self, step: &str, above: PathBuf) -> Result<impl Iterator<Item = PathBuf>, CollectionError> {
        let folders: Vec<PathBuf> = blocking(move || {
            let entries = fs::read_dir(above).into_iter().flatten().flatten();
            entries.map(|entry| entry.path()).filter(|path| path.is_dir()).collect()
        })
        .await?;
        self.job.progress.begin(step, "folder", Some(folders.len() as u64));
        Ok((0..).zip(folders).map(|(done, folder)| {
            self.job.progress.advance(done + 1);
            folder
        }))
    }

    /// Unreferenced files of a folder, in groups.
    async fn unused(&self, folder: PathBuf) -> Result<Vec<Vec<ContentFile>>, CollectionError> {
        let files = blocking(move || named_files(&folder)).await?;
        let mut found = Vec::new();
        let mut files = files.into_iter().peekable();
        while files.peek().is_some() {
            let mut some: Vec<ContentFile> = files.by_ref().take(FILES).collect();
            let contents: Vec<String> = some.iter().map(|named| named.content.clone()).collect();
            let used = self.collection.catalog.content_hashes_in_use(&contents).await?;
            some.retain(|named| !used.contains(&named.content));
            if !some.is_empty() {
                found.push(some);
            }
        }
        Ok(found)
    }

    /// Stale temporary files, and index generations that newer ones replaced.
    async fn leftovers(&self, summary: &mut CompactSummary) -> Result<(), CollectionError> {
        self.job.check_cancelled()?;
        self.job.progress.begin("leftovers", "place", Some(2));
        let (store, collection) = (self.collection.index_store(), self.collection.clone());
        let garbage = blocking(move || store.collect_garbage()).await?;
        match garbage {
            Ok(garbage) => summary.removed.generations = garbage.generations,
            Err(error @ (GenerationError::Busy | GenerationError::Damaged { .. })) => {
                summary.notes.push(format!("old generations of the index were not removed: {error}"));
            }
            Err(error) => return Err(CollectionError::IndexOnDisk(error.to_string())),
        }
        self.job.progress.advance(1);
        summary.removed.temporaries = blocking(move || remove_stale_files(&collection)).await?;
        self.job.progress.advance(2);
        Ok(())
    }

    async fn catalog(&self, notes: &mut Vec<String>) -> Result<(), CollectionError> {
        let catalog = &self.collection.catalog;
        self.job.progress.begin("catalog", "page", Some(catalog.free_pages().await?));
        let mut more = catalog.merge_fts(true).await?;
        while more {
            self.job.check_cancelled()?;
            more = catalog.merge_fts(false).await?;
        }
        match catalog.vacuum_mode().await? {
            VacuumMode::Full => catalog.full_vacuum().await?,
            VacuumMode::TooLarge => notes.push(
                "the catalog keeps its free pages for new rows: it was created by an older version and is too \
                 large for a full vacuum while others write; a backup and its restore shrink it"
                    .to_owned(),
            ),
            VacuumMode::Incremental => {
                let all = catalog.free_pages().await?;
                let (mut free, mut before) = (all, u64::MAX);
                while free > 0 && free < before {
                    self.job.check_cancelled()?;
                    (before, free) = (free, catalog.incremental_vacuum().await?);
                    self.job.progress.advance(all.saturating_sub(free));
                }
            }
        }
        if !catalog.checkpoint_and_analyze().await? {
            notes.push("the write-ahead log could not be truncated, because a reader uses it".to_owned());
        }
        Ok(())
    }
}

/// Files of a folder that are named after a content hash.
fn named_files(folder: &Path) -> Vec<ContentFile> {
    let content = |name: &str| {
        let (content, _) = name.split_at_checked(64)?;
        let hex = content.bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte));
        (hex && name[64..].starts_with(['.', '-'])).then(|| content.to_owned())
    };
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    entries
        .filter_map(|entry| Some(ContentFile { content: content(entry.file_name().to_str()?)?, path: entry.path() }))
        .collect()
}

/// Whether a file was removed. If not, the next compaction finds it again.
fn remove(path: &Path) -> bool {
    match fs::remove_file(path) {
        Ok(()) => true,
        Err(error) => {
            tracing::warn!(%error, path = %path.display(), "a file could not be removed");
            false
        }
    }
}

/// Removes stale temporary files, staging folders of interrupted backups, and an unfinished model.
fn remove_stale_files(collection: &Collection) -> u64 {
    let folder = &collection.data_dir;
    let temporary = |name: &str| name.starts_with('.') && name.ends_with(".tmp");
    let files = [folder.images(), folder.thumbnails(), folder.models()].into_iter().flat_map(WalkDir::new).flatten();
    let old = files.filter(|file| {
        file.file_type().is_file() && file.file_name().to_str().is_some_and(temporary) && is_old(file.path())
    });
    let mut gone = old.filter(|file| remove(file.path())).count() as u64;
    gone += remove_stale(&folder.backups()).0;
    let unnamed = folder.finishing();
    // Only while no training is running, which might be about to rename it.
    if unnamed.exists() && training::lock_training(collection).is_ok_and(|_lock| training::remove(&unnamed).is_ok()) {
        gone += 1;
    }
    gone
}
