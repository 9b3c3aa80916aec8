//! Kinds of tasks.

/// A kind of task. One task of a kind runs at a time.
#[derive(Debug, Clone, Copy)]
pub(in crate::engine) struct TaskKind {
    /// The name that clients see.
    pub(in crate::engine) name: &'static str,
    /// The number of steps that a task reports, for its progress in percent.
    pub(in crate::engine) steps: usize,
    /// What happens to a second request while a task is running.
    pub(in crate::engine) on_duplicate: OnDuplicate,
}

/// Result of a request while a task of its kind is running.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::engine) enum OnDuplicate {
    /// Return the running task, because requests of the kind are equal.
    Reuse,
    /// Reject the request, because requests of the kind may differ.
    Reject,
}
