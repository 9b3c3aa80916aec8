//! Resizes a picture of any size to the input size of a network.

use fast_image_resize::{
    FilterType, PixelType, ResizeAlg, ResizeOptions, Resizer,
    images::{Image, ImageRef},
};

use crate::{
    core::Picture,
    encoders::{EncoderError, manifest::Resize},
};

/// The filter's table grows with the longer side of the picture (four weights per pixel). Pictures with a side longer
/// than this, which are very rare, are first subsampled.
const MAX_FILTERED_SIDE: u32 = 1 << 18;

/// The whole picture resized to `size` × `size` with antialiasing, ignoring its proportions; `[size, size, 3]`.
///
/// The two directions are resized one after the other, first the one with the smaller result, so that the intermediate
/// image is never larger than `size` times the picture's shorter side.
pub(in crate::encoders) fn resize(picture: &Picture, size: u32, filter: Resize) -> Result<Vec<u8>, EncoderError> {
    let (width, height) = (picture.width(), picture.height());
    if (width, height) == (size, size) {
        return Ok(picture.rgb().to_vec());
    }
    let filter = match filter {
        Resize::Bilinear => FilterType::Bilinear,
        Resize::Bicubic => FilterType::CatmullRom,
    };
    let failed = |reason: String| EncoderError::Resize { width, height, size, reason };
    let whole = ImageRef::new(width, height, picture.rgb(), PixelType::U8x3).map_err(|e| failed(e.to_string()))?;
    let mut resizer = Resizer::new();
    let mut pass = |from: &dyn Pass, width: u32, height: u32, algorithm: ResizeAlg| {
        let mut to = Image::new(width, height, PixelType::U8x3);
        from.resize_to(&mut to, &mut resizer, &ResizeOptions::new().resize_alg(algorithm).use_alpha(false))
            .map_err(failed)?;
        Ok::<_, EncoderError>(to)
    };
    let smooth = ResizeAlg::Convolution(filter);
    let (thin_width, thin_height) = (width.min(MAX_FILTERED_SIDE), height.min(MAX_FILTERED_SIDE));
    let thinned;
    let start: &dyn Pass = if (thin_width, thin_height) == (width, height) {
        &whole
    } else {
        thinned = pass(&whole, thin_width, thin_height, ResizeAlg::Nearest)?;
        &thinned
    };
    let (between_width, between_height) =
        if thin_width < thin_height { (thin_width, size) } else { (size, thin_height) };
    let between = pass(start, between_width, between_height, smooth)?;
    Ok(pass(&between, size, size, smooth)?.into_vec())
}

/// One of the eight symmetries of a square, applied to pixels `[size, size, 3]`: 0 is the identity, 1 mirrors left and
/// right, 2 and 3 are these two upside down, and 4 to 7 are the first four transposed.
pub(in crate::encoders) fn symmetric(rgb: &[u8], size: usize, symmetry: usize) -> Vec<u8> {
    let mirrored = |at: usize, bit: usize| if symmetry & bit == 0 { at } else { size - 1 - at };
    let from = |y: usize, x: usize| if symmetry & 4 == 0 { (y, x) } else { (x, y) };
    let pixels = (0..size).flat_map(|y| (0..size).map(move |x| (y, x)));
    let mut to = Vec::with_capacity(rgb.len());
    for (y, x) in pixels {
        let (y, x) = from(y, x);
        let pixel = (mirrored(y, 2) * size + mirrored(x, 1)) * 3;
        to.extend_from_slice(&rgb[pixel..pixel + 3]);
    }
    to
}

/// Either kind of image as the source of a resize.
trait Pass {
    fn resize_to(&self, to: &mut Image<'_>, resizer: &mut Resizer, options: &ResizeOptions) -> Result<(), String>;
}

impl<V: fast_image_resize::IntoImageView> Pass for V {
    fn resize_to(&self, to: &mut Image<'_>, resizer: &mut Resizer, options: &ResizeOptions) -> Result<(), String> {
        resizer.resize(self, to, options).map_err(|e| e.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn resized(width: u32, height: u32, pixel: impl Fn(u32, u32) -> [u8; 3]) -> Vec<u8> {
        let rgb = (0..height).flat_map(|y| (0..width).map(move |x| (x, y))).flat_map(|(x, y)| pixel(x, y)).collect();
        let picture = Picture::new(width, height, rgb).expect("a picture");
        let resized = resize(&picture, 32, Resize::Bicubic).expect("resizes");
        assert_eq!(resized.len(), 32 * 32 * 3);
        resized
    }

    #[test]
    fn resize_keeps_a_uniform_colour_in_any_shape() {
        for (width, height) in [(1, 1), (1, 30_000), (30_000, 1), (32, 32), (300_000, 2), (33, 7), (640, 480)] {
            let all = resized(width, height, |_, _| [10, 128, 250]);
            assert!(all.as_chunks::<3>().0.iter().all(|p| *p == [10, 128, 250]), "{width}×{height}");
        }
    }

    #[test]
    fn resize_is_antialiased_and_keeps_orientation() {
        let stripes = resized(640, 640, |x, _| [255 * (x % 2) as u8; 3]);
        assert!(stripes.iter().all(|&v| (118..=138).contains(&v)), "antialiased");
        for (width, height) in [(400, 100), (100, 400)] {
            let halves = resized(width, height, |x, y| {
                [if x < width / 2 { 0 } else { 255 }, if y < height / 2 { 0 } else { 255 }, 0]
            });
            let at = |x: usize, y: usize| [halves[(y * 32 + x) * 3], halves[(y * 32 + x) * 3 + 1]];
            assert_eq!([at(2, 2), at(29, 2), at(2, 29), at(29, 29)], [[0, 0], [255, 0], [0, 255], [255, 255]]);
        }
    }

    #[test]
    fn symmetries_are_eight_and_closed_under_composition() {
        let square: Vec<u8> = (0..3 * 3 * 3).collect();
        let all: std::collections::BTreeSet<Vec<u8>> = (0..8).map(|s| symmetric(&square, 3, s)).collect();
        assert_eq!(all.len(), 8);
        assert_eq!(symmetric(&square, 3, 0), square);
        assert_eq!(symmetric(&square, 3, 1)[..9], [6, 7, 8, 3, 4, 5, 0, 1, 2]);
        let turns: std::collections::BTreeSet<Vec<u8>> = [0, 3, 5, 6].map(|s| symmetric(&square, 3, s)).into();
        for one in &turns {
            assert!([0, 3, 5, 6].iter().all(|&turn| turns.contains(&symmetric(one, 3, turn))), "a group");
            assert!(!turns.contains(&symmetric(one, 3, 1)), "without mirrors");
        }
        for one in &all {
            assert!((0..8).all(|symmetry| all.contains(&symmetric(one, 3, symmetry))));
        }
    }
}
