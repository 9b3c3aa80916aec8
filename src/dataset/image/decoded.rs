//! Results of decoding a file and of reading its header.

use crate::{core::Picture, dataset::PictureFormat};

/// A decoded picture, with the format and size that its file states.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decoded {
    /// The picture.
    pub picture: Picture,
    /// Format according to the first bytes of the file.
    pub format: PictureFormat,
    /// Width as stored, in pixels (for an SVG in user units, rounded), before EXIF orientation was applied.
    pub original_width: u32,
    /// Height as stored.
    pub original_height: u32,
}

/// The header of a picture file; see [`inspect`](super::inspect).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Header {
    /// Format according to the first bytes of the file.
    pub format: PictureFormat,
    /// Width as stored, in pixels (for an SVG in user units, rounded).
    pub width: u32,
    /// Height as stored.
    pub height: u32,
}
