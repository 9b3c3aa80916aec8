//! Staging folders, in which files are written and then renamed to their final path.
//!
//! A staging folder is next to the final path, so that a rename suffices. Its owner locks a file in it. The operating
//! system releases the lock when the process ends, so that other processes can recognise stale staging folders and
//! remove them.

use std::{
    fs::{self, File, TryLockError},
    io,
    path::{Path, PathBuf},
    time::Duration,
};

use crate::{
    collection::CollectionError,
    util::fs::{dir_size, rename_synced},
};

/// Prefix of the names of staging folders.
const UNFINISHED: &str = ".diptych-unfinished-";

/// The file in a staging folder that its owner locks.
const LOCK: &str = "LOCK";

/// A staging folder without a lock file (created a moment ago, or almost removed) and a temporary file are stale after
/// this time.
pub(crate) const STALE_AFTER: Duration = Duration::from_secs(60 * 60);

/// A staging folder, removed when this is dropped.
#[derive(Debug)]
pub(crate) struct StagingDir {
    path: PathBuf,
    _lock: File,
}

impl StagingDir {
    /// Creates a staging folder in `parent`, which is created if necessary, and removes stale ones there.
    pub(crate) fn create(parent: &Path) -> io::Result<Self> {
        fs::create_dir_all(parent)?;
        remove_stale(parent);
        let path = parent.join(format!("{UNFINISHED}{:016x}", rand::random::<u64>()));
        fs::create_dir(&path)?;
        let lock = File::create(path.join(LOCK))?;
        // Without locks in the file system, it can never be recognised as stale, and stays.
        if let Err(TryLockError::Error(error)) = lock.try_lock() {
            tracing::warn!(%error, path = %path.display(), "a staging folder could not be locked");
        }
        Ok(Self { path, _lock: lock })
    }

    /// The folder.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Renames `made`, which is in this folder and synced, to its final path, and syncs that.
    pub(crate) fn publish(&self, made: &Path, to: &Path) -> Result<(), CollectionError> {
        rename_synced(made, to).map_err(CollectionError::io("the result could not be renamed to", to))
    }
}

impl Drop for StagingDir {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_dir_all(&self.path) {
            tracing::warn!(%error, path = %self.path.display(), "a staging folder could not be removed");
        }
    }
}

/// Removes the stale staging folders in `parent`. Returns how many there were, and their bytes.
pub(crate) fn remove_stale(parent: &Path) -> (u64, u64) {
    let (mut count, mut bytes) = (0, 0);
    for entry in fs::read_dir(parent).into_iter().flatten().flatten() {
        let path = entry.path();
        if entry.file_name().to_string_lossy().starts_with(UNFINISHED) && is_stale(&path) {
            let size = dir_size(&path);
            match fs::remove_dir_all(&path) {
                Ok(()) => (count, bytes) = (count + 1, bytes + size),
                Err(error) => tracing::warn!(%error, path = %path.display(), "a staging folder could not be removed"),
            }
        }
    }
    (count, bytes)
}

fn is_stale(path: &Path) -> bool {
    match File::options().write(true).open(path.join(LOCK)) {
        Ok(lock) => lock.try_lock().is_ok(),
        Err(_) => is_old(path),
    }
}

/// Whether the last write was at least [`STALE_AFTER`] ago.
pub(crate) fn is_old(path: &Path) -> bool {
    let age = fs::symlink_metadata(path).and_then(|metadata| metadata.modified()).ok().and_then(|at| at.elapsed().ok());
    age.is_some_and(|age| age >= STALE_AFTER)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_somebody_works_in_stays_and_what_is_stale_goes() {
        let folder = tempfile::tempdir().expect("a folder");
        let one = StagingDir::create(folder.path()).expect("a staging folder");
        fs::write(one.path().join("half"), [0; 10]).expect("a file");
        // As a killed process leaves it: the lock is released, the folder stays.
        let other = StagingDir::create(folder.path()).expect("a staging folder");
        fs::write(other.path().join("half"), [0; 20]).expect("a file");
        let left = other.path().to_owned();
        let StagingDir { path: _, _lock } = &other;
        _lock.unlock().expect("it can be let go");
        std::mem::forget(other);
        let young = folder.path().join(format!("{UNFINISHED}young"));
        fs::create_dir(&young).expect("a folder");

        assert_eq!(remove_stale(folder.path()), (1, 20));
        assert!(one.path().exists() && !left.exists() && young.exists());
        let path = one.path().to_owned();
        drop(one);
        assert!(!path.exists());
    }
}
