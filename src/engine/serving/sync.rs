//! Keeping the live snapshot in sync with the catalog.

use std::sync::Arc;

use crate::engine::{EngineError, Serving, TaskRunner, tasks::kinds::reindex};

/// Applies the catalog's changes to the live snapshot, and starts a rebuild when enough has changed. The caller holds
/// [`Serving::lock_writes`].
pub(in crate::engine) async fn sync_live_index(serving: &Arc<Serving>, tasks: &TaskRunner) -> Result<(), EngineError> {
    if serving.catch_up().await? {
        tracing::info!("rebuilding the index in the background, because enough items have changed");
        reindex::start(tasks, Arc::clone(serving)).await?;
    }
    Ok(())
}
