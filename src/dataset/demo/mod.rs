//! What does the demo collection consist of?
//!
//! Tux Paint's stamps and the Open Clip Art Library, as Debian and Ubuntu package them, curated by the rules in
//! `rules/*.toml`. Pictures and captions come from the packages: [`fetch()`] unpacks them into a folder, [`collect`]
//! applies the rules.

mod captions;
mod collection;
mod item;
mod openclipart;
mod packages;
mod rules;
mod svg_metadata;
mod tux_paint;

pub use collection::collect;
pub use packages::{FetchProgress, fetch};
