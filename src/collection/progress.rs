//! Progress of long-running operations, shown as bars in the terminal and as steps of a task.

/// Receiver of progress. Steps run one after the other, and each begins before it advances.
pub trait Progress: Send + Sync {
    /// Begins a step, which processes `total` units, if the number is known.
    fn begin(&self, step: &str, unit: &str, total: Option<u64>);
    /// Adds processed units to the current step.
    fn advance(&self, done: u64);
    /// Prints a note on the current step.
    fn note(&self, text: &str);
    /// Records a metric.
    fn measured(&self, _metric: serde_json::Value) {}
}

/// Discards all progress.
#[derive(Debug, Clone, Copy)]
pub struct NoProgress;

impl Progress for NoProgress {
    fn begin(&self, _step: &str, _unit: &str, _total: Option<u64>) {}
    fn advance(&self, _done: u64) {}
    fn note(&self, _text: &str) {}
}
