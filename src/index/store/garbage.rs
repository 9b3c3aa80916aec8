//! Removal of generations that cannot be opened any more.

use super::layout::{CURRENT, UNFINISHED};
use crate::{
    index::{GenerationError, GenerationStore},
    util::fs::dir_size,
};

/// What [`GenerationStore::collect_garbage`] removed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct GarbageStats {
    /// Number of folders.
    pub generations: u64,
    /// Bytes of their files.
    pub bytes: u64,
}

impl GenerationStore {
    /// Removes the remains of interrupted writes, and generations that are not in the list any more.
    ///
    /// # Errors
    /// [`GenerationError::Busy`] while a generation is written; [`GenerationError::Damaged`] if the list of generations
    /// is missing or damaged, and nothing is removed; [`GenerationError::Io`].
    pub fn collect_garbage(&self) -> Result<GarbageStats, GenerationError> {
        if !self.root().is_dir() {
            return Ok(GarbageStats::default());
        }
        let _lock = self.lock()?;
        let current = self.current()?;
        if current.0.is_empty() && !self.folders()?.is_empty() {
            let reason = "it is missing, but there are generations";
            return Err(GenerationError::damaged(&self.root().join(CURRENT), reason));
        }
        let before = self.entries()?;
        let size = |name: &String| dir_size(&self.root().join(name));
        let sizes: Vec<(String, u64)> = before.into_iter().map(|name| (name.clone(), size(&name))).collect();
        self.remove_unlisted(&current)?;
        let is_generation = |name: &str| name.starts_with(UNFINISHED) || name.parse::<u64>().is_ok();
        let is_gone = |name: &str| !self.root().join(name).exists();
        let removed = sizes.into_iter().filter(|(name, _)| is_generation(name) && is_gone(name));
        Ok(removed.fold(GarbageStats::default(), |sum, (_, bytes)| GarbageStats {
            generations: sum.generations + 1,
            bytes: sum.bytes + bytes,
        }))
    }
}
