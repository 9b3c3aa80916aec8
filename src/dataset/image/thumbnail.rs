//! Thumbnails.

use fast_image_resize::{FilterType, PixelType, ResizeAlg, ResizeOptions, Resizer, images};
use image::{ExtendedColorType, codecs::jpeg::JpegEncoder};

use crate::core::Picture;

/// Quality of 100. Higher values enlarge files without a visible gain; lower ones show blocks at hard edges.
const JPEG_QUALITY: u8 = 82;

/// A JPEG of the picture whose longer side has at most `max_side` pixels. Keeps the proportions and never enlarges.
pub fn thumbnail(picture: &Picture, max_side: u32) -> Vec<u8> {
    let longer = picture.width().max(picture.height());
    // The maximum of JPEG is 65535.
    let target = max_side.clamp(1, u32::from(u16::MAX));
    if longer <= target {
        return encode(picture.rgb(), picture.width(), picture.height());
    }
    let scale = f64::from(target) / f64::from(longer);
    let side = |length: u32| ((f64::from(length) * scale).round() as u32).max(1);
    let (width, height) = (side(picture.width()), side(picture.height()));
    let source = images::ImageRef::new(picture.width(), picture.height(), picture.rgb(), PixelType::U8x3)
        .expect("a Picture's buffer has 3 · width · height bytes");
    let mut small = images::Image::new(width, height, PixelType::U8x3);
    let filter = ResizeOptions::new().resize_alg(ResizeAlg::Convolution(FilterType::Lanczos3));
    Resizer::new().resize(&source, &mut small, &filter).expect("both sides have the same pixel type");
    encode(small.buffer(), width, height)
}

fn encode(rgb: &[u8], width: u32, height: u32) -> Vec<u8> {
    let mut jpeg = Vec::new();
    JpegEncoder::new_with_quality(&mut jpeg, JPEG_QUALITY)
        .encode(rgb, width, height, ExtendedColorType::Rgb8)
        .expect("a picture within JPEG's 65535 pixels a side is written to memory");
    jpeg
}
