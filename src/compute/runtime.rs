//! Small helpers for threads and tasks.

use std::thread;

use tracing::Instrument;

/// Starts a task within the caller's span.
pub fn spawn<T: Send + 'static>(task: impl Future<Output = T> + Send + 'static) -> tokio::task::JoinHandle<T> {
    tokio::spawn(task.in_current_span())
}

/// Threads that a machine offers, at least one.
pub fn cores() -> usize {
    thread::available_parallelism().map_or(1, std::num::NonZero::get)
}
