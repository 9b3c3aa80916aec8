use std::io::Cursor;

use image::{
    DynamicImage, ImageBuffer, ImageDecoder, ImageEncoder, ImageFormat, Luma, Rgb, RgbImage, Rgba, RgbaImage,
    codecs::{
        jpeg::JpegEncoder,
        png::{PngDecoder, PngEncoder},
    },
};
use proptest::prelude::*;

use super::*;
use crate::core::Picture;

const RASTERS: [ImageFormat; 6] =
    [ImageFormat::Png, ImageFormat::Jpeg, ImageFormat::WebP, ImageFormat::Gif, ImageFormat::Bmp, ImageFormat::Tiff];

/// Noise, which no format compresses well.
pub(in crate::dataset::image) fn noise(width: u32, height: u32) -> DynamicImage {
    let mut state = 1_u32;
    RgbImage::from_fn(width, height, |_, _| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        Rgb([(state >> 24) as u8, (state >> 16) as u8, (state >> 8) as u8])
    })
    .into()
}

pub(in crate::dataset::image) fn encoded(image: &DynamicImage, format: ImageFormat) -> Vec<u8> {
    let mut bytes = Cursor::new(Vec::new());
    image.write_to(&mut bytes, format).unwrap();
    bytes.into_inner()
}

pub(in crate::dataset::image) fn decode_default(bytes: &[u8]) -> Decoded {
    decode(bytes, &PictureLimits::default()).unwrap()
}

pub(in crate::dataset::image) fn decode_error(bytes: &[u8]) -> String {
    decode(bytes, &PictureLimits::default()).unwrap_err().to_string()
}

pub(in crate::dataset::image) fn svg(body: &str) -> Vec<u8> {
    format!(
        "<svg xmlns='http://www.w3.org/2000/svg' xmlns:xlink='http://www.w3.org/1999/xlink' width='100' height='50'>\
         {body}</svg>"
    )
    .into_bytes()
}

#[test]
fn decode_detects_and_decodes_every_format() {
    let image = noise(37, 19);
    for format in RASTERS {
        let bytes = encoded(&image, format);
        let decoded = decode_default(&bytes);
        assert_eq!(decoded.format.mime(), format.to_mime_type());
        assert_eq!((decoded.picture.width(), decoded.picture.height()), (37, 19), "{format:?}");
        assert_eq!((decoded.original_width, decoded.original_height), (37, 19), "{format:?}");
        let header = inspect(&bytes, &PictureLimits::default()).unwrap();
        assert_eq!((header.format, header.width, header.height), (decoded.format, 37, 19));
        if !matches!(format, ImageFormat::Jpeg | ImageFormat::Gif) {
            assert_eq!(decoded.picture.rgb(), image.as_bytes(), "{format:?} is lossless");
        }
    }
}

#[test]
fn decode_refuses_a_picture_truncated_anywhere() {
    let image = noise(64, 48);
    for format in RASTERS {
        let whole = encoded(&image, format);
        for cut in (0..whole.len() * 9 / 10).step_by(97) {
            let result = decode(&whole[..cut], &PictureLimits::default());
            assert!(result.is_err(), "{format:?} cut to {cut} of {} bytes", whole.len());
        }
    }
    let jpeg = encoded(&image, ImageFormat::Jpeg);
    assert_eq!(decode_error(&jpeg[..1042]), "JPEG: premature end of file after 1042 bytes");
    let png = encoded(&image, ImageFormat::Png);
    assert_eq!(decode_error(&png[..1042]), "PNG: premature end of file after 1042 bytes");
    assert!(decode_error(&svg("<g><rect width='9' height='9'/></g>")[..120]).starts_with("SVG: not well-formed XML"));
}

#[test]
fn decode_reports_what_is_not_an_image_and_the_supported_formats() {
    assert_eq!(decode_error(b""), "the image is empty (0 bytes)");
    assert_eq!(
        decode_error(b"%PDF-1.7 and so on"),
        "not an image: starts with \"%PDF-1.7 and so \"; supported are PNG, JPEG, WebP, GIF, BMP, TIFF and SVG"
    );
    assert!(decode_error(&[0, 1, 2, 3]).starts_with("not an image: starts with the bytes 00 01 02 03;"));
    assert!(decode_error(b"<!DOCTYPE html><html><svg/></html>").starts_with("not an image"));
    assert!(decode_error(b"BMW builds cars").starts_with("not an image"));
}

#[test]
fn decode_accepts_a_single_pixel() {
    for format in RASTERS {
        let decoded = decode_default(&encoded(&noise(1, 1), format));
        assert_eq!((decoded.picture.width(), decoded.picture.height()), (1, 1), "{format:?}");
    }
}

/// A PNG whose header states this size, without the data for it.
fn huge_png(width: u32, height: u32) -> Vec<u8> {
    let mut png = b"\x89PNG\r\n\x1a\n".to_vec();
    let mut chunk = |kind: &[u8; 4], data: &[u8]| {
        png.extend((data.len() as u32).to_be_bytes());
        let start = png.len();
        png.extend(kind);
        png.extend(data);
        let crc = !png[start..].iter().fold(!0_u32, |crc, &byte| {
            (0..8).fold(crc ^ u32::from(byte), |crc, _| (crc >> 1) ^ (0xedb8_8320 & (crc & 1).wrapping_neg()))
        });
        png.extend(crc.to_be_bytes());
    };
    let mut header = Vec::new();
    header.extend(width.to_be_bytes());
    header.extend(height.to_be_bytes());
    header.extend([8, 6, 0, 0, 0]);
    chunk(b"IHDR", &header);
    chunk(b"IDAT", &[0x78, 0x9c, 0x63, 0x60, 0x60, 0x60, 0x00]);
    chunk(b"IEND", &[]);
    png
}

#[test]
fn huge_picture_is_refused_by_its_header() {
    assert_eq!(decode_error(&huge_png(30_000, 30_000)), "PNG: 30000×30000 is too large; the maximum is 64 megapixels");
    assert_eq!(decode_error(&huge_png(40_000, 10)), "PNG: 40000×10 is too large; the maximum side is 32768 pixels");
    assert!(inspect(&huge_png(30_000, 30_000), &PictureLimits::default()).is_err());
    let mut bmp = encoded(&noise(4, 4), ImageFormat::Bmp);
    bmp[18..22].copy_from_slice(&30_000_u32.to_le_bytes());
    bmp[22..26].copy_from_slice(&30_000_u32.to_le_bytes());
    assert!(decode_error(&bmp).contains("too large"), "{}", decode_error(&bmp));
}

#[test]
fn read_file_does_not_load_more_than_the_limit() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a.png");
    std::fs::write(&path, vec![0; 1000]).unwrap();
    let limits = |max_bytes| PictureLimits { max_bytes, ..PictureLimits::default() };
    assert_eq!(read_file(&path, &limits(1000)).unwrap().len(), 1000);
    let error = read_file(&path, &limits(999)).unwrap_err();
    assert_eq!(error, PictureError::TooManyBytes { found: 1000, limit: 999 });
    assert!(read_file(dir.path(), &limits(999)).unwrap_err().to_string().contains("not a regular file"));
    assert!(read_file(&dir.path().join("none"), &limits(999)).is_err());
}

#[test]
fn alpha_is_blended_with_white() {
    let mut image = RgbaImage::from_pixel(3, 1, Rgba([200, 100, 0, 0]));
    image.put_pixel(1, 0, Rgba([200, 100, 0, 255]));
    image.put_pixel(2, 0, Rgba([0, 0, 0, 128]));
    let decoded = decode_default(&encoded(&image.into(), ImageFormat::Png));
    assert_eq!(decoded.picture.rgb(), [255, 255, 255, 200, 100, 0, 127, 127, 127]);
}

#[test]
fn grey_and_16_bit_pictures_become_8_bit_rgb() {
    let grey: ImageBuffer<Luma<u8>, _> = ImageBuffer::from_pixel(1, 1, Luma([77]));
    assert_eq!(decode_default(&encoded(&grey.into(), ImageFormat::Png)).picture.rgb(), [77; 3]);
    let deep: ImageBuffer<Rgb<u16>, Vec<u16>> = ImageBuffer::from_pixel(1, 1, Rgb([0xffff, 0x8080, 0]));
    for format in [ImageFormat::Png, ImageFormat::Tiff] {
        assert_eq!(decode_default(&encoded(&deep.clone().into(), format)).picture.rgb(), [255, 128, 0]);
    }
}

#[test]
fn exif_orientation_is_applied_once() {
    // Two halves, stored by a camera that was held upright.
    let image = RgbImage::from_fn(16, 8, |x, _| if x < 8 { Rgb([255, 0, 0]) } else { Rgb([0, 0, 255]) });
    let mut exif = b"II\x2a\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0".to_vec();
    exif.extend([6, 0, 0, 0, 0, 0, 0, 0]);
    let mut jpeg = Vec::new();
    let mut encoder = JpegEncoder::new_with_quality(&mut jpeg, 100);
    encoder.set_exif_metadata(exif).unwrap();
    encoder.encode_image(&image).unwrap();
    let decoded = decode_default(&jpeg);
    assert_eq!((decoded.original_width, decoded.original_height), (16, 8));
    assert_eq!((decoded.picture.width(), decoded.picture.height()), (8, 16));
    let rgb = decoded.picture.rgb();
    assert!(rgb[0] > 200 && rgb[2] < 50, "rotated clockwise by 90°, the left half is on top");
    assert!(rgb[rgb.len() - 1] > 200);
}

#[test]
fn compressed_metadata_of_a_small_picture_is_bounded() {
    let mut png = Vec::new();
    let mut encoder = PngEncoder::new(&mut png);
    encoder.set_icc_profile(vec![0; 100 << 20]).expect("a profile");
    noise(8, 8).write_with_encoder(encoder).expect("a picture");
    assert!(png.len() < 1 << 20, "{}", png.len());
    let profile = |mut decoder: Box<dyn ImageDecoder + '_>| decoder.icc_profile().ok().flatten().map(|p| p.len());
    let unlimited = PngDecoder::new(Cursor::new(&png)).expect("a header");
    assert_eq!(profile(Box::new(unlimited)), Some(100 << 20), "the test means something");
    let limited = raster::open(PictureFormat::Png, &png, &PictureLimits::default()).expect("a header");
    assert_eq!(profile(Box::new(limited)), None, "it is skipped, not inflated");
    assert_eq!(decode_default(&png).picture.width(), 8);
}

#[test]
fn pixels_do_not_count_as_metadata() {
    let large = DynamicImage::from(RgbImage::new(2600, 2600));
    for format in RASTERS {
        let bytes = encoded(&large, format);
        let header = inspect(&bytes, &PictureLimits::default());
        assert_eq!(header.map(|header| header.width), Ok(2600), "{format:?}");
        assert_eq!(decode_default(&bytes).picture.height(), 2600, "{format:?}");
    }
}

#[test]
fn thumbnail_keeps_proportions_and_never_enlarges() {
    let picture = decode_default(&encoded(&noise(200, 100), ImageFormat::Png)).picture;
    for (most, expected) in [(64, (64, 32)), (1, (1, 1)), (0, (1, 1)), (200, (200, 100)), (5000, (200, 100))] {
        let jpeg = crate::dataset::thumbnail(&picture, most);
        let header = inspect(&jpeg, &PictureLimits::default()).unwrap();
        assert_eq!((header.format, header.width, header.height), (PictureFormat::Jpeg, expected.0, expected.1));
    }
    let line = Picture::new(70_000, 1, vec![9; 210_000]).unwrap();
    assert_eq!(
        inspect(&crate::dataset::thumbnail(&line, u32::MAX), &PictureLimits { max_side: 70_000, ..Default::default() })
            .unwrap()
            .width,
        65_535
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn decode_never_panics(bytes in proptest::collection::vec(any::<u8>(), 0..300), which in 0..8_usize) {
        let heads: [&[u8]; 8] = [
            b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff\xe0", b"RIFF\x10\x00\x00\x00WEBPVP8 ", b"GIF89a",
            b"BM\x40\0\0\0\0\0\0\0\x36\0\0\0", b"II\x2a\0\x08\0\0\0", b"<svg xmlns='http://www.w3.org/2000/svg'>", b"",
        ];
        let mut all = heads[which].to_vec();
        all.extend(bytes);
        let _ = decode(&all, &PictureLimits::default());
        let _ = inspect(&all, &PictureLimits::default());
    }

    #[test]
    fn decode_of_a_corrupt_file_is_an_error_or_a_picture(at in 0..2000_usize, value: u8, which in 0..6_usize) {
        let mut bytes = encoded(&noise(16, 12), RASTERS[which]);
        let at = at % bytes.len();
        bytes[at] = value;
        if let Ok(decoded) = decode(&bytes, &PictureLimits::default()) {
            let (width, height) = (decoded.picture.width() as usize, decoded.picture.height() as usize);
            prop_assert_eq!(decoded.picture.rgb().len(), 3 * width * height);
        }
    }
}
