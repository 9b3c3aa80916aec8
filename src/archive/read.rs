//! Reading an archive that may be anybody's.

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
        ArchiveError, BLOCK, END, FORMAT, FileEntry, MANIFEST, MANIFEST_SUM, Manifest, header, name, padding, sum_line,
    },
    util::hex,
};

/// Bytes that are read at once.
const PIECE: usize = 1 << 20;

/// Bytes that a manifest may have: so many, and so many more for each file.
const MANIFEST_BYTES: (u64, u64) = (1 << 20, 512);

/// An archive whose list of files was read, and fits the files that are there. What they hold was not read yet.
#[derive(Debug)]
pub struct Archive {
    file: File,
    manifest: Manifest,
    members: BTreeMap<String, Member>,
}

/// Where a file lies in the archive.
#[derive(Debug, Clone, Copy)]
struct Member {
    at: u64,
    bytes: u64,
}

impl Archive {
    /// Opens an archive: looks at every header, verifies the manifest, and compares both. Spends no more memory than
    /// the number of files that are there asks for.
    ///
    /// # Errors
    /// [`ArchiveError::Torn`], [`ArchiveError::Damaged`], [`ArchiveError::Stray`], [`ArchiveError::Missing`],
    /// [`ArchiveError::OtherFormat`], [`ArchiveError::Io`].
    pub fn open(path: &Path) -> Result<Self, ArchiveError> {
        let io = |source| ArchiveError::io("the archive could not be read:", path)(source);
        let file = File::open(path).map_err(io)?;
        let metadata = file.metadata().map_err(io)?;
        if !metadata.is_file() {
            return Err(ArchiveError::Torn(format!("{} is not a regular file", path.display())));
        }
        let mut members = members(&file, metadata.len())?;
        let mut last = |name: &str| match members.pop() {
            Some((last, member)) if last == name => Ok(member),
            _ => Err(ArchiveError::Torn(format!("it does not end with {name}"))),
        };
        let sum = last(MANIFEST_SUM)?;
        let text = last(MANIFEST)?;
        let manifest = manifest(&file, text, sum, members.len() as u64)?;
        let members = compare(&manifest.files, members)?;
        Ok(Self { file, manifest, members })
    }

    /// What it says of itself.
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// Writes what a file of the manifest holds to `to`, telling `advance` how many bytes came, and verifies it.
    ///
    /// # Errors
    /// [`ArchiveError::Damaged`] if it is not what was written, [`ArchiveError::Stopped`] soon after `stop` is set,
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
        let mut piece = vec![0; usize::try_from(bytes).map_or(PIECE, |bytes| bytes.min(PIECE))];
        while at < end {
            if stop.load(Ordering::Relaxed) {
                return Err(ArchiveError::Stopped);
            }
            let length = piece.len().min(usize::try_from(end - at).unwrap_or(PIECE));
            let some = &mut piece[..length];
            self.file.read_exact_at(some, at).map_err(unread(path))?;
            sum.update(&*some);
            to.write_all(some)
                .map_err(|source| ArchiveError::Io { what: format!("{path} could not be written"), source })?;
            at += length as u64;
            advance(length as u64);
        }
        if hex::encode(sum.finalize()) != entry.sha256 {
            return Err(ArchiveError::damaged(path, "its SHA-256 is not the one in the manifest"));
        }
        filled(&self.file, path, at, padding(bytes))
    }
}

fn unread(path: &str) -> impl FnOnce(std::io::Error) -> ArchiveError + use<'_> {
    move |source| ArchiveError::Io { what: format!("{path} could not be read from the archive"), source }
}

/// Holds that there are so many zeros, at most [`END`], at a place behind a file.
fn filled(file: &File, path: &str, at: u64, bytes: u64) -> Result<(), ArchiveError> {
    let mut some = [0; END as usize];
    let some = &mut some[..bytes as usize];
    file.read_exact_at(some, at).map_err(unread(path))?;
    let all = some.iter().all(|byte| *byte == 0);
    if all { Ok(()) } else { Err(ArchiveError::damaged(path, "what fills the space behind it is not zero")) }
}

/// All files of an archive, in their order; every byte that is in none of them, but for what fills them up, is as it
/// has to be.
fn members(file: &File, length: u64) -> Result<Vec<(String, Member)>, ArchiveError> {
    if !length.is_multiple_of(BLOCK) {
        return Err(ArchiveError::Torn(format!("it has {length} bytes, which are no whole blocks of {BLOCK}")));
    }
    let mut members: Vec<(String, Member)> = Vec::new();
    let mut end = 0;
    let mut tar = tar::Archive::new(file);
    let entries = tar.entries_with_seek().map_err(unread("the first header"))?;
    // Raw: what is an extension of tar's, a link, a folder or a device is an entry as well, and no plain file.
    for entry in entries.raw(true) {
        let entry = entry
            .map_err(|e| ArchiveError::damaged(&format!("the header behind {}", last(&members)), e.to_string()))?;
        let name = String::from_utf8_lossy(&entry.path_bytes()).into_owned();
        let stray = |reason: &str| ArchiveError::Stray { file: format!("{name:?}"), reason: reason.to_owned() };
        if entry.header().entry_type() != tar::EntryType::Regular {
            return Err(stray("it is not a plain file"));
        }
        if let Some(reason) = name::fault(&name) {
            return Err(stray(reason));
        }
        let (at, bytes) = (entry.raw_file_position(), entry.size());
        let written = entry.header().mtime().ok().and_then(|time| header(&name, bytes, time).ok());
        if written.is_none_or(|written| written.as_bytes() != entry.header().as_bytes()) {
            return Err(ArchiveError::damaged(&name, "its header is not as diptych writes it"));
        }
        let after = bytes.checked_next_multiple_of(BLOCK).and_then(|whole| at.checked_add(whole));
        end = after
            .filter(|after| *after <= length)
            .ok_or_else(|| ArchiveError::Torn(format!("it ends within {name}, which has {bytes} bytes")))?;
        members.push((name, Member { at, bytes }));
    }
    if length < end + END {
        return Err(ArchiveError::Torn(format!("it ends behind {}", last(&members))));
    }
    if length > end + END {
        let more = length - end - END;
        return Err(ArchiveError::Torn(format!("{more} bytes follow where it ends, behind {}", last(&members))));
    }
    filled(file, last(&members), end, END)?;
    Ok(members)
}

fn last(members: &[(String, Member)]) -> &str {
    members.last().map_or("nothing", |(name, _)| name)
}

/// Reads the manifest of an archive with so many files beside it, if it is the one that was written.
fn manifest(file: &File, text: Member, sum: Member, files: u64) -> Result<Manifest, ArchiveError> {
    #[derive(serde::Deserialize)]
    struct Format {
        format: u64,
    }
    let damaged = |reason: String| ArchiveError::damaged(MANIFEST, reason);
    let most = MANIFEST_BYTES.0 + MANIFEST_BYTES.1 * files;
    if text.bytes > most {
        return Err(damaged(format!("it has {} bytes; for {files} files at most {most} are likely", text.bytes)));
    }
    let read = |member: Member, path: &str| {
        let mut bytes = vec![0; member.bytes as usize];
        file.read_exact_at(&mut bytes, member.at).map_err(unread(path))?;
        filled(file, path, member.at + member.bytes, padding(member.bytes))?;
        Ok::<_, ArchiveError>(bytes)
    };
    let text = read(text, MANIFEST)?;
    let line = sum_line(&hex::encode(Sha256::digest(&text)));
    if sum.bytes != line.len() as u64 || read(sum, MANIFEST_SUM)? != line.as_bytes() {
        return Err(damaged(format!("its SHA-256 is not the one in {MANIFEST_SUM}")));
    }
    let Format { format } = serde_json::from_slice(&text).map_err(|e| damaged(e.to_string()))?;
    if format != u64::from(FORMAT) {
        return Err(ArchiveError::OtherFormat { found: format });
    }
    serde_json::from_slice(&text).map_err(|e| damaged(e.to_string()))
}

/// The files by name, if the list names all of them, each once and with its length, and no other.
fn compare(list: &[FileEntry], members: Vec<(String, Member)>) -> Result<BTreeMap<String, Member>, ArchiveError> {
    let mut files = BTreeMap::new();
    for (name, member) in members {
        match files.entry(name) {
            Entry::Vacant(place) => place.insert(member),
            Entry::Occupied(place) => {
                return Err(ArchiveError::Stray { file: place.key().clone(), reason: "it is there twice".into() });
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
        Some(name) => Err(ArchiveError::Stray { file: name.clone(), reason: "the manifest does not list it".into() }),
        None => Ok(files),
    }
}
