//! Decodes a file into a [`Picture`](crate::core::Picture): upright, 8-bit, without alpha, and within the given limits.
//!
//! The format is detected from the first bytes, never from the file name. Width, height and (for SVG) the cost of
//! rendering are known before anything is decoded, so a file of a few kilobytes cannot make us allocate gigabytes.
//!
//! Of an animated GIF, WebP or PNG the first frame is decoded. Of an SVG the shapes are rendered, but not text,
//! embedded raster images and references to other files. If most of its page is empty, the empty part is cropped.

use std::{
    fs::File,
    io::Read,
    panic::{AssertUnwindSafe, catch_unwind},
    path::Path,
};

use super::{Decoded, Header, PictureError, PictureFormat, PictureLimits, raster, svg};

/// Reads only the header: format, width and height, checked against the limits. The rest of the file may still be
/// truncated.
pub fn inspect(bytes: &[u8], limits: &PictureLimits) -> Result<Header, PictureError> {
    let format = detect(bytes, limits)?;
    catch_panic(format, || match format {
        PictureFormat::Svg => svg::inspect(bytes),
        _ => raster::inspect(format, bytes, limits),
    })
}

/// Decodes a picture: applies the EXIF orientation, blends alpha with white, and converts any depth and colour model to
/// 8-bit RGB.
pub fn decode(bytes: &[u8], limits: &PictureLimits) -> Result<Decoded, PictureError> {
    let format = detect(bytes, limits)?;
    catch_panic(format, || match format {
        PictureFormat::Svg => svg::decode(bytes, limits),
        _ => raster::decode(format, bytes, limits),
    })
}

/// Reads a picture file of at most `limits.max_bytes`.
pub fn read_file(path: &Path, limits: &PictureLimits) -> Result<Vec<u8>, PictureError> {
    let file = File::open(path).map_err(PictureError::unreadable)?;
    let metadata = file.metadata().map_err(PictureError::unreadable)?;
    if !metadata.is_file() {
        return Err(PictureError::Unreadable { reason: "it is not a regular file".into() });
    }
    let too_big = |found| PictureError::TooManyBytes { found, limit: limits.max_bytes };
    if metadata.len() > limits.max_bytes {
        return Err(too_big(metadata.len()));
    }
    let mut bytes = Vec::with_capacity(metadata.len() as usize);
    // The file may have grown in the meantime.
    file.take(limits.max_bytes + 1).read_to_end(&mut bytes).map_err(PictureError::unreadable)?;
    if bytes.len() as u64 > limits.max_bytes { Err(too_big(bytes.len() as u64)) } else { Ok(bytes) }
}

fn detect(bytes: &[u8], limits: &PictureLimits) -> Result<PictureFormat, PictureError> {
    if bytes.is_empty() {
        return Err(PictureError::Empty);
    }
    if bytes.len() as u64 > limits.max_bytes {
        return Err(PictureError::TooManyBytes { found: bytes.len() as u64, limit: limits.max_bytes });
    }
    PictureFormat::sniff(bytes).ok_or_else(|| PictureError::not_a_picture(bytes))
}

/// Turns a panic of a decoder, which processes untrusted input, into an error.
fn catch_panic<T>(format: PictureFormat, work: impl FnOnce() -> Result<T, PictureError>) -> Result<T, PictureError> {
    catch_unwind(AssertUnwindSafe(work))
        .unwrap_or_else(|_| Err(PictureError::Malformed { format, reason: "the decoder panicked".into() }))
}

#[cfg(test)]
pub(super) mod tests;
