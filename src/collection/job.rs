//! The context of long work.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use super::{CollectionError, NoProgress, Progress};

/// Interval between checks for cancellation.
const CHECK_EVERY: Duration = Duration::from_millis(250);

/// The context of long work: where it reports its progress, and whether it is cancelled.
#[derive(Clone)]
pub struct Job {
    /// Receives the progress.
    pub progress: Arc<dyn Progress>,
    /// Set when the work is cancelled. It stops soon after.
    pub stop: Arc<AtomicBool>,
}

/// Reports to nobody and is never cancelled.
impl Default for Job {
    fn default() -> Self {
        Self { progress: Arc::new(NoProgress), stop: Arc::default() }
    }
}

impl Job {
    /// Awaits work that cannot be cancelled itself, until the job is cancelled. The work then continues in the
    /// background, so it must not change anything.
    pub(crate) async fn unless_cancelled<T, E: From<CollectionError>>(
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
    pub(crate) fn uncancellable(&self, stop: Arc<AtomicBool>) -> Self {
        Self { progress: Arc::clone(&self.progress), stop }
    }

    /// An error once the job is cancelled.
    pub(crate) fn check_cancelled(&self) -> Result<(), CollectionError> {
        if self.is_cancelled() { Err(CollectionError::Cancelled) } else { Ok(()) }
    }

    pub(crate) fn is_cancelled(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }
}
