//! Why a picture could not be taken, in a sentence for its owner.

use super::PictureFormat;

/// Why a picture could not be taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PictureError {
    /// Not one byte.
    #[error("the picture is empty (0 bytes)")]
    Empty,
    /// No format that is read here begins like this.
    #[error("not a picture: starts with {starts_with}; {} are read", PictureFormat::NAMES)]
    NotAPicture {
        /// The first bytes, printable.
        starts_with: String,
    },
    /// The file is larger than allowed; it was not loaded.
    #[error("the picture has {found} bytes; at most {limit} are read")]
    TooManyBytes {
        /// Bytes found (at least).
        found: u64,
        /// Bytes allowed.
        limit: u64,
    },
    /// The header promises more pixels than allowed; nothing was decoded.
    #[error("{format}: {width}×{height} is too large; {allowed}")]
    TooLarge {
        /// Its format.
        format: PictureFormat,
        /// Width in the header.
        width: u32,
        /// Height in the header.
        height: u32,
        /// The limit that it broke.
        allowed: String,
    },
    /// The file ends before the picture does.
    #[error("{format}: premature end of file after {bytes} bytes")]
    Torn {
        /// Its format.
        format: PictureFormat,
        /// Bytes that are there.
        bytes: usize,
    },
    /// The file breaks its own format, or uses a part of it that is not read.
    #[error("{format}: {reason}")]
    Malformed {
        /// Its format.
        format: PictureFormat,
        /// What is wrong.
        reason: String,
    },
    /// Drawing this SVG would cost too much; nothing was drawn.
    #[error("SVG: {reason}")]
    TooComplex {
        /// What there is too much of, and how much is allowed.
        reason: String,
    },
    /// The file could not be read.
    #[error("the picture cannot be read: {reason}")]
    Unreadable {
        /// What the system said.
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
