//! Errors of decoding a picture, with messages for users.

use super::PictureFormat;

/// An error of decoding a picture.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PictureError {
    /// The file is empty.
    #[error("the image is empty (0 bytes)")]
    Empty,
    /// The first bytes are not those of a supported format.
    #[error("not an image: starts with {starts_with}; supported are {}", PictureFormat::NAMES)]
    NotAPicture {
        /// The first bytes, printable.
        starts_with: String,
    },
    /// The file is too large; it was not loaded.
    #[error("the image has {found} bytes; the maximum is {limit}")]
    TooManyBytes {
        /// Size in bytes, or a lower bound of it.
        found: u64,
        /// Maximum size in bytes.
        limit: u64,
    },
    /// The header states too many pixels; nothing was decoded.
    #[error("{format}: {width}×{height} is too large; {allowed}")]
    TooLarge {
        /// Format of the file.
        format: PictureFormat,
        /// Width in the header.
        width: u32,
        /// Height in the header.
        height: u32,
        /// The exceeded limit.
        allowed: String,
    },
    /// The file is truncated.
    #[error("{format}: premature end of file after {bytes} bytes")]
    Truncated {
        /// Format of the file.
        format: PictureFormat,
        /// Size in bytes.
        bytes: usize,
    },
    /// The file violates its format, or uses an unsupported part of it.
    #[error("{format}: {reason}")]
    Malformed {
        /// Format of the file.
        format: PictureFormat,
        /// What is wrong.
        reason: String,
    },
    /// Rendering this SVG would cost too much; nothing was rendered.
    #[error("SVG: {reason}")]
    TooComplex {
        /// What exceeds a limit, and the limit.
        reason: String,
    },
    /// The file could not be read.
    #[error("the image cannot be read: {reason}")]
    Unreadable {
        /// Error of the operating system.
        reason: String,
    },
}

impl PictureError {
    pub(super) fn unreadable(error: std::io::Error) -> Self {
        Self::Unreadable { reason: error.to_string() }
    }

    pub(super) fn not_a_picture(bytes: &[u8]) -> Self {
        let head = &bytes[..bytes.len().min(16)];
        let printable = head.iter().all(|b| matches!(b, b' '..=b'~' | b'\n' | b'\r' | b'\t'));
        let starts_with = if printable {
            format!("{:?}", String::from_utf8_lossy(head))
        } else {
            let hex: Vec<String> = head.iter().take(8).map(|b| format!("{b:02x}")).collect();
            format!("the bytes {}", hex.join(" "))
        };
        Self::NotAPicture { starts_with }
    }
}
