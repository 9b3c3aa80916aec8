//! The XML of an SVG, parsed within limits.

use std::borrow::Cow;

use resvg::usvg::roxmltree::{Document, Error, ParsingOptions};

use crate::dataset::image::{PictureError, PictureFormat};

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
