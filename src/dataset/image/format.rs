//! Detects the format of a picture from its first bytes.

use std::fmt;

/// The supported picture formats.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum PictureFormat {
    /// Portable Network Graphics.
    Png,
    /// JPEG (JFIF, EXIF).
    Jpeg,
    /// WebP, lossy and lossless.
    WebP,
    /// GIF (first frame).
    Gif,
    /// Windows bitmap.
    Bmp,
    /// TIFF (first page).
    Tiff,
    /// Scalable Vector Graphics, uncompressed.
    Svg,
}

impl PictureFormat {
    /// Names of all formats, for messages.
    pub const NAMES: &'static str = "PNG, JPEG, WebP, GIF, BMP, TIFF and SVG";

    /// File name extensions (lower case) of these formats. They only select the files of a folder; the format of a file
    /// is detected from its first bytes.
    pub const EXTENSIONS: &'static [&'static str] =
        &["png", "apng", "jpg", "jpeg", "jpe", "jfif", "webp", "gif", "bmp", "dib", "tif", "tiff", "svg"];

    /// The format that begins with these bytes.
    pub fn sniff(bytes: &[u8]) -> Option<Self> {
        match bytes {
            [0x89, b'P', b'N', b'G', b'\r', b'\n', 0x1a, b'\n', ..] => Some(Self::Png),
            [0xff, 0xd8, 0xff, ..] => Some(Self::Jpeg),
            [b'R', b'I', b'F', b'F', _, _, _, _, b'W', b'E', b'B', b'P', ..] => Some(Self::WebP),
            [b'G', b'I', b'F', b'8', b'7' | b'9', b'a', ..] => Some(Self::Gif),
            // Texts can begin with "BM" too, but the four reserved bytes of the header are zero.
            [b'B', b'M', _, _, _, _, 0, 0, 0, 0, ..] => Some(Self::Bmp),
            [b'I', b'I', 42, 0, ..] | [b'M', b'M', 0, 42, ..] => Some(Self::Tiff),
            _ => looks_like_svg(bytes).then_some(Self::Svg),
        }
    }

    /// File name extension.
    pub fn ending(self) -> &'static str {
        match self {
            Self::Png => "png",
            Self::Jpeg => "jpg",
            Self::WebP => "webp",
            Self::Gif => "gif",
            Self::Bmp => "bmp",
            Self::Tiff => "tiff",
            Self::Svg => "svg",
        }
    }

    /// The format with this media type.
    pub fn of_mime(mime: &str) -> Option<Self> {
        let all = [Self::Png, Self::Jpeg, Self::WebP, Self::Gif, Self::Bmp, Self::Tiff, Self::Svg];
        all.into_iter().find(|format| format.mime() == mime)
    }

    /// The media type, for `Content-Type`.
    pub fn mime(self) -> &'static str {
        match self {
            Self::Png => "image/png",
            Self::Jpeg => "image/jpeg",
            Self::WebP => "image/webp",
            Self::Gif => "image/gif",
            Self::Bmp => "image/bmp",
            Self::Tiff => "image/tiff",
            Self::Svg => "image/svg+xml",
        }
    }
}

impl fmt::Display for PictureFormat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Png => "PNG",
            Self::Jpeg => "JPEG",
            Self::WebP => "WebP",
            Self::Gif => "GIF",
            Self::Bmp => "BMP",
            Self::Tiff => "TIFF",
            Self::Svg => "SVG",
        })
    }
}

/// The root element of an SVG starts within this many bytes, and its start tag ends there. Editors write at most a few
/// kilobytes before its content.
pub(super) const MAX_PROLOG_BYTES: usize = 64 << 10;

/// Whether this is XML whose root element, after declarations, comments and a DTD, is `svg` with any prefix.
fn looks_like_svg(bytes: &[u8]) -> bool {
    let head = &bytes[..bytes.len().min(MAX_PROLOG_BYTES)];
    if head.starts_with(&[0xff, 0xfe]) || head.starts_with(&[0xfe, 0xff]) {
        let narrow: Vec<u8> = head[2..].iter().copied().filter(|&b| b != 0).collect();
        return looks_like_svg(&narrow);
    }
    let head = head.strip_prefix(b"\xef\xbb\xbf").unwrap_or(head);
    root_element(head).is_some_and(|root| {
        let name = tag_name(&head[root..]);
        name == b"svg" || name.ends_with(b":svg")
    })
}

/// The name of the element that starts here.
pub(super) fn tag_name(tag: &[u8]) -> &[u8] {
    let name = tag.get(1..).unwrap_or_default();
    let end = name.iter().position(|b| b.is_ascii_whitespace() || matches!(b, b'>' | b'/'));
    &name[..end.unwrap_or(name.len())]
}

/// The position of the first element, behind `<?…>`, `<!--…-->` and `<!DOCTYPE … [ … ]>`.
pub(super) fn root_element(xml: &[u8]) -> Option<usize> {
    let mut at = 0;
    loop {
        at += xml[at..].iter().position(|b| !b.is_ascii_whitespace())?;
        let rest = xml[at..].strip_prefix(b"<")?;
        let end = if rest.starts_with(b"!--") {
            find(rest, b"-->")? + 3
        } else if rest.starts_with(b"!") {
            let (close, open) = (find(rest, b">")?, find(rest, b"[").unwrap_or(usize::MAX));
            let brackets = if open < close { open + find(&rest[open..], b"]")? } else { 0 };
            // There may be white space between the `]` and the `>` of a DTD.
            brackets + find(&rest[brackets..], b">")? + 1
        } else if rest.starts_with(b"?") {
            find(rest, b">")? + 1
        } else {
            return Some(at);
        };
        at += 1 + end;
    }
}

fn find(haystack: &[u8], needle: &[u8]) -> Option<usize> {
    haystack.windows(needle.len()).position(|window| window == needle)
}
