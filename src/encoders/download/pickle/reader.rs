//! A byte reader whose errors state the position.

/// An error in the content of a file.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("at byte {at}: {what}")]
pub(in crate::encoders::download) struct Malformed {
    /// Position in the file.
    pub(in crate::encoders::download) at: usize,
    /// What was found, and what is allowed.
    pub(in crate::encoders::download) what: String,
}

/// A byte slice with a read position.
#[derive(Debug, Clone)]
pub(in crate::encoders::download) struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Reader<'a> {
    pub(in crate::encoders::download) fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0 }
    }

    /// An error at the current position.
    pub(in crate::encoders::download) fn malformed(&self, what: impl Into<String>) -> Malformed {
        Malformed { at: self.at, what: what.into() }
    }

    /// Number of remaining bytes.
    pub(in crate::encoders::download) fn left(&self) -> usize {
        self.bytes.len() - self.at
    }

    /// The next `count` bytes.
    pub(in crate::encoders::download) fn take(&mut self, count: usize) -> Result<&'a [u8], Malformed> {
        let (at, left) = (self.at, self.left());
        let taken = self.bytes[at..].get(..count);
        let taken = taken.ok_or_else(|| self.malformed(format!("{count} more bytes expected, the file has {left}")))?;
        self.at += count;
        Ok(taken)
    }

    /// The next `N` bytes as an array.
    pub(in crate::encoders::download) fn array<const N: usize>(&mut self) -> Result<[u8; N], Malformed> {
        let mut array = [0; N];
        array.copy_from_slice(self.take(N)?);
        Ok(array)
    }

    /// Text up to the next line feed, which is consumed.
    pub(super) fn line(&mut self) -> Result<&'a str, Malformed> {
        let length = self.bytes[self.at..].iter().take(256).position(|&b| b == b'\n');
        let length = length.ok_or_else(|| self.malformed("a name of more than 255 bytes"))?;
        let line = std::str::from_utf8(self.take(length)?).map_err(|_| self.malformed("a name that is not UTF-8"))?;
        self.take(1)?;
        Ok(line)
    }
}
