//! How does each kind of file or folder list its records?

pub(super) mod caption_from_filename;
pub(super) mod csv;
pub(super) mod image_folder;
pub(super) mod jsonl;
mod npy;
mod utf16;

pub use npy::{Matrix, PrecomputedFeatures};
