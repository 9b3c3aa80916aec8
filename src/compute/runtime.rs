//! Helpers for threads and tasks.

use std::thread;

use tracing::Instrument;

/// Starts a task within the caller's tracing span.
pub fn spawn<T: Send + 'static>(task: impl Future<Output = T> + Send + 'static) -> tokio::task::JoinHandle<T> {
    tokio::spawn(task.in_current_span())
}

/// Number of threads that the machine runs at once, at least one.
pub fn cores() -> usize {
    thread::available_parallelism().map_or(1, std::num::NonZero::get)
}
