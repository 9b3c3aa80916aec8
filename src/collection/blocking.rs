//! Blocking work off the async threads.

use super::CollectionError;

/// Runs blocking or CPU-bound work off the async threads.
pub(crate) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, CollectionError> {
    let span = tracing::Span::current();
    tokio::task::spawn_blocking(move || span.in_scope(work)).await.map_err(|e| CollectionError::Internal(e.to_string()))
}
