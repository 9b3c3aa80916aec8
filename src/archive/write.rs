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

/// Writes an archive, file by file. One that is not finished is torn.
pub struct Writer<W: Write> {
    tar: tar::Builder<Summed<W>>,
    files: Vec<FileEntry>,
    /// The time of all files, in Unix seconds.
    at: u64,
    stop: Arc<AtomicBool>,
}

/// A finished archive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Written {
    /// Its length.
    pub bytes: u64,
    /// SHA-256 of all of it, in hex.
    pub sha256: String,
}

impl<W: Write> std::fmt::Debug for Writer<W> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Writer").field("files", &self.files.len()).finish_non_exhaustive()
    }
}

impl<W: Write> Writer<W> {
    /// An archive with no file yet, of the moment `at` in Unix seconds. It ends with [`ArchiveError::Stopped`] soon
    /// after `stop` is set.
    pub fn new(out: W, at: u64, stop: Arc<AtomicBool>) -> Self {
        Self { tar: tar::Builder::new(Summed::new(out)), files: Vec::new(), at, stop }
    }

    /// Adds a file of exactly `bytes` bytes.
    ///
    /// # Errors
    /// [`ArchiveError::Refused`] for a name that no backup holds, or if `from` has more or fewer bytes;
    /// [`ArchiveError::Stopped`]; [`ArchiveError::Io`]. Then the archive is worth nothing.
    pub fn append(&mut self, path: &str, bytes: u64, from: impl Read) -> Result<(), ArchiveError> {
        let sha256 = self.put(path, bytes, from)?;
        self.files.push(FileEntry { path: path.to_owned(), bytes, sha256 });
        Ok(())
    }

    /// Closes the archive with its manifest. Gives back what it was written to, with what there is of it.
    ///
    /// # Errors
    /// As [`Self::append`].
    pub fn finish(mut self, about: About) -> Result<(W, Written), ArchiveError> {
        let manifest = Manifest { format: FORMAT, about, files: std::mem::take(&mut self.files) };
        let text = serde_json::to_vec_pretty(&manifest).expect("a manifest has nothing that JSON has not");
        let sum = sum_line(&self.put(MANIFEST, text.len() as u64, text.as_slice())?);
        self.put(MANIFEST_SUM, sum.len() as u64, sum.as_bytes())?;
        let finish = || {
            let mut out = self.tar.into_inner()?;
            out.flush()?;
            Ok(out)
        };
        let Summed { out, sum, bytes } = finish().map_err(|source| unwritten(MANIFEST_SUM, source))?;
        Ok((out, Written { bytes, sha256: hex::encode(sum.finalize()) }))
    }

    fn put(&mut self, path: &str, bytes: u64, from: impl Read) -> Result<String, ArchiveError> {
        let refused = |reason: String| ArchiveError::Refused { file: path.to_owned(), reason };
        if let Some(reason) = name::fault(path) {
            return Err(refused(reason.to_owned()));
        }
        let header = header(path, bytes, self.at).map_err(|e| refused(e.to_string()))?;
        // One byte more than there should be: a file that grows is noticed as well.
        let mut source =
            Source { from: from.take(bytes.saturating_add(1)), sum: Sha256::new(), bytes: 0, stop: &self.stop };
        let put = self.tar.append(&header, &mut source);
        if self.stop.load(Ordering::Relaxed) {
            return Err(ArchiveError::Stopped);
        }
        put.map_err(|source| unwritten(path, source))?;
        if source.bytes != bytes {
            return Err(refused(format!(
                "it had {bytes} bytes when it was begun, and another length when it was read"
            )));
        }
        Ok(hex::encode(source.sum.finalize()))
    }
}

fn unwritten(path: &str, source: io::Error) -> ArchiveError {
    ArchiveError::Io { what: format!("{path} could not be put into the archive"), source }
}

/// What is put into a file, summed up on the way.
struct Source<'a, R> {
    from: R,
    sum: Sha256,
    bytes: u64,
    stop: &'a AtomicBool,
}

impl<R: Read> Read for Source<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.stop.load(Ordering::Relaxed) {
            return Err(io::Error::other("the work was stopped"));
        }
        let read = self.from.read(buffer)?;
        self.sum.update(&buffer[..read]);
        self.bytes += read as u64;
        Ok(read)
    }
}

/// What the archive is written to, summed up on the way.
struct Summed<W> {
    out: W,
    sum: Sha256,
    bytes: u64,
}

impl<W> Summed<W> {
    fn new(out: W) -> Self {
        Self { out, sum: Sha256::new(), bytes: 0 }
    }
}

impl<W: Write> Write for Summed<W> {
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
