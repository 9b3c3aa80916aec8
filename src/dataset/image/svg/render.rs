//! Renders an SVG with `resvg` on white and crops the empty part of its page.
//!
//! An SVG is a program, whose cost is bounded before it runs: [`expansion_limit`] bounds the size of the tree that its
//! references expand to, from the XML alone; [`render_budget`] bounds memory and pixels, from the resolved tree, before
//! a pixmap is allocated.

use resvg::{
    tiny_skia::{Color, Pixmap, Rect, Transform},
    usvg::{self, ImageHrefResolver, Options, Tree},
};

use super::{
    decode_text, expansion_limit, parse_xml, render_budget,
    xml::{malformed, root_alone},
};
use crate::{
    core::Picture,
    dataset::{Decoded, Header, PictureError, PictureFormat, PictureLimits},
};

/// The size that the root element states. Nothing else is parsed: what an element costs cannot be seen from its bytes.
pub(in crate::dataset::image) fn inspect(bytes: &[u8]) -> Result<Header, PictureError> {
    let text = decode_text(bytes)?;
    let root = root_alone(&text).ok_or_else(|| malformed("it has no root element near its beginning".into()))?;
    let tree = Tree::from_xmltree(&parse_xml(&root)?, &options()).map_err(|error| malformed(message(&error)))?;
    let (width, height) = nominal_size(&tree);
    Ok(Header { format: PictureFormat::Svg, width, height })
}

pub(in crate::dataset::image) fn decode(bytes: &[u8], limits: &PictureLimits) -> Result<Decoded, PictureError> {
    let tree = parse(bytes)?;
    let (original_width, original_height) = nominal_size(&tree);
    let view = viewport(&tree);
    let scale = limits.svg_side as f32 / view.width().max(view.height());
    let side = |length: f32| ((length * scale).round() as u32).clamp(1, limits.svg_side.max(1));
    let (width, height) = (side(view.width()), side(view.height()));
    render_budget::check(&tree, scale, width, height)?;
    let no_canvas = || malformed(format!("a canvas of {width}×{height} cannot be allocated"));
    let mut canvas = Pixmap::new(width, height).ok_or_else(no_canvas)?;
    canvas.fill(Color::WHITE);
    let to_canvas = Transform::from_scale(scale, scale).pre_translate(-view.x(), -view.y());
    resvg::render(&tree, to_canvas, &mut canvas.as_mut());
    // On white every pixel is opaque, so premultiplied and straight colours are equal.
    let rgb = canvas.data().as_chunks::<4>().0.iter().flat_map(|&[red, green, blue, _]| [red, green, blue]).collect();
    let picture = Picture::new(width, height, rgb).ok_or_else(no_canvas)?;
    Ok(Decoded { picture, format: PictureFormat::Svg, original_width, original_height })
}

/// The rendered part of the page: the drawing with a margin if most of the page is empty, else the whole page. Many
/// drawings occupy a corner of an editor's default page and would be tiny in a picture of the whole.
fn viewport(tree: &Tree) -> Rect {
    const MARGIN: f32 = 0.04;
    const MAX_FRACTION: f32 = 0.6;
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
            drawn.width() * drawn.height() < MAX_FRACTION * width * height
                && drawn.width() > 0.0
                && drawn.height() > 0.0
        })
        .unwrap_or(page)
}

fn parse(bytes: &[u8]) -> Result<Tree, PictureError> {
    let text = decode_text(bytes)?;
    let xml = parse_xml(&text)?;
    expansion_limit::check(&xml)?;
    Tree::from_xmltree(&xml, &options()).map_err(|error| malformed(message(&error)))
}

/// Neither external files nor embedded images are opened or decoded.
fn options() -> Options<'static> {
    let no_images = ImageHrefResolver { resolve_data: Box::new(|_, _, _| None), resolve_string: Box::new(|_, _| None) };
    Options { image_href_resolver: no_images, ..Options::default() }
}

fn nominal_size(tree: &Tree) -> (u32, u32) {
    let side = |length: f32| (length.round() as u32).max(1);
    (side(tree.size().width()), side(tree.size().height()))
}

fn message(error: &usvg::Error) -> String {
    match error {
        usvg::Error::InvalidSize => "it has neither a valid size nor a viewBox".into(),
        other => other.to_string(),
    }
}
