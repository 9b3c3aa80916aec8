//! Tables on disk: little-endian, as they lie in memory, from the first byte of a file to its last.
//!
//! They could be mapped, and are read instead. A map is only as good as the file stays: whoever shortens it later ends
//! the process with SIGBUS, and whoever writes to it changes answers behind a checksum that was verified long ago. What was
//! read into memory and hashed there is safe from both. Reading and hashing run on all cores, block by block, and a block
//! is hashed while it is still in the cache; the cost is that of one pass through the bytes.

use std::{
    fs::{self, File},
    io::Write,
    os::unix::fs::FileExt,
    path::Path,
    sync::{Mutex, PoisonError},
};

use bytemuck::Pod;

use super::{
    super::aligned::Table,
    GenerationError,
    manifest::{BLOCK, FileEntry},
};

const _: () = assert!(cfg!(target_endian = "little"), "tables are on disk as they are in memory: little-endian");

/// Writes bytes to a new file, and through to the disk.
pub(super) fn write(path: &Path, bytes: &[u8]) -> Result<FileEntry, GenerationError> {
    let write = || {
        let mut file = File::create_new(path)?;
        file.write_all(bytes)?;
        file.sync_all()
    };
    write().map_err(GenerationError::io("a file could not be written:", path))?;
    let hash = |block| blake3::hash(block).to_hex().to_string();
    Ok(FileEntry { bytes: bytes.len(), blake3: bytes.chunks(BLOCK).map(hash).collect() })
}

/// Writes the names of a folder's files through to the disk.
pub(super) fn sync_folder(path: &Path) -> Result<(), GenerationError> {
    let sync = || File::open(path)?.sync_all();
    sync().map_err(GenerationError::io("a folder could not be written:", path))
}

/// Reads a small file that is no longer than `limit`.
pub(super) fn read_small(path: &Path, limit: u64) -> Result<Vec<u8>, GenerationError> {
    let length = fs::metadata(path).map_err(unreadable(path))?.len();
    if length > limit {
        return Err(damaged(path, format!("it has {length} bytes, but at most {limit} are likely")));
    }
    fs::read(path).map_err(unreadable(path))
}

/// Damage of the file at `path`.
pub(super) fn damaged(path: &Path, reason: impl Into<String>) -> GenerationError {
    let file = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    GenerationError::Damaged { file, reason: reason.into() }
}

/// A file that is missing is damage; anything else is the system's refusal.
pub(super) fn unreadable(path: &Path) -> impl FnOnce(std::io::Error) -> GenerationError + use<'_> {
    move |source| match source.kind() {
        std::io::ErrorKind::NotFound => damaged(path, "it is missing"),
        _ => GenerationError::io("a file could not be read:", path)(source),
    }
}

/// Reads a file of exactly `len` numbers into a table. Nothing is allocated before the length of the file itself, what its
/// entry says and what is expected are the same; nothing is returned whose hash is another.
pub(super) fn read<T: Pod>(path: &Path, entry: &FileEntry, len: usize) -> Result<Table<T>, GenerationError> {
    let file = File::open(path).map_err(unreadable(path))?;
    let found = file.metadata().map_err(unreadable(path))?.len();
    let wanted = len.checked_mul(size_of::<T>());
    if found != entry.bytes as u64 || wanted != Some(entry.bytes) || entry.blake3.len() != entry.bytes.div_ceil(BLOCK) {
        let reason = format!("it has {found} bytes; written were {}, of {len} numbers", entry.bytes);
        return Err(damaged(path, reason));
    }
    let mut table = Table::zeros(len)?;
    let blocks = table.bytes_mut().chunks_mut(BLOCK).zip(&entry.blake3).enumerate();
    let read_block = |(n, (block, hash)): (usize, (&mut [u8], &String))| {
        file.read_exact_at(block, (n * BLOCK) as u64).map_err(|source| match source.kind() {
            std::io::ErrorKind::UnexpectedEof => damaged(path, "it became shorter while it was read"),
            _ => GenerationError::io("a file could not be read:", path)(source),
        })?;
        let fits = blake3::hash(block).to_hex().as_str() == hash;
        if fits { Ok(()) } else { Err(damaged(path, format!("the checksum of MiB {n} does not fit"))) }
    };
    on_all_cores(blocks, read_block)?;
    Ok(table)
}

/// Runs `work` on each of `items`, on as many threads as there are cores, until one fails.
pub(super) fn on_all_cores<I: Send>(
    items: impl Iterator<Item = I> + Send,
    work: impl Fn(I) -> Result<(), GenerationError> + Sync,
) -> Result<(), GenerationError> {
    let (items, failed) = (Mutex::new(items), Mutex::new(None));
    let lock = PoisonError::into_inner;
    let run = || {
        while failed.lock().unwrap_or_else(lock).is_none() {
            let Some(item) = items.lock().unwrap_or_else(PoisonError::into_inner).next() else { return };
            if let Err(error) = work(item) {
                *failed.lock().unwrap_or_else(PoisonError::into_inner) = Some(error);
            }
        }
    };
    std::thread::scope(|scope| {
        // One less than there are cores: this thread works too, and is enough where the system refuses others.
        for _ in 1..crate::compute::cores() {
            let _ = std::thread::Builder::new().name("index-open".to_owned()).spawn_scoped(scope, run);
        }
        run();
    });
    failed.into_inner().unwrap_or_else(PoisonError::into_inner).map_or(Ok(()), Err)
}
