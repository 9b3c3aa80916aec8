//! Files that are either complete or absent, and locks between processes.

use std::{
    fs::{self, File, TryLockError},
    io::{self, Write},
    ops::ControlFlow,
    path::{Path, PathBuf},
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

/// Replaces the file at `path` in one step and returns once the new content is durable: the file and its folder are
/// synced. Missing parent folders are created.
///
/// # Errors
/// If an I/O operation fails; then the old file, if any, is untouched.
pub fn write_atomic(path: &Path, bytes: &[u8]) -> io::Result<()> {
    replace(path, bytes, true)
}

/// Like [`write_atomic`], but does not wait for the disk: after a power failure the file may be missing. For caches.
///
/// # Errors
/// If an I/O operation fails; then the old file, if any, is untouched.
pub fn write_atomic_unsynced(path: &Path, bytes: &[u8]) -> io::Result<()> {
    replace(path, bytes, false)
}

fn replace(path: &Path, bytes: &[u8], sync: bool) -> io::Result<()> {
    let parent = parent_of(path);
    fs::create_dir_all(parent)?;
    let temporary = temporary_in(parent);
    let write = || {
        if sync {
            write_synced(&temporary, bytes)?;
        } else {
            fs::write(&temporary, bytes)?;
        }
        fs::rename(&temporary, path)?;
        if sync { sync_dir(parent) } else { Ok(()) }
    };
    let written = write();
    if written.is_err() {
        let _ = fs::remove_file(&temporary);
    }
    written
}

/// A temporary name that is unique to the writer: two threads may write the same file at the same time.
fn temporary_in(parent: &Path) -> PathBuf {
    static WRITERS: AtomicU64 = AtomicU64::new(0);
    let number = WRITERS.fetch_add(1, Ordering::Relaxed);
    parent.join(format!(".{}-{number}.tmp", std::process::id()))
}

fn parent_of(path: &Path) -> &Path {
    path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// Creates or truncates the file at `path`, writes `bytes` and syncs the file, but not its folder.
///
/// # Errors
/// If an I/O operation fails.
pub fn write_synced(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = File::create(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}

/// Moves `from` to `to`, on the same file system, and syncs the folder of `to`.
///
/// # Errors
/// If an I/O operation fails.
pub fn rename_synced(from: &Path, to: &Path) -> io::Result<()> {
    fs::rename(from, to)?;
    sync_dir(parent_of(to))
}

/// Syncs a folder, which makes renames and new names in it durable.
///
/// # Errors
/// If an I/O operation fails.
pub fn sync_dir(path: &Path) -> io::Result<()> {
    if cfg!(unix) { File::open(path)?.sync_all() } else { Ok(()) }
}

/// Removes a folder and everything in it. It may be absent.
///
/// # Errors
/// If an I/O operation fails.
pub fn remove_dir_if_exists(path: &Path) -> io::Result<()> {
    match fs::remove_dir_all(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// Bytes of all files below a folder. Files that cannot be read, or vanish meanwhile, count as empty.
pub fn dir_size(path: &Path) -> u64 {
    let files = walkdir::WalkDir::new(path).into_iter().flatten().filter(|entry| entry.file_type().is_file());
    files.filter_map(|entry| entry.metadata().ok()).map(|metadata| metadata.len()).sum()
}

/// Locks the file at `path`, which is created if it is missing. `None` if another process, or another handle of this
/// one, holds the lock. The lock is released when the returned file is dropped or the process ends.
///
/// # Errors
/// If the file cannot be opened, or the file system does not support locks.
pub fn try_lock_file(path: &Path) -> io::Result<Option<File>> {
    let file = File::options().create(true).append(true).open(path)?;
    match file.try_lock() {
        Ok(()) => Ok(Some(file)),
        Err(TryLockError::WouldBlock) => Ok(None),
        Err(TryLockError::Error(error)) => Err(error),
    }
}

/// Like [`try_lock_file`], but tries again after every `interval` while `on_wait` returns
/// [`Continue`](ControlFlow::Continue). Blocks the thread. `None` if `on_wait` returned [`Break`](ControlFlow::Break).
///
/// # Errors
/// If the file cannot be opened, or the file system does not support locks.
pub fn lock_file(
    path: &Path,
    interval: Duration,
    mut on_wait: impl FnMut() -> ControlFlow<()>,
) -> io::Result<Option<File>> {
    loop {
        if let Some(lock) = try_lock_file(path)? {
            return Ok(Some(lock));
        }
        if on_wait().is_break() {
            return Ok(None);
        }
        std::thread::sleep(interval);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn write_atomic_replaces_the_file_and_leaves_nothing_else() {
        let dir = tempfile::tempdir().expect("a folder");
        let path = dir.path().join("a/b/file");
        write_atomic(&path, b"one").expect("written");
        write_atomic_unsynced(&path, b"two").expect("written");
        assert_eq!(fs::read(&path).expect("read"), b"two");
        assert_eq!(fs::read_dir(path.parent().expect("a parent")).expect("listed").count(), 1);
        assert_eq!(dir_size(dir.path()), 3);
    }

    #[test]
    fn write_atomic_keeps_the_old_file_where_it_fails() {
        let dir = tempfile::tempdir().expect("a folder");
        let path = dir.path().join("taken");
        fs::create_dir_all(path.join("by a folder")).expect("a folder");
        assert!(write_atomic(&path, b"bytes").is_err());
        assert_eq!(fs::read_dir(dir.path()).expect("listed").count(), 1);
    }

    #[test]
    fn lock_file_waits_until_the_holder_is_gone() {
        let dir = tempfile::tempdir().expect("a folder");
        let path = dir.path().join("lock");
        let mut held = try_lock_file(&path).expect("no error");
        assert!(held.is_some());
        assert!(lock_file(&path, Duration::ZERO, || ControlFlow::Break(())).expect("no error").is_none());
        let waited = lock_file(&path, Duration::ZERO, || {
            held = None;
            ControlFlow::Continue(())
        });
        assert!(waited.expect("no error").is_some());
    }
}
