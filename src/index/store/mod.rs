//! How do indexes get to disk and back, unharmed?
//!
//! A generation is an immutable folder with the files of all indexes. One small file lists the generations and says
//! which is the current one.
//!
//! ```text
//! index/CURRENT               "8 <BLAKE3 of 8/manifest.json>", then the older generations that are kept
//! index/LOCK                  locked by the process that writes
//! index/8/manifest.json       Manifest: model, watermark, shapes, length and hashes of each file
//! index/8/pictures.keys       u64, ascending
//! index/8/pictures.vectors    f32, [points, dims rounded up to 16]
//! index/8/pictures.links      u32, [points, width], and .upper: the layers above
//! index/8/pictures.codes      u8, [points, dims rounded up to 64], and .steps: f32, [dims]
//! ```
//!
//! A generation is written to a folder with a temporary name, synced to disk and renamed; then `CURRENT` is replaced by
//! a rename. At whatever moment the power fails, `CURRENT` lists complete generations only. Opening follows the hashes
//! from `CURRENT` to every byte, then checks that the content is an index. Damage is an error and never a wrong index;
//! opening does not panic, and allocates nothing before the file system has confirmed its size.

mod current;
mod error;
mod garbage;
mod generation_store;
mod index_io;
mod layout;
mod manifest;
mod pin;
mod table_io;

pub use error::GenerationError;
pub use garbage::GarbageStats;
pub use generation_store::{GenerationStore, LoadedGeneration, Space};
pub use manifest::{FileEntry, GraphEntry, IndexEntry, Manifest};
pub use pin::PinnedGeneration;

#[cfg(test)]
mod tests;
