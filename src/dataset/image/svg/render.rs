//! SVG, drawn by `resvg` on white, without the empty part of its page.
//!
//! An SVG is a program. What it may cost is known before it runs: [`expansion_limit`] bounds the tree that its references unfold
//! to, from the XML alone; [`render_budget`] bounds memory and pixels, from the resolved tree, before a pixmap is made.

use std::borrow::Cow;

use resvg::{
    tiny_skia::{Color, Pixmap, Rect, Transform},
    usvg::{self, ImageHrefResolver, Options, Tree, roxmltree},
};

use super::{expansion_limit, render_budget};
use crate::{
    core::Picture,
    dataset::image::{
        PictureError, PictureFormat, PictureLimits,
        decode::{Decoded, Header},
    },
};

/// XML nodes that one SVG may have; the parser stops there. The largest drawings of a public collection have a tenth.
const MAX_NODES: u32 = 500_000;

pub(in crate::dataset::image) fn inspect(bytes: &[u8]) -> Result<Header, PictureError> {
    let tree = parse(bytes)?;
    let (width, height) = stated_size(&tree);
    Ok(Header { format: PictureFormat::Svg, width, height })
}

pub(in crate::dataset::image) fn decode(bytes: &[u8], limits: &PictureLimits) -> Result<Decoded, PictureError> {
    let tree = parse(bytes)?;
    let (original_width, original_height) = stated_size(&tree);
    let view = view(&tree);
    let scale = limits.svg_side as f32 / view.width().max(view.height());
    let side = |length: f32| ((length * scale).round() as u32).clamp(1, limits.svg_side.max(1));
    let (width, height) = (side(view.width()), side(view.height()));
    render_budget::check(&tree, scale, width, height)?;
    let no_room = || malformed(format!("a canvas of {width}×{height} cannot be made"));
    let mut canvas = Pixmap::new(width, height).ok_or_else(no_room)?;
    canvas.fill(Color::WHITE);
    let to_canvas = Transform::from_scale(scale, scale).pre_translate(-view.x(), -view.y());
    resvg::render(&tree, to_canvas, &mut canvas.as_mut());
    // On white every pixel ends opaque, so premultiplied is straight.
    let rgb = canvas.data().as_chunks::<4>().0.iter().flat_map(|&[red, green, blue, _]| [red, green, blue]).collect();
    let picture = Picture::new(width, height, rgb).ok_or_else(no_room)?;
    Ok(Decoded { picture, format: PictureFormat::Svg, original_width, original_height })
}

/// The part of the page that is drawn: all of it, or the drawing with a margin where most of the page is empty. Many a
/// drawing stands in a corner of an editor's default sheet, and would be a speck in a picture of the whole.
fn view(tree: &Tree) -> Rect {
    const MARGIN: f32 = 0.04;
    const MOST: f32 = 0.6;
    let (width, height) = (tree.size().width(), tree.size().height());
    let page = tree.size().to_rect(0.0, 0.0).expect("a tree's size is positive and finite");
    let drawing = tree.root().abs_layer_bounding_box();
    let margin = MARGIN * drawing.width().max(drawing.height());
    let drawn = Rect::from_ltrb(
        (drawing.left() - margin).max(0.0),
        (drawing.top() - margin).max(0.0),
        (drawing.right() + margin).min(width),
        (drawing.bottom() + margin).min(height),
    );
    drawn
        .filter(|drawn| {
            drawn.width() * drawn.height() < MOST * width * height && drawn.width() > 0.0 && drawn.height() > 0.0
        })
        .unwrap_or(page)
}

fn parse(bytes: &[u8]) -> Result<Tree, PictureError> {
    let text = text(bytes)?;
    let xml = parse_xml(&text)?;
    expansion_limit::check(&xml)?;
    // Neither files beside the drawing nor pictures inside it: nothing is opened, nothing is decoded.
    let nothing = ImageHrefResolver { resolve_data: Box::new(|_, _, _| None), resolve_string: Box::new(|_, _| None) };
    let options = Options { image_href_resolver: nothing, ..Options::default() };
    Tree::from_xmltree(&xml, &options).map_err(|error| malformed(sentence(&error)))
}

/// Parses XML within limits: entities expand a little and never into external files, nodes are counted.
pub(in crate::dataset) fn parse_xml(text: &str) -> Result<roxmltree::Document<'_>, PictureError> {
    let limits = roxmltree::ParsingOptions { allow_dtd: true, nodes_limit: MAX_NODES, ..Default::default() };
    roxmltree::Document::parse_with_options(text, limits).map_err(|error| match error {
        roxmltree::Error::NodesLimitReached => {
            PictureError::TooComplex { reason: format!("it has more than {MAX_NODES} XML nodes") }
        }
        error => malformed(format!("not well-formed XML: {error}")),
    })
}

/// UTF-8, or UTF-16 with a byte order mark.
pub(in crate::dataset) fn text(bytes: &[u8]) -> Result<Cow<'_, str>, PictureError> {
    let wide = |join: fn([u8; 2]) -> u16| {
        let units = bytes[2..].as_chunks::<2>().0.iter().map(|&unit| join(unit));
        char::decode_utf16(units).collect::<Result<String, _>>().map(Cow::Owned)
    };
    match bytes {
        [0xff, 0xfe, ..] => wide(u16::from_le_bytes).map_err(|_| malformed("it is not valid UTF-16".into())),
        [0xfe, 0xff, ..] => wide(u16::from_be_bytes).map_err(|_| malformed("it is not valid UTF-16".into())),
        _ => std::str::from_utf8(bytes)
            .map(Cow::Borrowed)
            .map_err(|error| malformed(format!("it is not valid UTF-8 (at byte {})", error.valid_up_to()))),
    }
}

fn stated_size(tree: &Tree) -> (u32, u32) {
    let side = |length: f32| (length.round() as u32).max(1);
    (side(tree.size().width()), side(tree.size().height()))
}

fn sentence(error: &usvg::Error) -> String {
    match error {
        usvg::Error::InvalidSize => "it has neither a valid size nor a viewBox".into(),
        other => other.to_string(),
    }
}

fn malformed(reason: String) -> PictureError {
    PictureError::Malformed { format: PictureFormat::Svg, reason }
}
