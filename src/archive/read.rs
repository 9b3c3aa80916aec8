//! Reading an untrusted archive.

use std::{
    collections::{BTreeMap, HashSet, btree_map::Entry},
    fs::File,
    io::Write,
    os::unix::fs::FileExt,
    path::Path,
    sync::atomic::{AtomicBool, Ordering},
};

use sha2::{Digest, Sha256};

use crate::{
    archive::{
        ArchiveError, BLOCK_BYTES, END_BYTES, FORMAT, FileEntry, MANIFEST, MANIFEST_SUM, Manifest, header, name,
        padding, sum_line,
    },
    util::hex,
};

/// Size of the read buffer.
const CHUNK_BYTES: usize = 1 << 20;

/// Maximum size of a manifest: a constant, plus an amount per file.
const MANIFEST_BYTES: (u64, u64) = (1 << 20, 512);

/// An archive whose manifest is valid and matches its files. The content of the files has not been read.
#[derive(Debug)]
pub struct Archive {
    file: File,
    manifest: Manifest,
    members: BTreeMap<String, Member>,
}

/// Position of a file in the archive.
#[derive(Debug, Clone, Copy)]
struct Member {
    at: u64,
    bytes: u64,
}

impl Archive {
    /// Opens an archive: reads every header, verifies the manifest, and compares both. Memory use is proportional to
    /// the number of files that the archive actually has.
    ///
    /// # Errors
    /// [`ArchiveError::Malformed`], [`ArchiveError::Damaged`], [`ArchiveError::Unexpected`], [`ArchiveError::Missing`],
    /// [`ArchiveError::OtherFormat`], [`ArchiveError::Io`].
    pub fn open(path: &Path) -> Result<Self, ArchiveError> {
        let io = |source| ArchiveError::io("the archive could not be read:", path)(source);
        let file = File::open(path).map_err(io)?;
        let metadata = file.metadata().map_err(io)?;
        if !metadata.is_file() {
            return Err(ArchiveError::Malformed(format!("{} is not a regular file", path.display())));
        }
        let mut members = members(&file, metadata.len())?;
        let mut last = |name: &str| match members.pop() {
            Some((last, member)) if last == name => Ok(member),
            _ => Err(ArchiveError::Malformed(format!("it does not end with {name}"))),
        };
        let sum = last(MANIFEST_SUM)?;
        let text = last(MANIFEST)?;
        let manifest = manifest(&file, text, sum, members.len() as u64)?;
        let members = compare(&manifest.files, members)?;
        Ok(Self { file, manifest, members })
    }

    /// The manifest of the archive.
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// Writes the content of a file to `to` and verifies it. `advance` receives the number of bytes after each chunk.
    ///
    /// # Errors
    /// [`ArchiveError::Damaged`] if its SHA-256 does not match, [`ArchiveError::Cancelled`] soon after `stop` is set,
    /// [`ArchiveError::Io`].
    pub fn extract(
        &self,
        entry: &FileEntry,
        to: &mut dyn Write,
        stop: &AtomicBool,
        advance: &mut dyn FnMut(u64),
    ) -> Result<(), ArchiveError> {
        let path = entry.path.as_str();
        let Member { mut at, bytes } = *self.members.get(path).ok_or_else(|| ArchiveError::Missing(path.to_owned()))?;
        let end = at + bytes;
        let mut sum = Sha256::new();
        let mut chunk = vec![0; usize::try_from(bytes).map_or(CHUNK_BYTES, |bytes| bytes.min(CHUNK_BYTES))];
        while at < end {
            if stop.load(Ordering::Relaxed) {
                return Err(ArchiveError::Cancelled);
            }
            let length = chunk.len().min(usize::try_from(end - at).unwrap_or(CHUNK_BYTES));
            let buffer = &mut chunk[..length];
            self.file.read_exact_at(buffer, at).map_err(read_error(path))?;
            sum.update(&*buffer);
            to.write_all(buffer)
                .map_err(|source| ArchiveError::Io { what: format!("{path} could not be written"), source })?;
            at += length as u64;
            advance(length as u64);
        }
        if hex::encode(sum.finalize()) != entry.sha256 {
            return Err(ArchiveError::damaged(path, "its SHA-256 does not match the manifest"));
        }
        check_zeros(&self.file, path, at, padding(bytes))
    }
}

fn read_error(path: &str) -> impl FnOnce(std::io::Error) -> ArchiveError + use<'_> {
    move |source| ArchiveError::Io { what: format!("{path} could not be read from the archive"), source }
}

/// Checks that `bytes` zeros, at most [`END_BYTES`], follow a file at offset `at`.
fn check_zeros(file: &File, path: &str, at: u64, bytes: u64) -> Result<(), ArchiveError> {
    let mut buffer = [0; END_BYTES as usize];
    let buffer = &mut buffer[..bytes as usize];
    file.read_exact_at(buffer, at).map_err(read_error(path))?;
    let all = buffer.iter().all(|byte| *byte == 0);
    if all { Ok(()) } else { Err(ArchiveError::damaged(path, "its padding is not zero")) }
}

/// All files of an archive, in their order. Checks everything between them except for their padding.
fn members(file: &File, length: u64) -> Result<Vec<(String, Member)>, ArchiveError> {
    if !length.is_multiple_of(BLOCK_BYTES) {
        return Err(ArchiveError::Malformed(format!(
            "its length of {length} bytes is not a multiple of {BLOCK_BYTES}"
        )));
    }
    let mut members: Vec<(String, Member)> = Vec::new();
    let mut end = 0;
    let mut tar = tar::Archive::new(file);
    let entries = tar.entries_with_seek().map_err(read_error("the first header"))?;
    // Raw entries include extensions of tar, which have to be rejected like links, folders and devices.
    for entry in entries.raw(true) {
        let entry =
            entry.map_err(|e| ArchiveError::damaged(&format!("the header after {}", last(&members)), e.to_string()))?;
        let name = String::from_utf8_lossy(&entry.path_bytes()).into_owned();
        let unexpected =
            |reason: &str| ArchiveError::Unexpected { file: format!("{name:?}"), reason: reason.to_owned() };
        if entry.header().entry_type() != tar::EntryType::Regular {
            return Err(unexpected("it is not a regular file"));
        }
        if let Some(reason) = name::name_error(&name) {
            return Err(unexpected(reason));
        }
        let (at, bytes) = (entry.raw_file_position(), entry.size());
        let written = entry.header().mtime().ok().and_then(|time| header(&name, bytes, time).ok());
        if written.is_none_or(|written| written.as_bytes() != entry.header().as_bytes()) {
            return Err(ArchiveError::damaged(&name, "its header differs from what diptych writes"));
        }
        let after = bytes.checked_next_multiple_of(BLOCK_BYTES).and_then(|whole| at.checked_add(whole));
        end = after
            .filter(|after| *after <= length)
            .ok_or_else(|| ArchiveError::Malformed(format!("it ends within {name}, which has {bytes} bytes")))?;
        members.push((name, Member { at, bytes }));
    }
    if length < end + END_BYTES {
        return Err(ArchiveError::Malformed(format!("it ends after {}", last(&members))));
    }
    if length > end + END_BYTES {
        let more = length - end - END_BYTES;
        return Err(ArchiveError::Malformed(format!("{more} bytes follow its end, after {}", last(&members))));
    }
    check_zeros(file, last(&members), end, END_BYTES)?;
    Ok(members)
}

fn last(members: &[(String, Member)]) -> &str {
    members.last().map_or("its start", |(name, _)| name)
}

/// Reads and verifies the manifest of an archive with a number of other files.
fn manifest(file: &File, text: Member, sum: Member, files: u64) -> Result<Manifest, ArchiveError> {
    #[derive(serde::Deserialize)]
    struct Format {
        format: u64,
    }
    let damaged = |reason: String| ArchiveError::damaged(MANIFEST, reason);
    let max_bytes = MANIFEST_BYTES.0 + MANIFEST_BYTES.1 * files;
    if text.bytes > max_bytes {
        return Err(damaged(format!("it has {} bytes; for {files} files at most {max_bytes} are allowed", text.bytes)));
    }
    let read = |member: Member, path: &str| {
        let mut bytes = vec![0; member.bytes as usize];
        file.read_exact_at(&mut bytes, member.at).map_err(read_error(path))?;
        check_zeros(file, path, member.at + member.bytes, padding(member.bytes))?;
        Ok::<_, ArchiveError>(bytes)
    };
    let text = read(text, MANIFEST)?;
    let line = sum_line(&hex::encode(Sha256::digest(&text)));
    if sum.bytes != line.len() as u64 || read(sum, MANIFEST_SUM)? != line.as_bytes() {
        return Err(damaged(format!("its SHA-256 does not match {MANIFEST_SUM}")));
    }
    let Format { format } = serde_json::from_slice(&text).map_err(|e| damaged(e.to_string()))?;
    if format != u64::from(FORMAT) {
        return Err(ArchiveError::OtherFormat { found: format });
    }
    serde_json::from_slice(&text).map_err(|e| damaged(e.to_string()))
}

/// The files by name, if the manifest lists exactly these, each once and with its length.
fn compare(list: &[FileEntry], members: Vec<(String, Member)>) -> Result<BTreeMap<String, Member>, ArchiveError> {
    let mut files = BTreeMap::new();
    for (name, member) in members {
        match files.entry(name) {
            Entry::Vacant(place) => place.insert(member),
            Entry::Occupied(place) => {
                return Err(ArchiveError::Unexpected { file: place.key().clone(), reason: "it appears twice".into() });
            }
        };
    }
    let mut listed = HashSet::new();
    for FileEntry { path, bytes, .. } in list {
        let member = files.get(path).ok_or_else(|| ArchiveError::Missing(path.clone()))?;
        if member.bytes != *bytes {
            let reason = format!("it has {} bytes, but the manifest says {bytes}", member.bytes);
            return Err(ArchiveError::damaged(path, reason));
        }
        if !listed.insert(path.as_str()) {
            return Err(ArchiveError::damaged(MANIFEST, format!("it lists {path} twice")));
        }
    }
    match files.keys().find(|name| !listed.contains(name.as_str())) {
        Some(name) => {
            Err(ArchiveError::Unexpected { file: name.clone(), reason: "the manifest does not list it".into() })
        }
        None => Ok(files),
    }
}
