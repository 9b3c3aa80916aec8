//! The context of a task's work.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use crate::collection::{CollectionError, Progress};

/// Interval between checks for cancellation.
const CHECK_EVERY: Duration = Duration::from_millis(250);

/// The context of a running task.
#[derive(Clone)]
pub(in crate::engine) struct Job {
    pub(in crate::engine) progress: Arc<dyn Progress>,
    /// Set when the task is cancelled.
    pub(in crate::engine) stop: Arc<AtomicBool>,
}

impl Job {
    /// Awaits work that cannot be cancelled itself, until the task is cancelled. The work then continues in the
    /// background, so it must not change anything.
    pub(in crate::engine) async fn unless_cancelled<T, E: From<CollectionError>>(
        &self,
        work: impl Future<Output = Result<T, E>>,
    ) -> Result<T, E> {
        let cancelled = async {
            while !self.is_cancelled() {
                tokio::time::sleep(CHECK_EVERY).await;
            }
        };
        tokio::select! {
            ended = work => ended,
            () = cancelled => Err(CollectionError::Cancelled.into()),
        }
    }

    /// A job that ends only when `stop` is set.
    pub(in crate::engine) fn uncancellable(&self, stop: Arc<AtomicBool>) -> Self {
        Self { progress: Arc::clone(&self.progress), stop }
    }

    /// An error once the task is cancelled.
    pub(in crate::engine) fn check_cancelled(&self) -> Result<(), CollectionError> {
        if self.is_cancelled() { Err(CollectionError::Cancelled) } else { Ok(()) }
    }

    fn is_cancelled(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }
}
