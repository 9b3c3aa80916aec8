//! The list of generations.

/// Content of the file `CURRENT`: numbers of the generations, newest first, with the BLAKE3 of their manifests. Every
/// byte of a generation is covered by a hash that this file leads to. A flipped digit in it leads to a manifest that
/// does not match, and not to an older generation.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Current(pub(super) Vec<(u64, String)>);

impl Current {
    /// Parses exactly what [`Self::text`] writes.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let line = |line: &str| {
            let (number, hash) = line.split_once(' ')?;
            Some((number.parse().ok()?, hash.to_owned()))
        };
        let read = Self(text.lines().map(line).collect::<Option<_>>()?);
        (!read.0.is_empty() && read.text() == text).then_some(read)
    }

    pub(super) fn text(&self) -> String {
        self.0.iter().map(|(number, hash)| format!("{number} {hash}\n")).collect()
    }
}
