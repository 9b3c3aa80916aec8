//! A few threads that run jobs of any kind, one at a time.

use std::time::{Duration, Instant};

use tokio::sync::oneshot;
use tracing::Span;

use super::batcher::{BatchLimits, Batcher, Completed, Rejected};

/// A closure, and the tracing span that its log lines belong to.
type Job = (Span, Box<dyn FnOnce() + Send>);

/// A few named threads with a bounded queue, for jobs of any kind, one at a time. The threads end when the pool is
/// dropped.
#[derive(Debug)]
pub struct WorkerPool {
    queue: Batcher<Job, ()>,
}

impl WorkerPool {
    /// Starts `threads` threads (at least one) that share a queue of at most `capacity` jobs.
    ///
    /// # Errors
    /// If the system cannot start a thread.
    pub fn start(name: &str, threads: usize, capacity: usize) -> std::io::Result<Self> {
        let limits = BatchLimits {
            max_waiting: capacity,
            max_jobs: 1,
            max_weight: 1,
            window: Duration::ZERO,
            dedicated_pool: false,
        };
        let work = |jobs: Vec<Job>| jobs.into_iter().map(run_job).collect();
        Ok(Self { queue: Batcher::start(name, threads, limits, work)? })
    }

    /// Runs `work` on a thread of this pool, within the caller's tracing span, and waits for its result. Dropping the
    /// future removes a job that has not started from the queue.
    ///
    /// # Errors
    /// [`Rejected`].
    pub async fn run<T: Send + 'static>(
        &self,
        deadline: Option<Instant>,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<Completed<T>, Rejected> {
        let (sender, receiver) = oneshot::channel();
        let job = move || {
            let _ = sender.send(work());
        };
        let Completed { waited, worked, .. } = self.queue.run((Span::current(), Box::new(job)), 1, deadline).await?;
        let output = receiver.await.map_err(|_| Rejected::Panicked)?;
        Ok(Completed { output, waited, worked })
    }

    /// Number of jobs that wait for a thread.
    pub fn waiting(&self) -> usize {
        self.queue.waiting()
    }
}

fn run_job((span, job): Job) {
    let _entered = span.entered();
    if std::panic::catch_unwind(std::panic::AssertUnwindSafe(job)).is_err() {
        tracing::error!("a job panicked; its thread continues with the next one");
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, mpsc};

    use parking_lot::Mutex;
    use tracing::Instrument;

    use super::{super::runtime::spawn, *};

    async fn run<T: Send + 'static>(
        pool: &WorkerPool,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, Rejected> {
        pool.run(None, work).await.map(|done| done.output)
    }

    #[tokio::test]
    async fn full_queue_rejects_jobs_and_pool_continues() {
        let pool = Arc::new(WorkerPool::start("test", 1, 1).expect("threads"));
        let (release, gate) = mpsc::channel::<()>();
        let (started, running) = mpsc::channel::<()>();
        let busy = tokio::spawn({
            let pool = Arc::clone(&pool);
            async move {
                run(&pool, move || {
                    started.send(()).expect("the test listens");
                    gate.recv().expect("the test releases");
                })
                .await
            }
        });
        tokio::task::spawn_blocking(move || running.recv()).await.expect("join").expect("the first job runs");
        let queued = tokio::spawn({
            let pool = Arc::clone(&pool);
            async move { run(&pool, || 7).await }
        });
        while pool.waiting() == 0 {
            tokio::task::yield_now().await;
        }
        assert_eq!(run(&pool, || ()).await, Err(Rejected::QueueFull));
        release.send(()).expect("the first job waits");
        busy.await.expect("join").expect("the first job ends");
        assert_eq!(queued.await.expect("join"), Ok(7));
        assert_eq!(run(&pool, || 9).await, Ok(9));
    }

    /// Log lines of all tests of this process.
    #[derive(Clone, Default)]
    struct Lines(Arc<Mutex<Vec<u8>>>);

    impl std::io::Write for Lines {
        fn write(&mut self, line: &[u8]) -> std::io::Result<usize> {
            self.0.lock().extend_from_slice(line);
            Ok(line.len())
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    #[tokio::test]
    async fn log_lines_of_other_threads_carry_the_callers_span() {
        let lines = Lines::default();
        let writer = lines.clone();
        let logged = tracing_subscriber::fmt().json().with_writer(move || writer.clone()).finish();
        tracing::subscriber::set_global_default(logged).expect("no other test of this process logs");
        let pool = Arc::new(WorkerPool::start("test", 1, 4).expect("threads"));
        let request = async {
            run(&pool, || tracing::info!("in a worker")).await.expect("it runs");
            assert_eq!(run(&pool, || panic!("on purpose")).await, Err::<(), _>(Rejected::Panicked));
            spawn(async { tracing::info!("in a task") }).await.expect("it ends");
        };
        request.instrument(tracing::info_span!("request", id = "seven")).await;
        run(&pool, || tracing::info!("without a request")).await.expect("it runs");
        let lines = String::from_utf8(lines.0.lock().clone()).expect("UTF-8");
        for (message, of_request) in
            [("in a worker", true), ("a job panicked", true), ("in a task", true), ("without a request", false)]
        {
            // Another test may log the same message at the same time, of no request.
            let mut found = lines.lines().filter(|line| line.contains(message));
            assert!(found.any(|line| line.contains("\"id\":\"seven\"") == of_request), "{message} in {lines}");
        }
    }

    #[tokio::test]
    async fn panic_fails_only_its_own_job() {
        let pool = WorkerPool::start("test", 1, 4).expect("threads");
        assert_eq!(run(&pool, || panic!("on purpose")).await, Err::<(), _>(Rejected::Panicked));
        assert_eq!(run(&pool, || 1).await, Ok(1));
    }
}
