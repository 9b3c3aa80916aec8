//! How long work tells whoever waits for it how far it is. The terminal draws bars from it, a task keeps steps.

/// Hears how far long work is. Steps follow one another; each begins before it advances.
pub trait Progress: Send + Sync {
    /// A step begins: what is done, what is counted, and how much there is of it, if that is known.
    fn begin(&self, step: &str, unit: &str, total: Option<u64>);
    /// So much of the current step is done.
    fn advance(&self, done: u64);
    /// Something about the current step that is worth a line.
    fn note(&self, text: &str);
    /// Something was measured that is worth keeping.
    fn measured(&self, _metric: serde_json::Value) {}
}

/// Nobody listens.
#[derive(Debug, Clone, Copy)]
pub struct NoProgress;

impl Progress for NoProgress {
    fn begin(&self, _step: &str, _unit: &str, _total: Option<u64>) {}
    fn advance(&self, _done: u64) {}
    fn note(&self, _text: &str) {}
}
