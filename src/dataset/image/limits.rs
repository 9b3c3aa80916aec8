//! Limits on the size of a picture.

/// Limits on the size of a picture, checked before memory is allocated for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PictureLimits {
    /// Maximum size of the file in bytes; 256 MiB by default.
    pub max_bytes: u64,
    /// Maximum of width times height; 64 megapixels by default. Does not apply to an SVG, which has no pixels of its
    /// own.
    pub max_pixels: u64,
    /// Maximum of the longer side in pixels; 32768 by default.
    pub max_side: u32,
    /// Longer side in pixels at which an SVG is rendered; 512 by default.
    pub svg_side: u32,
}

impl Default for PictureLimits {
    fn default() -> Self {
        Self { max_bytes: 256 << 20, max_pixels: 64_000_000, max_side: 32_768, svg_side: 512 }
    }
}
