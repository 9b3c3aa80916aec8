//! Arrays on disk: little-endian, the bytes of the array in memory, without header.
//!
//! Files are read and not mapped. A mapping is only as good as its file stays: truncating the file later would kill the
//! process with SIGBUS, and writing to it would change results although the checksum was verified at start. A copy in
//! memory is safe from both. Reading and hashing run on all cores, block by block, and a block is hashed while it is in
//! the cache, so the cost is that of one pass through the bytes.

use std::{
    fs::{self, File},
    os::unix::fs::FileExt,
    path::Path,
};

use bytemuck::Pod;
use parking_lot::Mutex;

use super::{
    error::GenerationError,
    manifest::{BLOCK, FileEntry},
};
use crate::{index::aligned::AlignedVec, util::fs::write_synced};

const _: () = assert!(cfg!(target_endian = "little"), "files have the byte order of memory: little-endian");

/// Writes a file, syncs it to disk and returns its entry for the manifest.
pub(super) fn write_file(path: &Path, bytes: &[u8]) -> Result<FileEntry, GenerationError> {
    write_synced(path, bytes).map_err(GenerationError::io("cannot write", path))?;
    let hash = |block| blake3::hash(block).to_hex().to_string();
    Ok(FileEntry { bytes: bytes.len(), blake3: bytes.chunks(BLOCK).map(hash).collect() })
}

/// Reads a file of at most `limit` bytes.
pub(super) fn read_small(path: &Path, limit: u64) -> Result<Vec<u8>, GenerationError> {
    let length = fs::metadata(path).map_err(GenerationError::read(path))?.len();
    if length > limit {
        return Err(GenerationError::damaged(path, format!("it has {length} bytes; the maximum is {limit}")));
    }
    fs::read(path).map_err(GenerationError::read(path))
}

/// Reads a file of exactly `len` values. Nothing is allocated unless the length of the file, its entry and `len` agree,
/// and nothing is returned unless its hashes match.
pub(super) fn read_array<T: Pod>(path: &Path, entry: &FileEntry, len: usize) -> Result<AlignedVec<T>, GenerationError> {
    let file = File::open(path).map_err(GenerationError::read(path))?;
    let found = file.metadata().map_err(GenerationError::read(path))?.len();
    let wanted = len.checked_mul(size_of::<T>());
    if found != entry.bytes as u64 || wanted != Some(entry.bytes) || entry.blake3.len() != entry.bytes.div_ceil(BLOCK) {
        let reason = format!("it has {found} bytes; the manifest has {} bytes of {len} values", entry.bytes);
        return Err(GenerationError::damaged(path, reason));
    }
    let mut array = AlignedVec::zeros(len)?;
    let blocks = array.as_bytes_mut().chunks_mut(BLOCK).zip(&entry.blake3).enumerate();
    let read_block = |(n, (block, hash)): (usize, (&mut [u8], &String))| {
        file.read_exact_at(block, (n * BLOCK) as u64).map_err(|source| match source.kind() {
            std::io::ErrorKind::UnexpectedEof => GenerationError::damaged(path, "it was truncated while it was read"),
            _ => GenerationError::io("cannot read", path)(source),
        })?;
        let matches = blake3::hash(block).to_hex().as_str() == hash;
        let error = || GenerationError::damaged(path, format!("the checksum of MiB {n} does not match"));
        matches.then_some(()).ok_or_else(error)
    };
    on_all_cores(blocks, read_block)?;
    Ok(array)
}

/// Runs `work` on each of `items`, on one thread for each core, until one fails.
pub(super) fn on_all_cores<I: Send>(
    items: impl Iterator<Item = I> + Send,
    work: impl Fn(I) -> Result<(), GenerationError> + Sync,
) -> Result<(), GenerationError> {
    let (items, failed) = (Mutex::new(items), Mutex::new(None));
    let run = || {
        while failed.lock().is_none() {
            let Some(item) = items.lock().next() else { return };
            if let Err(error) = work(item) {
                *failed.lock() = Some(error);
            }
        }
    };
    std::thread::scope(|scope| {
        // This thread works too, and suffices if the system does not start others.
        for _ in 1..crate::compute::cores() {
            let _ = std::thread::Builder::new().name("index-open".to_owned()).spawn_scoped(scope, run);
        }
        run();
    });
    failed.into_inner().map_or(Ok(()), Err)
}
