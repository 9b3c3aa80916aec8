//! What is fixed for every task of a kind.

/// A kind of long work. One task of a kind runs at a time.
#[derive(Debug, Clone, Copy)]
pub(in crate::engine) struct TaskKind {
    /// The name that clients see.
    pub(in crate::engine) name: &'static str,
    /// The number of steps that a task reports, for the share of it that is done.
    pub(in crate::engine) steps: usize,
    /// What a second request gets while one is running.
    pub(in crate::engine) on_duplicate: OnDuplicate,
}

/// What a request gets while a task of its kind is running.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::engine) enum OnDuplicate {
    /// The running task: both ask for the same.
    Reuse,
    /// A refusal: the requests may differ.
    Reject,
}
