//! Giving back what is no longer needed, while the collection is asked and changed.
//!
//! Each step is so short that nobody notices it: rows go a few thousand at a time, the words' index is merged and free pages are
//! given back in small transactions. The catalog is not written anew in one go, for all who write would wait; only one that was
//! made before pages could be given back one by one is, once, if that takes moments.
//!
//! A picture's file is written before the item's row, so for a moment it is nobody's. What orders the two, also between
//! processes, is the catalog's own lock for writing: a file that no item has is removed while it is held, and an item whose
//! file went is not kept but writes its file again (see [`crate::catalog::PutOutcome::ImageFileMissing`]).

use std::{
    fs,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Instant,
};

use serde::Serialize;
use walkdir::WalkDir;

use crate::{
    catalog::VacuumMode,
    collection::{Collection, CollectionError, Progress, blocking},
    index::GenerationError,
    maintenance::staging::{MaintenanceLock, is_old, tidy},
    training,
    util::fs::dir_size,
};

/// Files that are looked up, and removed, together.
const FILES: usize = 128;

/// What a compaction did.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct CompactSummary {
    /// Bytes of the data folder before, without backups.
    pub bytes_before: u64,
    /// And after.
    pub bytes_after: u64,
    /// What went.
    pub removed: Removed,
    /// What could not be done, and why.
    pub notes: Vec<String>,
    /// How long it took.
    pub seconds: f64,
}

/// What a compaction removed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Removed {
    /// Features of pictures and captions that no item has.
    pub features: u64,
    /// Files of pictures that no item has.
    pub pictures: u64,
    /// Thumbnails of pictures that no item has.
    pub thumbnails: u64,
    /// Generations of the index that could not be gone back to.
    pub generations: u64,
    /// Files and folders that were left unfinished.
    pub temporaries: u64,
}

/// Removes what is no longer needed and gives its room back.
///
/// # Errors
/// [`CollectionError::Cancelled`] soon after `stop` is set; or if the catalog or the file system fails. What went until then is gone, and
/// nothing else.
pub async fn compact(
    collection: &Collection,
    progress: Arc<dyn Progress>,
    stop: Arc<AtomicBool>,
) -> Result<CompactSummary, CollectionError> {
    let began = Instant::now();
    let _alone = MaintenanceLock::with(collection, progress.as_ref(), &stop).await?;
    let work = Work { collection, progress: progress.as_ref(), stop: &stop };
    let mut summary = CompactSummary { bytes_before: work.bytes().await?, ..CompactSummary::default() };
    summary.removed.features = work.features().await?;
    summary.removed.pictures = work.pictures().await?;
    summary.removed.thumbnails = work.thumbnails().await?;
    work.leftovers(&mut summary).await?;
    work.catalog(&mut summary.notes).await?;
    summary.bytes_after = work.bytes().await?;
    summary.seconds = began.elapsed().as_secs_f64();
    Ok(summary)
}

/// A picture's or a thumbnail's file, and the content in its name, in hex.
struct Named {
    content: String,
    path: PathBuf,
}

struct Work<'a> {
    collection: &'a Collection,
    progress: &'a dyn Progress,
    stop: &'a AtomicBool,
}

impl Work<'_> {
    fn go_on(&self) -> Result<(), CollectionError> {
        if self.stop.load(Ordering::Relaxed) { Err(CollectionError::Cancelled) } else { Ok(()) }
    }

    /// Bytes of all that is the service's own, without backups.
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
        self.progress.begin("features", "row", Some(last.unsigned_abs()));
        let (mut at, mut gone) = (0, 0);
        while at < last {
            self.go_on()?;
            let (next, some) = catalog.delete_unused_features(at).await?;
            (at, gone) = (next, gone + some);
            self.progress.advance(at.min(last).unsigned_abs());
        }
        Ok(gone)
    }

    async fn pictures(&self) -> Result<u64, CollectionError> {
        let mut gone = 0;
        for folder in self.folders("pictures", self.collection.data_dir.images()).await? {
            for some in self.unused(folder).await? {
                self.go_on()?;
                let contents = some.iter().map(|named| named.content.clone()).collect();
                // Looked up again, now that no item can come.
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

    /// Thumbnails are made anew when they are asked for, so nobody has to wait.
    async fn thumbnails(&self) -> Result<u64, CollectionError> {
        let mut gone = 0;
        for folder in self.folders("thumbnails", self.collection.data_dir.thumbnails()).await? {
            for some in self.unused(folder).await? {
                self.go_on()?;
                gone += blocking(move || some.iter().filter(|named| remove(&named.path)).count()).await? as u64;
            }
        }
        Ok(gone)
    }

    /// Begins a step through the folders below `above`, each of which holds the files of some contents.
    async fn folders(&self, step: &str, above: PathBuf) -> Result<impl Iterator<Item = PathBuf>, CollectionError> {
        let folders: Vec<PathBuf> = blocking(move || {
            let entries = fs::read_dir(above).into_iter().flatten().flatten();
            entries.map(|entry| entry.path()).filter(|path| path.is_dir()).collect()
        })
        .await?;
        self.progress.begin(step, "folder", Some(folders.len() as u64));
        Ok((0..).zip(folders).map(|(done, folder)| {
            self.progress.advance(done + 1);
            folder
        }))
    }

    /// Files of a folder whose contents no item has, some at a time.
    async fn unused(&self, folder: PathBuf) -> Result<Vec<Vec<Named>>, CollectionError> {
        let files = blocking(move || named_files(&folder)).await?;
        let mut found = Vec::new();
        let mut files = files.into_iter().peekable();
        while files.peek().is_some() {
            let mut some: Vec<Named> = files.by_ref().take(FILES).collect();
            let contents: Vec<String> = some.iter().map(|named| named.content.clone()).collect();
            let used = self.collection.catalog.content_hashes_in_use(&contents).await?;
            some.retain(|named| !used.contains(&named.content));
            if !some.is_empty() {
                found.push(some);
            }
        }
        Ok(found)
    }

    /// What was left unfinished, and what newer generations of the index took the place of.
    async fn leftovers(&self, summary: &mut CompactSummary) -> Result<(), CollectionError> {
        self.go_on()?;
        self.progress.begin("leftovers", "place", Some(2));
        let (store, collection) = (self.collection.index_store(), self.collection.clone());
        let garbage = blocking(move || store.collect_garbage()).await?;
        match garbage {
            Ok(garbage) => summary.removed.generations = garbage.generations,
            Err(error @ (GenerationError::Busy | GenerationError::Damaged { .. })) => {
                summary.notes.push(format!("generations of the index were left as they are: {error}"));
            }
            Err(error) => return Err(CollectionError::IndexOnDisk(error.to_string())),
        }
        self.progress.advance(1);
        summary.removed.temporaries = blocking(move || leftovers(&collection)).await?;
        self.progress.advance(2);
        Ok(())
    }

    async fn catalog(&self, notes: &mut Vec<String>) -> Result<(), CollectionError> {
        let catalog = &self.collection.catalog;
        self.progress.begin("catalog", "page", Some(catalog.free_pages().await?));
        let mut more = catalog.merge_fts(true).await?;
        while more {
            self.go_on()?;
            more = catalog.merge_fts(false).await?;
        }
        match catalog.vacuum_mode().await? {
            VacuumMode::Full => catalog.full_vacuum().await?,
            VacuumMode::TooLarge => notes.push(
                "the catalog keeps its free pages for what comes: it was made by an older version and is too large to be \
                 written anew while others write; a backup and its restore do that"
                    .to_owned(),
            ),
            VacuumMode::Incremental => {
                let all = catalog.free_pages().await?;
                let (mut free, mut before) = (all, u64::MAX);
                while free > 0 && free < before {
                    self.go_on()?;
                    (before, free) = (free, catalog.incremental_vacuum().await?);
                    self.progress.advance(all.saturating_sub(free));
                }
            }
        }
        if !catalog.checkpoint_and_analyze().await? {
            notes.push("the catalog's log could not be cut off, because somebody reads from it".to_owned());
        }
        Ok(())
    }
}

/// Files of a folder that are named by a content.
fn named_files(folder: &Path) -> Vec<Named> {
    let content = |name: &str| {
        let (content, _) = name.split_at_checked(64)?;
        let hex = content.bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte));
        (hex && name[64..].starts_with(['.', '-'])).then(|| content.to_owned())
    };
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    entries
        .filter_map(|entry| Some(Named { content: content(entry.file_name().to_str()?)?, path: entry.path() }))
        .collect()
}

/// Whether a file went. One that stays is found by the next compaction.
fn remove(path: &Path) -> bool {
    match fs::remove_file(path) {
        Ok(()) => true,
        Err(error) => {
            tracing::warn!(%error, path = %path.display(), "a file could not be removed");
            false
        }
    }
}

/// Removes temporary files that nobody has written to for long, backups that were cut off, and a model that got no name.
fn leftovers(collection: &Collection) -> u64 {
    let folder = &collection.data_dir;
    let temporary = |name: &str| name.starts_with('.') && name.ends_with(".tmp");
    let files = [folder.images(), folder.thumbnails(), folder.models()].into_iter().flat_map(WalkDir::new).flatten();
    let old = files.filter(|file| {
        file.file_type().is_file() && file.file_name().to_str().is_some_and(temporary) && is_old(file.path())
    });
    let mut gone = old.filter(|file| remove(file.path())).count() as u64;
    gone += tidy(&folder.backups()).0;
    let unnamed = folder.finishing();
    // Only while nobody trains: it might get its name in a moment.
    if unnamed.exists() && training::lock_training(collection).is_ok_and(|_lock| training::remove(&unnamed).is_ok()) {
        gone += 1;
    }
    gone
}
