//! Indexes on disk: immutable generations, and one small file that says which is the current one.
//!
//! ```text
//! index/CURRENT               "8 <BLAKE3 of 8/manifest.json>", then the older ones that are kept
//! index/LOCK                  held by whoever writes
//! index/8/manifest.json       Manifest: model, watermark, shapes, and length and hashes of each file
//! index/8/pictures.keys       u64, ascending
//! index/8/pictures.vectors    f32, [points, dims rounded up to 16]
//! index/8/pictures.links      u32, [points, width], and .upper: the layers above
//! index/8/pictures.codes      u8, [points, dims rounded up to 64], and .steps: f32, [dims]
//! ```
//!
//! A generation is written to a folder under another name, through to the disk, then renamed; then `CURRENT` is replaced
//! by rename. Whatever moment the power fails at, `CURRENT` names a generation that is whole. Opening follows the hashes
//! from `CURRENT` to every byte, checks then that the numbers make an index, and answers with what is wrong instead of
//! with a wrong index; it does not panic, and allocates nothing whose size was not confirmed by the file system.

mod index_io;
mod manifest;
mod pin;
mod table_io;

use std::{
    collections::BTreeMap,
    fs::{self, File, TryLockError},
    path::{Path, PathBuf},
};

use super::{IndexError, StaticIndex, VectorIndex};
use manifest::{Current, FORMAT};
use table_io::{damaged, read_small, sync_folder, write};

pub use manifest::{FileEntry, GraphEntry, IndexEntry, Manifest};
pub use pin::{Garbage, HeldGeneration};

const CURRENT: &str = "CURRENT";
const MANIFEST: &str = "manifest.json";

/// Folders that begin so are unfinished.
const UNFINISHED: &str = "unfinished-";

/// Bytes that `CURRENT` and a manifest have at most.
const LIMITS: [u64; 2] = [1 << 16, 1 << 28];

/// More dimensions are no honest space.
const MAX_DIMS: usize = 1 << 16;

/// Why a generation could not be written or opened.
#[derive(Debug, thiserror::Error)]
pub enum GenerationError {
    /// There is none.
    #[error("no generation was written yet")]
    Missing,
    /// What is on disk is not what was written.
    #[error("the index's file {file} is damaged: {reason}")]
    Damaged {
        /// Its name.
        file: String,
        /// What is wrong with it.
        reason: String,
    },
    /// It was written by another version of the program.
    #[error("the index has format {found}, but this program reads {FORMAT}")]
    OtherFormat {
        /// What the manifest says.
        found: u64,
    },
    /// It belongs to another space.
    #[error("the index is of model {found}, but {expected} is wanted")]
    OtherModel {
        /// The model, and its space's dimensions, that were asked for.
        expected: String,
        /// Those of the manifest.
        found: String,
    },
    /// Another process is writing.
    #[error("another process is writing an index in this folder")]
    Busy,
    /// A name that cannot be part of a file's name.
    #[error("{0:?} is no name for an index: lower-case letters alone are")]
    BadName(String),
    /// The parts do not make an index.
    #[error(transparent)]
    Index(#[from] IndexError),
    /// The file system refused.
    #[error("{what}: {source}")]
    Io {
        /// What was being done, with the path.
        what: String,
        /// What the system said.
        source: std::io::Error,
    },
}

impl GenerationError {
    fn io(what: &str, path: &Path) -> impl FnOnce(std::io::Error) -> Self + use<> {
        let what = format!("{what} {}", path.display());
        move |source| Self::Io { what, source }
    }
}

/// The space that an index is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Space<'a> {
    /// The model.
    pub model: &'a str,
    /// Its dimensions.
    pub dims: usize,
}

/// A generation in memory.
#[derive(Debug)]
pub struct Opened {
    /// Its number.
    pub number: u64,
    /// What it says of itself.
    pub manifest: Manifest,
    /// Its indexes, by name.
    pub indexes: BTreeMap<String, StaticIndex>,
}

/// The folder in which generations lie.
#[derive(Debug, Clone)]
pub struct GenerationStore {
    root: PathBuf,
}

impl GenerationStore {
    /// The generations below `root`, which need not exist.
    pub fn new(root: impl Into<PathBuf>) -> Self {
        Self { root: root.into() }
    }

    /// Numbers of the generations that can be opened, the current one first.
    ///
    /// # Errors
    /// [`GenerationError::Damaged`], [`GenerationError::Io`]. No generation is no error here.
    pub fn numbers(&self) -> Result<Vec<u64>, GenerationError> {
        Ok(self.current()?.0.into_iter().map(|(number, _)| number).collect())
    }

    /// Opens the newest generation of `space`: the current one or, where an older model answers again, one that was kept.
    ///
    /// # Errors
    /// [`GenerationError::Missing`] without any; [`GenerationError::OtherModel`] if all are of others; else as
    /// [`Self::open`].
    pub fn open_newest(&self, space: Space<'_>) -> Result<Opened, GenerationError> {
        let mut other = None;
        for number in self.numbers()? {
            match self.open(number, space) {
                Err(error @ GenerationError::OtherModel { .. }) => other = other.or(Some(error)),
                opened => return opened,
            }
        }
        Err(other.unwrap_or(GenerationError::Missing))
    }

    /// Opens a generation, if it is of `space`: every byte is verified before it is used.
    ///
    /// # Errors
    /// [`GenerationError::Missing`] if there is no such generation, [`GenerationError::Damaged`],
    /// [`GenerationError::OtherFormat`], [`GenerationError::OtherModel`], [`GenerationError::Index`] if there is no memory,
    /// [`GenerationError::Io`].
    pub fn open(&self, number: u64, space: Space<'_>) -> Result<Opened, GenerationError> {
        let current = self.current()?;
        let (_, hash) = current.0.iter().find(|(n, _)| *n == number).ok_or(GenerationError::Missing)?;
        let folder = self.folder(number);
        let path = folder.join(MANIFEST);
        let manifest = read_manifest(&path, hash)?;
        if manifest.model != space.model || manifest.dims != space.dims {
            let name = |model: &str, dims: usize| format!("{model} with {dims} dimensions");
            let (expected, found) = (name(space.model, space.dims), name(&manifest.model, manifest.dims));
            return Err(GenerationError::OtherModel { expected, found });
        }
        if !(1..=MAX_DIMS).contains(&manifest.dims) {
            return Err(damaged(&path, format!("{} dimensions are not 1 to {MAX_DIMS}", manifest.dims)));
        }
        let mut indexes = BTreeMap::new();
        for (name, entry) in &manifest.indexes {
            check_name(name).map_err(|e| damaged(&path, e.to_string()))?;
            indexes.insert(name.clone(), index_io::load(&folder, name, manifest.dims, entry)?);
        }
        Ok(Opened { number, manifest, indexes })
    }

    /// Writes a generation and makes it the current one. `keep` older ones stay, to be gone back to; those beyond them
    /// and what an interrupted write left are removed. All indexes are of `space`.
    ///
    /// # Errors
    /// [`GenerationError::Busy`], [`GenerationError::BadName`], [`GenerationError::Index`] for an index of other
    /// dimensions, [`GenerationError::Io`]. Then what was current stays so.
    pub fn write(
        &self,
        space: Space<'_>,
        watermark: &str,
        indexes: &[(&str, &StaticIndex)],
        keep: usize,
    ) -> Result<u64, GenerationError> {
        for (name, index) in indexes {
            check_name(name)?;
            if index.dims() != space.dims {
                return Err(IndexError::WrongDims { expected: space.dims, found: index.dims() }.into());
            }
        }
        let _lock = self.lock()?;
        // What cannot be read is not kept; it could not be gone back to either.
        let mut current = self.current().unwrap_or_default();
        let number = self.folders()?.into_iter().chain(current.0.iter().map(|(n, _)| *n)).max().unwrap_or(0) + 1;
        let unfinished = self.root.join(format!("{UNFINISHED}{number}"));
        self.collect(&current)?;
        fs::create_dir(&unfinished).map_err(GenerationError::io("a folder could not be made:", &unfinished))?;
        let mut manifest = Manifest {
            format: FORMAT,
            model: space.model.to_owned(),
            watermark: watermark.to_owned(),
            dims: space.dims,
            indexes: BTreeMap::new(),
        };
        for (name, index) in indexes {
            manifest.indexes.insert((*name).to_owned(), index_io::save(&unfinished, name, index)?);
        }
        let text = serde_json::to_vec_pretty(&manifest).expect("a manifest has nothing that JSON has not");
        write(&unfinished.join(MANIFEST), &text)?;
        sync_folder(&unfinished)?;
        let folder = self.folder(number);
        fs::rename(&unfinished, &folder).map_err(GenerationError::io("a folder could not be renamed:", &folder))?;
        sync_folder(&self.root)?;
        current.0.insert(0, (number, blake3::hash(&text).to_hex().to_string()));
        current.0.truncate(keep + 1);
        self.replace_current(&current)?;
        self.collect(&current)?;
        Ok(number)
    }

    fn folder(&self, number: u64) -> PathBuf {
        self.root.join(number.to_string())
    }

    fn current(&self) -> Result<Current, GenerationError> {
        let path = self.root.join(CURRENT);
        if !path.try_exists().map_err(GenerationError::io("a file could not be read:", &path))? {
            return Ok(Current::default());
        }
        let bytes = read_small(&path, LIMITS[0])?;
        let current = std::str::from_utf8(&bytes).ok().and_then(Current::parse);
        current.ok_or_else(|| damaged(&path, "it is no list of generations"))
    }

    fn replace_current(&self, current: &Current) -> Result<(), GenerationError> {
        let (new, path) = (self.root.join("CURRENT.new"), self.root.join(CURRENT));
        let _ = fs::remove_file(&new);
        write(&new, current.text().as_bytes())?;
        fs::rename(&new, &path).map_err(GenerationError::io("a file could not be renamed:", &path))?;
        sync_folder(&self.root)
    }

    /// Holds the folder until it is dropped.
    fn lock(&self) -> Result<File, GenerationError> {
        let path = self.root.join("LOCK");
        let io = |source| GenerationError::io("a file could not be locked:", &path)(source);
        fs::create_dir_all(&self.root).map_err(io)?;
        let file = File::options().create(true).truncate(false).write(true).open(&path).map_err(io)?;
        match file.try_lock() {
            Ok(()) => Ok(file),
            Err(TryLockError::WouldBlock) => Err(GenerationError::Busy),
            Err(TryLockError::Error(source)) => Err(io(source)),
        }
    }

    /// Numbers of all generations' folders, whatever is in them.
    fn folders(&self) -> Result<Vec<u64>, GenerationError> {
        Ok(self.entries()?.iter().filter_map(|name| name.parse().ok()).collect())
    }

    fn entries(&self) -> Result<Vec<String>, GenerationError> {
        let read =
            || fs::read_dir(&self.root)?.map(|entry| entry.map(|e| e.file_name())).collect::<Result<Vec<_>, _>>();
        let names = read().map_err(GenerationError::io("a folder could not be read:", &self.root))?;
        Ok(names.into_iter().filter_map(|name| name.into_string().ok()).collect())
    }

    /// Removes folders that are unfinished, or that `current` does not name.
    fn collect(&self, current: &Current) -> Result<(), GenerationError> {
        for name in self.entries()? {
            let old = name.parse().is_ok_and(|number: u64| current.0.iter().all(|(kept, _)| *kept != number));
            if old || name.starts_with(UNFINISHED) {
                let path = self.root.join(name);
                fs::remove_dir_all(&path).map_err(GenerationError::io("a folder could not be removed:", &path))?;
            }
        }
        Ok(())
    }
}

fn read_manifest(path: &Path, hash: &str) -> Result<Manifest, GenerationError> {
    #[derive(serde::Deserialize)]
    struct Format {
        format: u64,
    }
    let text = read_small(path, LIMITS[1])?;
    if blake3::hash(&text).to_hex().as_str() != hash {
        return Err(damaged(path, "its checksum does not fit"));
    }
    let unreadable = |e: serde_json::Error| damaged(path, e.to_string());
    let Format { format } = serde_json::from_slice(&text).map_err(unreadable)?;
    if format != u64::from(FORMAT) {
        return Err(GenerationError::OtherFormat { found: format });
    }
    serde_json::from_slice(&text).map_err(unreadable)
}

fn check_name(name: &str) -> Result<(), GenerationError> {
    let fits = !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_lowercase());
    if fits { Ok(()) } else { Err(GenerationError::BadName(name.to_owned())) }
}

#[cfg(test)]
mod tests;
