//! Where files are made that get their names when they are whole, and who may tidy up.
//!
//! What is made lies in a folder of its own beside the place where it will be, so that a rename puts it there in one moment. The
//! folder is held by a lock, which the system lets go when the process ends, however it ends. So whoever comes later knows what
//! is left over, and removes it.

use std::{
    fs::{self, File, TryLockError},
    io,
    path::{Path, PathBuf},
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};

use crate::{
    collection::{Collection, CollectionError, Progress},
    util::fs::{dir_size, rename_synced, try_lock_file},
};

/// Folders that begin so hold what is unfinished.
const UNFINISHED: &str = ".diptych-unfinished-";

/// The file in one that is locked while somebody works there.
const LOCK: &str = "LOCK";

/// What is unfinished and has no lock, because it was begun a moment ago or has almost gone, is left over after this time. So is a
/// temporary file.
pub(crate) const LEFT_OVER: Duration = Duration::from_secs(60 * 60);

/// How often a lock is tried that another process holds.
const TRY_EVERY: Duration = Duration::from_millis(100);

/// A folder for what is unfinished; it goes when this is dropped.
#[derive(Debug)]
pub(crate) struct StagingDir {
    path: PathBuf,
    _lock: File,
}

impl StagingDir {
    /// Makes one in `parent`, which is made as well, and removes those there that nobody works in.
    pub(crate) fn make(parent: &Path) -> io::Result<Self> {
        fs::create_dir_all(parent)?;
        tidy(parent);
        let path = parent.join(format!("{UNFINISHED}{:016x}", rand::random::<u64>()));
        fs::create_dir(&path)?;
        let lock = File::create(path.join(LOCK))?;
        // A file system without locks: then nobody else can tell that this is left over, and it stays.
        if let Err(TryLockError::Error(error)) = lock.try_lock() {
            tracing::warn!(%error, path = %path.display(), "a folder for unfinished work could not be locked");
        }
        Ok(Self { path, _lock: lock })
    }

    /// The folder.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Puts what was made here, and is on the disk, where it belongs, and waits until it is on the disk under that name.
    pub(crate) fn put(&self, made: &Path, to: &Path) -> Result<(), CollectionError> {
        rename_synced(made, to).map_err(CollectionError::io("what was made could not be put in its place:", to))
    }
}

impl Drop for StagingDir {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_dir_all(&self.path) {
            tracing::warn!(%error, path = %self.path.display(), "unfinished work could not be removed");
        }
    }
}

/// Removes what was left unfinished in `parent` and is nobody's any more. Gives how many folders went, and their bytes.
pub(crate) fn tidy(parent: &Path) -> (u64, u64) {
    let (mut count, mut bytes) = (0, 0);
    for entry in fs::read_dir(parent).into_iter().flatten().flatten() {
        let path = entry.path();
        if entry.file_name().to_string_lossy().starts_with(UNFINISHED) && is_left_over(&path) {
            let size = dir_size(&path);
            match fs::remove_dir_all(&path) {
                Ok(()) => (count, bytes) = (count + 1, bytes + size),
                Err(error) => tracing::warn!(%error, path = %path.display(), "unfinished work could not be removed"),
            }
        }
    }
    (count, bytes)
}

fn is_left_over(path: &Path) -> bool {
    match File::options().write(true).open(path.join(LOCK)) {
        Ok(lock) => lock.try_lock().is_ok(),
        Err(_) => is_old(path),
    }
}

/// Whether nobody has written to this for [`LEFT_OVER`].
pub(crate) fn is_old(path: &Path) -> bool {
    let age = fs::symlink_metadata(path).and_then(|metadata| metadata.modified()).ok().and_then(|at| at.elapsed().ok());
    age.is_some_and(|age| age >= LEFT_OVER)
}

/// Keeps other backups and compactions of the same collection, in whichever process, from working until it is dropped: what one
/// reads the other might remove.
#[derive(Debug)]
pub(crate) struct MaintenanceLock {
    _lock: File,
}

impl MaintenanceLock {
    /// Waits until no other one is at work.
    pub(crate) async fn with(
        collection: &Collection,
        progress: &dyn Progress,
        stop: &AtomicBool,
    ) -> Result<Self, CollectionError> {
        let path = collection.data_dir.root().join("upkeep.lock");
        let mut told = false;
        loop {
            let lock = try_lock_file(&path).map_err(CollectionError::io("the lock could not be taken:", &path))?;
            if let Some(lock) = lock {
                return Ok(Self { _lock: lock });
            }
            if stop.load(Ordering::Relaxed) {
                return Err(CollectionError::Cancelled);
            }
            if !told {
                progress.note("waiting for the end of another backup or compaction");
                told = true;
            }
            tokio::time::sleep(TRY_EVERY).await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_somebody_works_in_stays_and_what_is_left_over_goes() {
        let folder = tempfile::tempdir().expect("a folder");
        let one = StagingDir::make(folder.path()).expect("a workplace");
        fs::write(one.path().join("half"), [0; 10]).expect("a file");
        // As a process leaves it that is killed: the lock is let go, the folder stays.
        let other = StagingDir::make(folder.path()).expect("a workplace");
        fs::write(other.path().join("half"), [0; 20]).expect("a file");
        let left = other.path().to_owned();
        let StagingDir { path: _, _lock } = &other;
        _lock.unlock().expect("it can be let go");
        std::mem::forget(other);
        let young = folder.path().join(format!("{UNFINISHED}young"));
        fs::create_dir(&young).expect("a folder");

        assert_eq!(tidy(folder.path()), (1, 20));
        assert!(one.path().exists() && !left.exists() && young.exists());
        let path = one.path().to_owned();
        drop(one);
        assert!(!path.exists());
    }
}
