//! Shutdown on Ctrl-C and SIGTERM: the first signal requests an orderly end, the second one ends the process.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use tokio::sync::watch;

/// Request to end the process.
#[derive(Debug, Clone)]
pub(super) struct Shutdown {
    flag: Arc<AtomicBool>,
    requested: watch::Receiver<bool>,
}

impl Shutdown {
    /// Listens for both signals from now on.
    pub(super) fn listen() -> std::io::Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        let mut interrupt = signal(SignalKind::interrupt())?;
        let mut terminate = signal(SignalKind::terminate())?;
        let flag = Arc::new(AtomicBool::new(false));
        let (request, requested) = watch::channel(false);
        let raised = Arc::clone(&flag);
        tokio::spawn(async move {
            loop {
                tokio::select! { _ = interrupt.recv() => (), _ = terminate.recv() => () }
                if raised.swap(true, Ordering::Relaxed) {
                    // The data on disk is consistent at any time, so exiting here loses only the current batch.
                    std::process::exit(130);
                }
                let _ = request.send(true);
            }
        });
        Ok(Self { flag, requested })
    }

    /// Flag that long-running work checks.
    pub(super) fn flag(&self) -> Arc<AtomicBool> {
        Arc::clone(&self.flag)
    }

    /// Resolves once shutdown is requested.
    pub(super) async fn requested(mut self) {
        // The sender is never dropped while the process runs.
        let _ = self.requested.wait_for(|requested| *requested).await;
    }
}
