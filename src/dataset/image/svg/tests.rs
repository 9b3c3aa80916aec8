//! SVGs, through [`decode`] as all pictures.

use image::ImageFormat;

use crate::dataset::image::{
    PictureError, PictureFormat, PictureLimits, decode,
    decode::tests::{decode_default, decode_error, encoded, noise, svg},
    inspect,
};

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
        ("<svg xmlns='http://www.w3.org/2000/svg'>", (100, 100)),
        ("\u{feff}<svg xmlns='http://www.w3.org/2000/svg' width='7' height='8'/>", (7, 8)),
        ("<s:svg xmlns:s='http://www.w3.org/2000/svg' width='7' height='8'>", (7, 8)),
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
