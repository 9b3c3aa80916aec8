//! Generations as others need them: held open while they are copied, and rid of what nobody can open any more.

use std::{fs::File, path::Path};

use super::{
    CURRENT, GenerationError, GenerationStore, MANIFEST, UNFINISHED, check_name,
    manifest::Current,
    read_manifest,
    table_io::{damaged, unreadable},
};

/// A generation whose files are open: they can be read to their end, whatever becomes of their names.
#[derive(Debug)]
pub struct HeldGeneration {
    /// Its number.
    pub number: u64,
    /// The model whose space the points are in.
    pub model: String,
    /// How far the catalog had come when the points were read from it, as its owner wrote it.
    pub watermark: String,
    /// Its files, by their names below the folder of all generations, with their lengths.
    pub files: Vec<(String, File, u64)>,
    /// The file [`Self::CURRENT`] of a folder that holds this generation alone.
    pub current: String,
}

impl HeldGeneration {
    /// Name of the file that says which generations there are, below the folder of all generations.
    pub const CURRENT: &'static str = CURRENT;
}

/// What [`GenerationStore::collect_garbage`] removed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Garbage {
    /// Folders of generations.
    pub generations: u64,
    /// Bytes of their files.
    pub bytes: u64,
}

impl GenerationStore {
    /// Opens the files of all generations that can be opened, the current one first. What they hold is not verified.
    ///
    /// # Errors
    /// If what there is cannot be read.
    pub fn hold(&self) -> Result<Vec<HeldGeneration>, GenerationError> {
        let current = self.current()?;
        let mut held = Vec::new();
        for (number, hash) in current.0 {
            match self.hold_one(number, hash) {
                Ok(generation) => held.push(generation),
                // It is of no use to a service either; or it was removed since, because there is a newer one.
                Err(GenerationError::Damaged { .. } | GenerationError::OtherFormat { .. }) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(held)
    }

    fn hold_one(&self, number: u64, hash: String) -> Result<HeldGeneration, GenerationError> {
        let folder = self.folder(number);
        let manifest = read_manifest(&folder.join(MANIFEST), &hash)?;
        let mut names = vec![MANIFEST.to_owned()];
        for (name, index) in &manifest.indexes {
            for ending in index.files.keys() {
                // They become names of files, so they are looked at as in [`Self::open`].
                check_name(name)?;
                check_name(ending)?;
                names.push(format!("{name}.{ending}"));
            }
        }
        let mut files = Vec::new();
        for name in names {
            let path = folder.join(&name);
            let file = File::open(&path).map_err(unreadable(&path))?;
            let bytes = file.metadata().map_err(unreadable(&path))?.len();
            files.push((format!("{number}/{name}"), file, bytes));
        }
        let (model, watermark) = (manifest.model, manifest.watermark);
        Ok(HeldGeneration { number, model, watermark, files, current: Current(vec![(number, hash)]).text() })
    }

    /// Removes what an interrupted write left, and generations that nobody can open because newer ones took their places.
    ///
    /// # Errors
    /// [`GenerationError::Busy`] while a generation is written; [`GenerationError::Damaged`] if it cannot be known which ones are
    /// kept: then all are; [`GenerationError::Io`].
    pub fn collect_garbage(&self) -> Result<Garbage, GenerationError> {
        if !self.root.is_dir() {
            return Ok(Garbage::default());
        }
        let _lock = self.lock()?;
        let current = self.current()?;
        if current.0.is_empty() && !self.folders()?.is_empty() {
            return Err(damaged(&self.root.join(CURRENT), "it is missing, but there are generations"));
        }
        let before = self.entries()?;
        let size = |name: &String| folder_bytes(&self.root.join(name));
        let sizes: Vec<(String, u64)> = before.into_iter().map(|name| (name.clone(), size(&name))).collect();
        self.collect(&current)?;
        let gone = |name: &str| !self.root.join(name).exists();
        let of_generation = |name: &str| name.starts_with(UNFINISHED) || name.parse::<u64>().is_ok();
        let gone = sizes.into_iter().filter(|(name, _)| of_generation(name) && gone(name));
        Ok(gone.fold(Garbage::default(), |sum, (_, bytes)| Garbage {
            generations: sum.generations + 1,
            bytes: sum.bytes + bytes,
        }))
    }
}

/// Bytes of the files directly in a folder.
fn folder_bytes(path: &Path) -> u64 {
    let entries = std::fs::read_dir(path).into_iter().flatten().flatten();
    entries.filter_map(|entry| entry.metadata().ok()).map(|metadata| metadata.len()).sum()
}
