//! Work that blocks, off the async threads.

use super::SearchError;

/// Runs work that blocks or keeps a core busy off the async threads.
pub(crate) async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, SearchError> {
    let span = tracing::Span::current();
    tokio::task::spawn_blocking(move || span.in_scope(work)).await.map_err(|e| SearchError::Background(e.to_string()))
}
