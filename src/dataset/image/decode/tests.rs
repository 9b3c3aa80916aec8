use std::io::Cursor;

use image::{
    DynamicImage, ImageBuffer, ImageDecoder, ImageEncoder, ImageFormat, Luma, Rgb, RgbImage, Rgba, RgbaImage,
    codecs::jpeg::JpegEncoder,
};
use proptest::prelude::*;

use super::*;
use crate::core::Picture;

const RASTERS: [ImageFormat; 6] =
    [ImageFormat::Png, ImageFormat::Jpeg, ImageFormat::WebP, ImageFormat::Gif, ImageFormat::Bmp, ImageFormat::Tiff];

/// Noise, which no format compresses well.
fn noise(width: u32, height: u32) -> DynamicImage {
    let mut state = 1_u32;
    RgbImage::from_fn(width, height, |_, _| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        Rgb([(state >> 24) as u8, (state >> 16) as u8, (state >> 8) as u8])
    })
    .into()
}

fn encoded(image: &DynamicImage, format: ImageFormat) -> Vec<u8> {
    let mut bytes = Cursor::new(Vec::new());
    image.write_to(&mut bytes, format).unwrap();
    bytes.into_inner()
}

fn decode_default(bytes: &[u8]) -> Decoded {
    decode(bytes, &PictureLimits::default()).unwrap()
}

fn decode_error(bytes: &[u8]) -> String {
    decode(bytes, &PictureLimits::default()).unwrap_err().to_string()
}

fn svg(body: &str) -> Vec<u8> {
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
fn svg_is_rendered_on_white_in_its_proportions() {
    let decoded = decode_default(&svg(
        "<rect width='50' height='50' fill='#f00'/><rect x='75' width='25' height='50' fill='#00f'/>",
    ));
    assert_eq!((decoded.picture.width(), decoded.picture.height()), (512, 256));
    assert_eq!((decoded.original_width, decoded.original_height), (100, 50));
    let row = &decoded.picture.rgb()[128 * 512 * 3..129 * 512 * 3];
    assert_eq!(&row[300..303], [255, 0, 0]);
    assert_eq!(&row[3 * 320..3 * 320 + 3], [255, 255, 255]);
    assert_eq!(&row[3 * 500..3 * 500 + 3], [0, 0, 255]);
}

#[test]
fn svg_is_cropped_if_most_of_its_page_is_empty() {
    let decoded = decode_default(&svg("<rect x='70' y='30' width='10' height='10' fill='#0a0'/>"));
    let green = decoded.picture.rgb().as_chunks::<3>().0.iter().filter(|pixel| **pixel == [0, 0xaa, 0]).count();
    assert!(green * 10 > 8 * decoded.picture.rgb().len() / 3, "most of the picture is the drawing");
    // An empty page is rendered as it is.
    assert_eq!(decode_default(&svg("")).picture.width(), 512);
    assert!(
        decode_default(&svg("<rect x='900' width='9' height='9'/>")).picture.rgb().iter().all(|&value| value == 255)
    );
}

#[test]
fn svg_opens_neither_files_nor_embedded_images() {
    let dir = tempfile::tempdir().unwrap();
    let secret = dir.path().join("secret.svg");
    std::fs::write(&secret, svg("<rect width='100' height='50' fill='#f00'/>")).unwrap();
    let inside = encoded(&noise(2, 2), ImageFormat::Png).iter().map(|byte| format!("%{byte:02x}")).collect::<String>();
    for href in [
        secret.display().to_string(),
        format!("file://{}", secret.display()),
        "http://localhost/a.png".into(),
        format!("data:image/png,{inside}"),
        "data:image/svg+xml,<svg xmlns='http://www.w3.org/2000/svg' width='9' height='9'>\
         <rect width='9' height='9'/></svg>"
            .replace('<', "&lt;")
            .replace('\'', "&quot;"),
    ] {
        let picture = decode_default(&svg(&format!("<image xlink:href='{href}' width='100' height='50'/>"))).picture;
        assert!(picture.rgb().iter().all(|&value| value == 255), "{href}");
    }
    let entity = format!(
        "<!DOCTYPE svg [<!ENTITY secret SYSTEM '{}'>]>\
         <svg xmlns='http://www.w3.org/2000/svg' width='9' height='9'>&secret;</svg>",
        secret.display()
    );
    assert!(decode_error(entity.as_bytes()).starts_with("SVG: not well-formed XML"));
}

#[test]
fn deeply_nested_svg_is_refused_without_stack_overflow() {
    for depth in [193, 1_000, 100_000] {
        let nested = svg(&format!("{}<rect width='9' height='9'/>{}", "<g>".repeat(depth), "</g>".repeat(depth)));
        assert_eq!(decode_error(&nested), "SVG: its elements are nested deeper than 192");
    }
    // The allowed depth fits the stack of a thread (2 MiB), even if each group is a layer.
    for group in ["<g>", "<g opacity='.9'>", "<g style='mix-blend-mode:multiply' opacity='.5'>"] {
        let nested = svg(&format!("{}<rect width='9' height='9'/>{}", group.repeat(185), "</g>".repeat(185)));
        let result = decode(&nested, &PictureLimits::default());
        assert!(!matches!(result, Err(PictureError::Malformed { .. })), "{group}: {result:?}");
    }
    let unclosed = svg(&"<g>".repeat(100_000));
    assert!(decode_error(&unclosed).starts_with("SVG: "));
}

/// Patterns, each of which fills a shape inside of `depth` groups with the one before. All are first referred to from
/// near the root, where none of them is deep.
fn pattern_chain(length: usize, depth: usize) -> Vec<u8> {
    let (open, close) = ("<g>".repeat(depth), "</g>".repeat(depth));
    let rect = |n: usize| format!("<rect width='9' height='9' fill='url(#p{n})'/>");
    let pattern = |n: usize| {
        let inner = if n == 0 { "<rect width='9' height='9'/>".to_owned() } else { rect(n - 1) };
        format!(
            "<pattern id='p{n}' width='10' height='10' patternUnits='userSpaceOnUse'>{open}{inner}{close}</pattern>"
        )
    };
    let (early, all): (String, String) = ((0..length).map(rect).collect(), (0..length).map(pattern).collect());
    svg(&format!("<defs>{early}{all}</defs>{}", rect(length - 1)))
}

#[test]
fn depth_of_references_adds_up_wherever_they_were_first_seen() {
    assert_eq!(decode_error(&pattern_chain(12, 150)), "SVG: its elements are nested deeper than 192");
    assert_eq!(decode_error(&pattern_chain(40, 0)), "SVG: more than 16 of its references follow each other");
    let result = decode(&pattern_chain(15, 9), &PictureLimits::default());
    assert!(!matches!(result, Err(PictureError::Malformed { .. })), "it fits the stack: {result:?}");
}

#[test]
fn svg_with_quadratic_style_sheets_is_refused() {
    for (rules, element) in [
        ((0..4000).map(|n| format!(".c{n}{{fill:red}}")).collect::<String>(), "<g class='a b'/>"),
        (format!("{} {{fill:red}}", vec!["g g"; 4000].join(",")), "<g/>"),
    ] {
        for style in [format!("<style>{rules}</style>"), format!("<style><![CDATA[{rules}]]></style>")] {
            let sheet = svg(&format!("{style}{}", element.repeat(4000)));
            assert!(decode_error(&sheet).contains("selectors for 400"), "{}", decode_error(&sheet));
        }
    }
    decode_default(&svg(&format!("<style>rect{{fill:red}}</style>{}", "<rect width='9' height='9'/>".repeat(4000))));
}

#[test]
fn size_of_an_svg_is_read_from_its_root_element_alone() {
    for (root, size) in [
        ("<svg xmlns='http://www.w3.org/2000/svg' width='100' height='50'>", (100, 50)),
        (
            "<?xml version='1.0'?><!-- <svg width='7'> --><svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 30 40'>",
            (30, 40),
        ),
        (
            "<!DOCTYPE svg [<!ENTITY ns 'http://www.w3.org/2000/svg'>]><svg xmlns='&ns;' width='1in' height='9'>",
            (96, 9),
        ),
        ("<!DOCTYPE svg PUBLIC 'a' 'c'><svg xmlns='http://www.w3.org/2000/svg' id='a>b' width='5' height='6'>", (5, 6)),
    ] {
        let header = inspect(format!("{root}<this is not XML").as_bytes(), &PictureLimits::default());
        assert_eq!(header.map(|header| (header.width, header.height)), Ok(size), "{root}");
    }
    let endless = format!("<svg xmlns='http://www.w3.org/2000/svg' id='{}'", "a".repeat(1 << 20));
    let error = inspect(endless.as_bytes(), &PictureLimits::default()).unwrap_err().to_string();
    assert_eq!(error, "SVG: it has no root element near its beginning");
}

#[test]
fn compressed_metadata_of_a_small_picture_is_bounded() {
    let mut png = Vec::new();
    let mut encoder = image::codecs::png::PngEncoder::new(&mut png);
    encoder.set_icc_profile(vec![0; 100 << 20]).expect("a profile");
    noise(8, 8).write_with_encoder(encoder).expect("a picture");
    assert!(png.len() < 1 << 20, "{}", png.len());
    let profile = |max_bytes| {
        let mut decoder = raster::open(PictureFormat::Png, &png, max_bytes).expect("a header");
        decoder.icc_profile().ok().flatten().map(|profile| profile.len())
    };
    assert_eq!(profile(1 << 30), Some(100 << 20), "the test means something");
    assert_eq!(profile(raster::MAX_EXTRA_BYTES), None, "it is skipped, not inflated");
    assert_eq!(decode_default(&png).picture.width(), 8);
}

#[test]
fn svg_bombs_are_refused_before_rendering() {
    let laughs: String = (1..10).map(|n| format!("<!ENTITY l{n} '{}'>", format!("&l{};", n - 1).repeat(10))).collect();
    let laughs = format!(
        "<!DOCTYPE svg [<!ENTITY l0 '<g/>'>{laughs}]>\
         <svg xmlns='http://www.w3.org/2000/svg' width='9' height='9'>&l9;</svg>"
    );
    assert!(
        decode_error(laughs.as_bytes()).starts_with("SVG: not well-formed XML"),
        "{}",
        decode_error(laughs.as_bytes())
    );

    let chain = |element: &dyn Fn(usize) -> String| (1..12).map(element).collect::<String>();
    let uses = chain(&|n| format!("<g id='u{n}'>{}</g>", format!("<use xlink:href='#u{}'/>", n - 1).repeat(10)));
    let uses = svg(&format!("<defs><rect id='u0' width='9' height='9'/>{uses}</defs><use xlink:href='#u11'/>"));
    assert!(decode_error(&uses).contains("references expand"), "{}", decode_error(&uses));

    let rect = |n: usize| format!("<rect width='9' height='9' fill='url(#p{n})'/>");
    let tile = "width='10' height='10' patternUnits='userSpaceOnUse'";
    let patterns = chain(&|n| format!("<pattern id='p{n}' {tile}>{}</pattern>", rect(n - 1).repeat(10)));
    let patterns =
        svg(&format!("<pattern id='p0' {tile}><rect width='9' height='9'/></pattern>{patterns}{}", rect(11)));
    assert!(decode_error(&patterns).contains("references expand"), "{}", decode_error(&patterns));

    let markers = format!(
        "<marker id='m'>{}</marker><path marker-mid='url(#m)' d='M0 0{}'/>",
        "<rect width='1' height='1'/>".repeat(1000),
        "h1 ".repeat(10_000)
    );
    assert!(decode_error(&svg(&markers)).contains("references expand"));

    let tile = "<pattern id='p' width='1e6' height='1e6' patternUnits='userSpaceOnUse'>\
                <rect width='9' height='9'/></pattern><rect width='100' height='50' fill='url(#p)'/>";
    assert!(decode_error(&svg(tile)).contains("too much memory"), "{}", decode_error(&svg(tile)));

    let filter = "<filter id='f' x='-1000000' y='-1000000' width='9000000' height='9000000' \
                  filterUnits='userSpaceOnUse'><feMorphology operator='dilate' radius='1000'/></filter>\
                  <rect width='100' height='50' filter='url(#f)'/>";
    assert!(decode_error(&svg(filter)).contains("cost too much to render"), "{}", decode_error(&svg(filter)));

    let octaves = "<filter id='f'><feTurbulence baseFrequency='.1' numOctaves='100000000'/></filter>\
                   <rect width='100' height='50' filter='url(#f)'/>";
    assert!(decode_error(&svg(octaves)).contains("cost too much to render"), "{}", decode_error(&svg(octaves)));
}

#[test]
fn cyclic_references_end() {
    for body in [
        "<g id='a'><use xlink:href='#a'/></g>",
        "<g id='a'><use xlink:href='#b'/></g><g id='b'><use xlink:href='#a'/></g>",
        "<pattern id='a' width='9' height='9'><rect width='9' height='9' fill='url(#a)'/></pattern>\
         <rect width='9' height='9' fill='url(#a)'/>",
        "<mask id='a' mask='url(#a)'><rect width='9' height='9' mask='url(#a)'/></mask>\
         <rect width='9' height='9' mask='url(#a)'/>",
        "<clipPath id='a' clip-path='url(#b)'/><clipPath id='b' clip-path='url(#a)'/>\
         <rect width='9' height='9' clip-path='url(#a)'/>",
        "<style>rect{fill:url(#a)}</style><pattern id='a' width='9' height='9'><rect width='9' height='9'/></pattern>\
         <rect width='9' height='9'/>",
    ] {
        let result = decode(&svg(body), &PictureLimits::default());
        assert!(!matches!(result, Err(PictureError::TooComplex { .. })), "{body}: {result:?}");
    }
}

#[test]
fn svg_of_extreme_size_is_rendered_small_or_refused() {
    for size in [
        "width='1e30' height='1'",
        "width='1e9' height='1e9'",
        "viewBox='0 0 1e38 1e-38' width='9' height='9'",
        "viewBox='-1e9 -1e9 2e9 2e9'",
        "width='0' height='9'",
        "width='-1' height='9'",
        "width='1e-20' height='1e-20'",
        "width='nonsense' height='9'",
    ] {
        let svg = format!("<svg xmlns='http://www.w3.org/2000/svg' {size}><rect width='9' height='9'/></svg>");
        if let Ok(decoded) = decode(svg.as_bytes(), &PictureLimits::default()) {
            assert!(decoded.picture.width().max(decoded.picture.height()) <= 512, "{size}");
        }
    }
}

#[test]
fn svg_may_be_utf16_or_begin_with_bom_comment_or_dtd() {
    let plain = String::from_utf8(svg("<rect width='100' height='50'/>")).unwrap();
    let wide: Vec<u8> = [0xff, 0xfe].into_iter().chain(plain.encode_utf16().flat_map(u16::to_le_bytes)).collect();
    for bytes in [
        wide,
        format!("\u{feff}{plain}").into_bytes(),
        format!("<?xml version='1.0'?>\n<!-- <html> -->\n{plain}").into_bytes(),
        format!("<!DOCTYPE svg PUBLIC '-//W3C//DTD SVG 1.1//EN' 'svg11.dtd' [ <!ENTITY a 'b'> ] >\n{plain}")
            .into_bytes(),
    ] {
        assert_eq!(decode_default(&bytes).format, PictureFormat::Svg);
    }
    assert!(decode_error(b"<svg xmlns='http://www.w3.org/2000/svg'>\xff</svg>").contains("not valid UTF-8"));
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
