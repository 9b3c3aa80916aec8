//! How work that keeps a core busy leaves the async threads.
//!
//! An encoder takes milliseconds to tens of milliseconds a query. Run on the async threads it would stall every other
//! connection; handed to an unbounded pool it would queue until memory ends while every caller waits. So each kind of
//! work has a [`Worker`]: a few threads behind a short queue. A full queue is an answer ([`Overloaded`]), which the
//! HTTP layer turns into 503 with `Retry-After`.

mod isa;

use std::{
    sync::{Arc, Mutex, PoisonError, mpsc},
    thread,
};

use tokio::sync::oneshot;
use tracing::Span;

pub use isa::Isa;

type Job = Box<dyn FnOnce() + Send>;

/// The queue before a worker is full, or the worker has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("all workers are busy and the queue is full")]
pub struct Overloaded;

/// A few named threads behind a bounded queue. They end when the worker is dropped and its queue is empty.
#[derive(Debug)]
pub struct Worker {
    queue: mpsc::SyncSender<Job>,
}

impl Worker {
    /// Starts `threads` threads (at least one) that serve a queue of at most `capacity` waiting jobs.
    ///
    /// # Errors
    /// If the system refuses a thread.
    pub fn start(name: &str, threads: usize, capacity: usize) -> std::io::Result<Self> {
        let (queue, jobs) = mpsc::sync_channel::<Job>(capacity);
        let jobs = Arc::new(Mutex::new(jobs));
        for number in 0..threads.max(1) {
            let jobs = Arc::clone(&jobs);
            thread::Builder::new().name(format!("{name}-{number}")).spawn(move || serve(&jobs))?;
        }
        Ok(Self { queue })
    }

    /// Runs `work` on a thread of this worker, within the caller's tracing span, and waits for what it returns.
    ///
    /// # Errors
    /// [`Overloaded`] if the queue is full, or if the work panicked (the panic is logged).
    pub async fn run<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> Result<T, Overloaded> {
        let (answer, waiting) = oneshot::channel();
        let span = Span::current();
        let job = move || {
            let _entered = span.enter();
            // Nobody waits for the answer of a request whose client has gone; then the work is not worth starting.
            if !answer.is_closed() {
                let _ = answer.send(work());
            }
        };
        self.queue.try_send(Box::new(job)).map_err(|_| Overloaded)?;
        waiting.await.map_err(|_| Overloaded)
    }
}

fn serve(jobs: &Mutex<mpsc::Receiver<Job>>) {
    loop {
        let job = jobs.lock().unwrap_or_else(PoisonError::into_inner).recv();
        let Ok(job) = job else { return };
        if std::panic::catch_unwind(std::panic::AssertUnwindSafe(job)).is_err() {
            tracing::error!("a job panicked; its thread goes on");
        }
    }
}

/// Threads that a machine offers, at least one.
pub fn cores() -> usize {
    thread::available_parallelism().map_or(1, std::num::NonZero::get)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_full_queue_is_an_answer_and_the_worker_goes_on() {
        let worker = Arc::new(Worker::start("test", 1, 1).expect("threads"));
        let (release, gate) = mpsc::channel::<()>();
        let (started, running) = mpsc::channel::<()>();
        let busy = tokio::spawn({
            let worker = Arc::clone(&worker);
            async move {
                worker
                    .run(move || {
                        started.send(()).expect("the test listens");
                        gate.recv().expect("the test releases");
                    })
                    .await
            }
        });
        tokio::task::spawn_blocking(move || running.recv()).await.expect("join").expect("the first job runs");
        let queued = tokio::spawn({
            let worker = Arc::clone(&worker);
            async move { worker.run(|| 7).await }
        });
        // The single place in the queue is taken as soon as the spawned task was polled once.
        while worker.queue.try_send(Box::new(|| ())).is_ok() {
            tokio::task::yield_now().await;
        }
        assert_eq!(worker.run(|| ()).await, Err(Overloaded));
        release.send(()).expect("the first job waits");
        busy.await.expect("join").expect("the first job ends");
        let _ = queued.await.expect("join");
        // The thread drains what filled the queue; then there is room again.
        let answer = loop {
            match worker.run(|| 9).await {
                Err(Overloaded) => tokio::task::yield_now().await,
                Ok(answer) => break answer,
            }
        };
        assert_eq!(answer, 9);
    }

    #[tokio::test]
    async fn a_panic_is_overloaded_for_its_caller_alone() {
        let worker = Worker::start("test", 1, 4).expect("threads");
        assert_eq!(worker.run(|| panic!("on purpose")).await, Err::<(), _>(Overloaded));
        assert_eq!(worker.run(|| 1).await, Ok(1));
    }
}
