//! From the bytes of a file to a [`Picture`]: upright, 8-bit, without alpha, and never larger than it was allowed to be.
//!
//! The format is what the first bytes say, never what the name says. Width, height and (for SVG) the work that drawing
//! would cost are known before anything is decoded, so a file of a few kilobytes cannot ask for gigabytes.
//!
//! Of an animated GIF, WebP or PNG the first frame is taken. Of an SVG the shapes are drawn; text inside it, embedded
//! raster pictures and references to other files are not. Where most of its page is empty, the empty part is cut off.

use std::{
    fs::File,
    io::Read,
    panic::{AssertUnwindSafe, catch_unwind},
    path::Path,
};

use super::{Decoded, Header, PictureError, PictureFormat, PictureLimits, raster, svg};

/// Reads the header only: format, width and height, checked against the limits. What follows may still be torn.
pub fn inspect(bytes: &[u8], limits: &PictureLimits) -> Result<Header, PictureError> {
    let format = admit(bytes, limits)?;
    shielded(format, || match format {
        PictureFormat::Svg => svg::inspect(bytes),
        _ => raster::inspect(format, bytes, limits),
    })
}

/// Decodes a picture: EXIF orientation applied, alpha laid over white, any depth and colour model brought to 8-bit RGB.
pub fn decode(bytes: &[u8], limits: &PictureLimits) -> Result<Decoded, PictureError> {
    let format = admit(bytes, limits)?;
    shielded(format, || match format {
        PictureFormat::Svg => svg::decode(bytes, limits),
        _ => raster::decode(format, bytes, limits),
    })
}

/// Reads a picture's file, no byte more than `limits.max_bytes`.
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
    // The file may grow between the question and the answer.
    file.take(limits.max_bytes + 1).read_to_end(&mut bytes).map_err(PictureError::unreadable)?;
    if bytes.len() as u64 > limits.max_bytes { Err(too_big(bytes.len() as u64)) } else { Ok(bytes) }
}

fn admit(bytes: &[u8], limits: &PictureLimits) -> Result<PictureFormat, PictureError> {
    if bytes.is_empty() {
        return Err(PictureError::Empty);
    }
    if bytes.len() as u64 > limits.max_bytes {
        return Err(PictureError::TooManyBytes { found: bytes.len() as u64, limit: limits.max_bytes });
    }
    PictureFormat::sniff(bytes).ok_or_else(|| PictureError::not_a_picture(bytes))
}

/// The decoders are other people's and their input is anybody's: a panic in one is this picture's error.
fn shielded<T>(format: PictureFormat, work: impl FnOnce() -> Result<T, PictureError>) -> Result<T, PictureError> {
    catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|_| {
        Err(PictureError::Malformed { format, reason: "its decoder failed on it without saying why".into() })
    })
}

#[cfg(test)]
mod tests;
