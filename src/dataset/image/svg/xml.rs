//! The XML of an SVG, parsed within limits.

use std::borrow::Cow;

use resvg::usvg::roxmltree::{Document, Error, ParsingOptions};

use crate::dataset::image::{
    PictureError, PictureFormat,
    format::{MAX_PROLOG_BYTES, root_element, tag_name},
};

/// Maximum number of XML nodes in an SVG, at which the parser stops. The largest drawings of a public collection have a
/// tenth of that.
const MAX_NODES: u32 = 500_000;

/// Parses XML within limits: entity expansion is bounded and never reads external files, and nodes are counted.
pub(in crate::dataset) fn parse_xml(text: &str) -> Result<Document<'_>, PictureError> {
    let limits = ParsingOptions { allow_dtd: true, nodes_limit: MAX_NODES, ..Default::default() };
    Document::parse_with_options(text, limits).map_err(|error| match error {
        Error::NodesLimitReached => {
            PictureError::TooComplex { reason: format!("it has more than {MAX_NODES} XML nodes") }
        }
        error => malformed(format!("not well-formed XML: {error}")),
    })
}

/// The document up to the end of its root element's start tag, which is closed: all that states the size of an SVG.
/// `None` if that tag does not end within [`MAX_PROLOG_BYTES`].
pub(super) fn root_alone(text: &str) -> Option<String> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let text = &text[..text.floor_char_boundary(MAX_PROLOG_BYTES)];
    let root = root_element(text.as_bytes())?;
    let end = root + end_of_tag(&text[root..])?;
    if text[..end].ends_with('/') {
        return Some(text[..=end].to_owned());
    }
    let name = str::from_utf8(tag_name(&text.as_bytes()[root..])).ok()?;
    Some(format!("{}</{name}>", &text[..=end]))
}

/// The position of the `>` that closes a tag; one in a quoted value does not.
fn end_of_tag(tag: &str) -> Option<usize> {
    let mut quote = None;
    tag.char_indices().find_map(|(at, sign)| {
        match (quote, sign) {
            (None, '>') => return Some(at),
            (None, '"' | '\'') => quote = Some(sign),
            (Some(open), _) if open == sign => quote = None,
            _ => {}
        }
        None
    })
}

/// Decodes UTF-8, or UTF-16 with a byte order mark.
pub(in crate::dataset) fn decode_text(bytes: &[u8]) -> Result<Cow<'_, str>, PictureError> {
    let utf16 = |join: fn([u8; 2]) -> u16| {
        let units = bytes[2..].as_chunks::<2>().0.iter().map(|&unit| join(unit));
        char::decode_utf16(units).collect::<Result<String, _>>().map(Cow::Owned)
    };
    match bytes {
        [0xff, 0xfe, ..] => utf16(u16::from_le_bytes).map_err(|_| malformed("it is not valid UTF-16".into())),
        [0xfe, 0xff, ..] => utf16(u16::from_be_bytes).map_err(|_| malformed("it is not valid UTF-16".into())),
        _ => std::str::from_utf8(bytes)
            .map(Cow::Borrowed)
            .map_err(|error| malformed(format!("it is not valid UTF-8 (at byte {})", error.valid_up_to()))),
    }
}

pub(super) fn malformed(reason: String) -> PictureError {
    PictureError::Malformed { format: PictureFormat::Svg, reason }
}
