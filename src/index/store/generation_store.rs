//! The folder of all generations.

use std::{
    collections::BTreeMap,
    fs::{self, File},
    path::{Path, PathBuf},
};

use super::{
    current::Current,
    index_io::{read_index, write_index},
    layout::{CURRENT, MANIFEST, MAX_CURRENT, UNFINISHED, check_name, read_manifest},
    manifest::FORMAT,
    table_io::{read_small, write_file},
};
use crate::{
    index::{GenerationError, IndexError, Manifest, StaticIndex, VectorIndex},
    util::fs::{rename_synced, sync_dir, try_lock_file, write_atomic},
};

/// Maximum number of dimensions. A manifest with more is damaged.
const MAX_DIMS: usize = 1 << 16;

/// The space of an index.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Space<'a> {
    /// Its model.
    pub model: &'a str,
    /// Its dimensions.
    pub dims: usize,
}

/// A generation in memory.
#[derive(Debug)]
pub struct LoadedGeneration {
    /// Number of the generation.
    pub number: u64,
    /// Its manifest.
    pub manifest: Manifest,
    /// Its indexes by name.
    pub indexes: BTreeMap<String, StaticIndex>,
}

/// The folder of all generations.
#[derive(Debug, Clone)]
pub struct GenerationStore {
    root: PathBuf,
}

impl GenerationStore {
    /// The generations in the folder `root`, which need not exist.
    pub fn new(root: impl Into<PathBuf>) -> Self {
        Self { root: root.into() }
    }

    /// Numbers of the generations that can be opened, the current one first. Empty if there are none.
    ///
    /// # Errors
    /// [`GenerationError::Damaged`], [`GenerationError::Io`].
    pub fn numbers(&self) -> Result<Vec<u64>, GenerationError> {
        Ok(self.current()?.0.into_iter().map(|(number, _)| number).collect())
    }

    /// Opens the newest generation of `space`: the current one or, after a return to an older model, one that was kept.
    ///
    /// # Errors
    /// [`GenerationError::Missing`] if there are no generations; [`GenerationError::OtherModel`] if all are of other
    /// spaces; otherwise those of [`Self::open`].
    pub fn open_newest(&self, space: Space<'_>) -> Result<LoadedGeneration, GenerationError> {
        let mut other = None;
        for number in self.numbers()? {
            match self.open(number, space) {
                Err(error @ GenerationError::OtherModel { .. }) => other = other.or(Some(error)),
                opened => return opened,
            }
        }
        Err(other.unwrap_or(GenerationError::Missing))
    }

    /// Opens a generation of `space` and verifies every byte of it.
    ///
    /// # Errors
    /// [`GenerationError::Missing`] if there is no such generation, [`GenerationError::Damaged`],
    /// [`GenerationError::OtherFormat`], [`GenerationError::OtherModel`], [`GenerationError::Index`] if an allocation
    /// fails, [`GenerationError::Io`].
    pub fn open(&self, number: u64, space: Space<'_>) -> Result<LoadedGeneration, GenerationError> {
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
            let reason = format!("it has {} dimensions, not 1 to {MAX_DIMS}", manifest.dims);
            return Err(GenerationError::damaged(&path, reason));
        }
        let mut indexes = BTreeMap::new();
        for (name, entry) in &manifest.indexes {
            check_name(name).map_err(|e| GenerationError::damaged(&path, e.to_string()))?;
            indexes.insert(name.clone(), read_index(&folder, name, manifest.dims, entry)?);
        }
        Ok(LoadedGeneration { number, manifest, indexes })
    }

    /// Writes a generation of `space` and makes it the current one. Of the older ones the newest `keep` are kept, for a
    /// return to them. The others and the remains of interrupted writes are removed.
    ///
    /// # Errors
    /// [`GenerationError::Busy`], [`GenerationError::BadName`], [`GenerationError::Index`] for an index of other
    /// dimensions, [`GenerationError::Io`]. Then the current generation stays the same.
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
        // A list that cannot be read is dropped; its generations could not be opened either.
        let mut current = self.current().unwrap_or_default();
        let number = self.folders()?.into_iter().chain(current.0.iter().map(|(n, _)| *n)).max().unwrap_or(0) + 1;
        let unfinished = self.root.join(format!("{UNFINISHED}{number}"));
        self.remove_unlisted(&current)?;
        fs::create_dir(&unfinished).map_err(GenerationError::io("cannot create the folder", &unfinished))?;
        let mut manifest = Manifest {
            format: FORMAT,
            model: space.model.to_owned(),
            watermark: watermark.to_owned(),
            dims: space.dims,
            indexes: BTreeMap::new(),
        };
        for (name, index) in indexes {
            manifest.indexes.insert((*name).to_owned(), write_index(&unfinished, name, index)?);
        }
        let text = serde_json::to_vec_pretty(&manifest).expect("every manifest can be serialized");
        write_file(&unfinished.join(MANIFEST), &text)?;
        sync_dir(&unfinished).map_err(GenerationError::io("cannot sync the folder", &unfinished))?;
        let folder = self.folder(number);
        rename_synced(&unfinished, &folder).map_err(GenerationError::io("cannot rename a folder to", &folder))?;
        current.0.insert(0, (number, blake3::hash(&text).to_hex().to_string()));
        current.0.truncate(keep + 1);
        let list = self.root.join(CURRENT);
        write_atomic(&list, current.text().as_bytes()).map_err(GenerationError::io("cannot replace", &list))?;
        self.remove_unlisted(&current)?;
        Ok(number)
    }

    /// The folder of all generations.
    pub(super) fn root(&self) -> &Path {
        &self.root
    }

    /// The folder of a generation.
    pub(super) fn folder(&self, number: u64) -> PathBuf {
        self.root.join(number.to_string())
    }

    /// The list of generations, empty if there is no file.
    pub(super) fn current(&self) -> Result<Current, GenerationError> {
        let path = self.root.join(CURRENT);
        if !path.try_exists().map_err(GenerationError::io("cannot read", &path))? {
            return Ok(Current::default());
        }
        let bytes = read_small(&path, MAX_CURRENT)?;
        let current = std::str::from_utf8(&bytes).ok().and_then(Current::parse);
        current.ok_or_else(|| GenerationError::damaged(&path, "it is not a list of generations"))
    }

    /// Locks the folder against other writers until the result is dropped.
    pub(super) fn lock(&self) -> Result<File, GenerationError> {
        let path = self.root.join("LOCK");
        let io = |source| GenerationError::io("cannot lock", &path)(source);
        fs::create_dir_all(&self.root).map_err(io)?;
        try_lock_file(&path).map_err(io)?.ok_or(GenerationError::Busy)
    }

    /// Numbers of the generations that have a folder, whatever its content.
    pub(super) fn folders(&self) -> Result<Vec<u64>, GenerationError> {
        Ok(self.entries()?.iter().filter_map(|name| name.parse().ok()).collect())
    }

    /// Names of all files and folders in the root.
    pub(super) fn entries(&self) -> Result<Vec<String>, GenerationError> {
        let read =
            || fs::read_dir(&self.root)?.map(|entry| entry.map(|e| e.file_name())).collect::<Result<Vec<_>, _>>();
        let names = read().map_err(GenerationError::io("cannot read the folder", &self.root))?;
        Ok(names.into_iter().filter_map(|name| name.into_string().ok()).collect())
    }

    /// Removes folders that are unfinished, and generations that `current` does not list.
    pub(super) fn remove_unlisted(&self, current: &Current) -> Result<(), GenerationError> {
        for name in self.entries()? {
            let unlisted = name.parse().is_ok_and(|number: u64| current.0.iter().all(|(listed, _)| *listed != number));
            if unlisted || name.starts_with(UNFINISHED) {
                let path = self.root.join(name);
                fs::remove_dir_all(&path).map_err(GenerationError::io("cannot remove the folder", &path))?;
            }
        }
        Ok(())
    }
}
