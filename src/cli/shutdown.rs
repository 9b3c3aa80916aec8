//! Ctrl-C and SIGTERM: the first asks for a good end, the second ends at once.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use tokio::sync::watch;

/// Whether somebody asked the process to end.
#[derive(Debug, Clone)]
pub(super) struct Stop {
    flag: Arc<AtomicBool>,
    asked: watch::Receiver<bool>,
}

impl Stop {
    /// Listens for both signals from now on.
    pub(super) fn listen() -> std::io::Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        let mut interrupt = signal(SignalKind::interrupt())?;
        let mut terminate = signal(SignalKind::terminate())?;
        let flag = Arc::new(AtomicBool::new(false));
        let (ask, asked) = watch::channel(false);
        let raised = Arc::clone(&flag);
        tokio::spawn(async move {
            loop {
                tokio::select! { _ = interrupt.recv() => (), _ = terminate.recv() => () }
                if raised.swap(true, Ordering::Relaxed) {
                    // What is on disk is whole at any moment, so ending here loses only the batch at hand.
                    std::process::exit(130);
                }
                let _ = ask.send(true);
            }
        });
        Ok(Self { flag, asked })
    }

    /// The flag that long work looks at.
    pub(super) fn flag(&self) -> Arc<AtomicBool> {
        Arc::clone(&self.flag)
    }

    /// Resolves when somebody asks.
    pub(super) async fn asked(mut self) {
        // The sender lives as long as the process listens.
        let _ = self.asked.wait_for(|asked| *asked).await;
    }
}
