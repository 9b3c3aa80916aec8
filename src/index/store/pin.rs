//! Generations that are held open while they are copied.

use std::fs::File;

use super::{
    current::Current,
    layout::{CURRENT, MANIFEST, check_name, read_manifest},
};
use crate::index::{GenerationError, GenerationStore};

/// A generation whose files are open. They can be read to the end even after the generation is removed.
#[derive(Debug)]
pub struct PinnedGeneration {
    /// Number of the generation.
    pub number: u64,
    /// Model of the space that the points are in.
    pub model: String,
    /// State of the catalog from which the points were read, in the format of the owner.
    pub watermark: String,
    /// Files with their lengths in bytes, by paths relative to the folder of all generations.
    pub files: Vec<(String, File, u64)>,
    /// Content of the file [`Self::CURRENT`] for a folder that has only this generation.
    pub current: String,
}

impl PinnedGeneration {
    /// Name of the file that lists the generations, relative to the folder of all generations.
    pub const CURRENT: &'static str = CURRENT;
}

impl GenerationStore {
    /// Opens the files of every generation that can be opened, the current one first. Their content is not verified.
    ///
    /// # Errors
    /// If the list of generations or a file cannot be read.
    pub fn pin(&self) -> Result<Vec<PinnedGeneration>, GenerationError> {
        let mut pinned = Vec::new();
        for (number, hash) in self.current()?.0 {
            match self.pin_one(number, hash) {
                Ok(generation) => pinned.push(generation),
                // A service could not open it either, or a newer one has replaced it since.
                Err(GenerationError::Damaged { .. } | GenerationError::OtherFormat { .. }) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(pinned)
    }

    fn pin_one(&self, number: u64, hash: String) -> Result<PinnedGeneration, GenerationError> {
        let folder = self.folder(number);
        let manifest = read_manifest(&folder.join(MANIFEST), &hash)?;
        let mut names = vec![MANIFEST.to_owned()];
        for (name, index) in &manifest.indexes {
            for extension in index.files.keys() {
                // They become file names, so they are checked as in [`Self::open`].
                check_name(name)?;
                check_name(extension)?;
                names.push(format!("{name}.{extension}"));
            }
        }
        let mut files = Vec::new();
        for name in names {
            let path = folder.join(&name);
            let file = File::open(&path).map_err(GenerationError::read(&path))?;
            let bytes = file.metadata().map_err(GenerationError::read(&path))?.len();
            files.push((format!("{number}/{name}"), file, bytes));
        }
        let (model, watermark) = (manifest.model, manifest.watermark);
        Ok(PinnedGeneration { number, model, watermark, files, current: Current(vec![(number, hash)]).text() })
    }
}
