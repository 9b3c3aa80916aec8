//! Writing an archive in one pass.

use std::{
    io::{self, Read, Write},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use sha2::{Digest, Sha256};

use crate::{
    archive::{About, ArchiveError, FORMAT, FileEntry, MANIFEST, MANIFEST_SUM, Manifest, header, name, sum_line},
    util::hex,
};

/// Writes an archive, file by file. It is invalid until [`Self::finish`] returns.
pub struct Writer<W: Write> {
    tar: tar::Builder<HashingWriter<W>>,
    files: Vec<FileEntry>,
    /// Modification time of all files, in Unix seconds.
    at: u64,
    stop: Arc<AtomicBool>,
}

/// Length and hash of a finished archive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ArchiveDigest {
    /// Its length.
    pub bytes: u64,
    /// Its SHA-256, in hex.
    pub sha256: String,
}

impl<W: Write> std::fmt::Debug for Writer<W> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Writer").field("files", &self.files.len()).finish_non_exhaustive()
    }
}

impl<W: Write> Writer<W> {
    /// Starts an archive with the time `at` in Unix seconds. Soon after `stop` is set, methods fail with
    /// [`ArchiveError::Cancelled`].
    pub fn new(out: W, at: u64, stop: Arc<AtomicBool>) -> Self {
        Self { tar: tar::Builder::new(HashingWriter::new(out)), files: Vec::new(), at, stop }
    }

    /// Adds a file of exactly `bytes` bytes.
    ///
    /// # Errors
    /// [`ArchiveError::Rejected`] for an invalid name, or if `from` has more or fewer bytes;
    /// [`ArchiveError::Cancelled`]; [`ArchiveError::Io`]. The archive is then unusable.
    pub fn append(&mut self, path: &str, bytes: u64, from: impl Read) -> Result<(), ArchiveError> {
        let sha256 = self.append_hashed(path, bytes, from)?;
        self.files.push(FileEntry { path: path.to_owned(), bytes, sha256 });
        Ok(())
    }

    /// Writes the manifest and closes the archive. Returns its sink, length and hash.
    ///
    /// # Errors
    /// Same as [`Self::append`].
    pub fn finish(mut self, about: About) -> Result<(W, ArchiveDigest), ArchiveError> {
        let manifest = Manifest { format: FORMAT, about, files: std::mem::take(&mut self.files) };
        let text = serde_json::to_vec_pretty(&manifest).expect("a manifest serializes to JSON");
        let sum = sum_line(&self.append_hashed(MANIFEST, text.len() as u64, text.as_slice())?);
        self.append_hashed(MANIFEST_SUM, sum.len() as u64, sum.as_bytes())?;
        let finish = || {
            let mut out = self.tar.into_inner()?;
            out.flush()?;
            Ok(out)
        };
        let HashingWriter { out, sum, bytes } = finish().map_err(|source| write_error(MANIFEST_SUM, source))?;
        Ok((out, ArchiveDigest { bytes, sha256: hex::encode(sum.finalize()) }))
    }

    fn append_hashed(&mut self, path: &str, bytes: u64, from: impl Read) -> Result<String, ArchiveError> {
        let refused = |reason: String| ArchiveError::Rejected { file: path.to_owned(), reason };
        if let Some(reason) = name::name_error(path) {
            return Err(refused(reason.to_owned()));
        }
        let header = header(path, bytes, self.at).map_err(|e| refused(e.to_string()))?;
        // Read one byte more than expected, to notice a file that has grown.
        let mut source =
            HashingReader { from: from.take(bytes.saturating_add(1)), sum: Sha256::new(), bytes: 0, stop: &self.stop };
        let appended = self.tar.append(&header, &mut source);
        if self.stop.load(Ordering::Relaxed) {
            return Err(ArchiveError::Cancelled);
        }
        appended.map_err(|source| write_error(path, source))?;
        if source.bytes != bytes {
            return Err(refused(format!("its length changed from {bytes} bytes while it was read")));
        }
        Ok(hex::encode(source.sum.finalize()))
    }
}

fn write_error(path: &str, source: io::Error) -> ArchiveError {
    ArchiveError::Io { what: format!("{path} could not be written to the archive"), source }
}

/// Reads a file while computing its hash and length.
struct HashingReader<'a, R> {
    from: R,
    sum: Sha256,
    bytes: u64,
    stop: &'a AtomicBool,
}

impl<R: Read> Read for HashingReader<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.stop.load(Ordering::Relaxed) {
            return Err(io::Error::other("the operation was cancelled"));
        }
        let read = self.from.read(buffer)?;
        self.sum.update(&buffer[..read]);
        self.bytes += read as u64;
        Ok(read)
    }
}

/// Writes the archive while computing its hash and length.
struct HashingWriter<W> {
    out: W,
    sum: Sha256,
    bytes: u64,
}

impl<W> HashingWriter<W> {
    fn new(out: W) -> Self {
        Self { out, sum: Sha256::new(), bytes: 0 }
    }
}

impl<W: Write> Write for HashingWriter<W> {
    fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
        let written = self.out.write(buffer)?;
        self.sum.update(&buffer[..written]);
        self.bytes += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}
