//! PNG, JPEG, WebP, GIF, BMP and TIFF through the `image` crate.

use std::{
    error::Error,
    io::{self, Cursor},
};

use image::{DynamicImage, ImageDecoder, ImageError, ImageFormat, ImageReader};

use super::{Decoded, Header, PictureError, PictureFormat, PictureLimits, jpeg};
use crate::core::Picture;

/// Bytes that a decoder may allocate in addition to the pixels: for its tables, and for metadata that a picture of any
/// size may have, such as a compressed colour profile.
const MAX_EXTRA_BYTES: u64 = 16 << 20;

pub(super) fn inspect(format: PictureFormat, bytes: &[u8], limits: &PictureLimits) -> Result<Header, PictureError> {
    let (width, height) = open(format, bytes, limits)?.dimensions();
    Ok(Header { format, width, height })
}

pub(super) fn decode(format: PictureFormat, bytes: &[u8], limits: &PictureLimits) -> Result<Decoded, PictureError> {
    let mut decoder = open(format, bytes, limits)?;
    let (original_width, original_height) = decoder.dimensions();
    if format == PictureFormat::Jpeg && !jpeg::is_complete(bytes) {
        return Err(PictureError::Truncated { format, bytes: bytes.len() });
    }
    let fail = |error| explain(format, bytes, error);
    // An invalid EXIF block does not affect the pixels.
    let orientation = decoder.orientation().unwrap_or(image::metadata::Orientation::NoTransforms);
    let mut image = DynamicImage::from_decoder(decoder).map_err(fail)?;
    image.apply_orientation(orientation);
    let (width, height) = (image.width(), image.height());
    let picture = Picture::new(width, height, over_white(image))
        .ok_or_else(|| PictureError::Malformed { format, reason: format!("it has {width}×{height} pixels") })?;
    Ok(Decoded { picture, format, original_width, original_height })
}

/// A decoder that has read only the header, with the stated size checked.
pub(super) fn open<'a>(
    format: PictureFormat,
    bytes: &'a [u8],
    limits: &PictureLimits,
) -> Result<impl ImageDecoder + 'a, PictureError> {
    let kind = match format {
        PictureFormat::Png => ImageFormat::Png,
        PictureFormat::Jpeg => ImageFormat::Jpeg,
        PictureFormat::WebP => ImageFormat::WebP,
        PictureFormat::Gif => ImageFormat::Gif,
        PictureFormat::Bmp => ImageFormat::Bmp,
        PictureFormat::Tiff => ImageFormat::Tiff,
        PictureFormat::Svg => unreachable!("SVGs are rendered by `svg`"),
    };
    let mut reader = ImageReader::with_format(Cursor::new(bytes), kind);
    let mut allowed = image::Limits::no_limits();
    allowed.max_alloc = Some(MAX_EXTRA_BYTES);
    reader.limits(allowed.clone());
    let fail = |error| explain(format, bytes, error);
    let mut decoder = reader.into_decoder().map_err(fail)?;
    let (width, height) = decoder.dimensions();
    let too_large = |allowed| Err(PictureError::TooLarge { format, width, height, allowed });
    if width.max(height) > limits.max_side {
        return too_large(format!("the maximum side is {} pixels", limits.max_side));
    }
    let pixels = u64::from(width) * u64::from(height);
    if pixels > limits.max_pixels {
        return too_large(format!("the maximum is {} megapixels", limits.max_pixels as f64 / 1e6));
    }
    // The largest common pixel is 16-bit RGBA.
    allowed.max_alloc = Some(pixels.saturating_mul(8).saturating_add(MAX_EXTRA_BYTES));
    decoder.set_limits(allowed).map_err(fail)?;
    Ok(decoder)
}

/// Interleaved 8-bit RGB, blended with white.
fn over_white(image: DynamicImage) -> Vec<u8> {
    if !image.color().has_alpha() {
        return image.into_rgb8().into_raw();
    }
    let mut rgba = image.into_rgba8().into_raw();
    // In place: the write position never overtakes the read position.
    let pixels = rgba.len() / 4;
    for pixel in 0..pixels {
        let [red, green, blue, alpha] = [0, 1, 2, 3].map(|channel| u32::from(rgba[4 * pixel + channel]));
        let blend = |value: u32| ((value * alpha + 255 * (255 - alpha) + 127) / 255) as u8;
        rgba[3 * pixel] = blend(red);
        rgba[3 * pixel + 1] = blend(green);
        rgba[3 * pixel + 2] = blend(blue);
    }
    rgba.truncate(3 * pixels);
    rgba
}

fn explain(format: PictureFormat, bytes: &[u8], error: ImageError) -> PictureError {
    let mut cause: Option<&(dyn Error + 'static)> = Some(&error);
    let mut innermost = String::new();
    let mut is_truncated = false;
    while let Some(current) = cause {
        innermost = current.to_string();
        is_truncated |= current.downcast_ref::<io::Error>().is_some_and(|io| io.kind() == io::ErrorKind::UnexpectedEof);
        // Some decoders use their own error for this.
        is_truncated |= innermost.eq_ignore_ascii_case("unexpected end of file");
        cause = current.source();
    }
    if is_truncated {
        return PictureError::Truncated { format, bytes: bytes.len() };
    }
    let reason = match error {
        ImageError::Limits(_) => "decoding it exceeds the memory limit".into(),
        _ if innermost.is_empty() => "it violates its format".into(),
        _ => innermost,
    };
    PictureError::Malformed { format, reason }
}
