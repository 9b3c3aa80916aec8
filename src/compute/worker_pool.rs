//! A few threads that run jobs of any kind, one at a time.

use std::time::{Duration, Instant};

use tokio::sync::oneshot;
use tracing::Span;

use super::batcher::{BatchLimits, Batcher, Done, Refused};

/// Work, and the span that its lines in the log belong to.
type Job = (Span, Box<dyn FnOnce() + Send>);

/// A few named threads behind a bounded queue, for jobs of any kind, one at a time. They end when the worker is dropped.
#[derive(Debug)]
pub struct Worker {
    queue: Batcher<Job, ()>,
}

impl Worker {
    /// Starts `threads` threads (at least one) that serve a queue of at most `capacity` waiting jobs.
    ///
    /// # Errors
    /// If the system refuses a thread.
    pub fn start(name: &str, threads: usize, capacity: usize) -> std::io::Result<Self> {
        let limits = BatchLimits { waiting: capacity, jobs: 1, weight: 1, window: Duration::ZERO, own_pools: false };
        let work = |jobs: Vec<Job>| jobs.into_iter().map(serve).collect();
        Ok(Self { queue: Batcher::start(name, threads, limits, work)? })
    }

    /// Runs `work` on a thread of this worker, within the caller's tracing span, and waits for what it returns. Whoever drops the
    /// future takes it out of the queue.
    ///
    /// # Errors
    /// [`Refused`].
    pub async fn run<T: Send + 'static>(
        &self,
        deadline: Option<Instant>,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<Done<T>, Refused> {
        let (answer, waiting) = oneshot::channel();
        let job = move || {
            let _ = answer.send(work());
        };
        let Done { waited, worked, .. } = self.queue.run((Span::current(), Box::new(job)), 1, deadline).await?;
        let answer = waiting.await.map_err(|_| Refused::Failed)?;
        Ok(Done { answer, waited, worked })
    }

    /// Jobs that wait.
    pub fn waiting(&self) -> usize {
        self.queue.waiting()
    }
}

fn serve((span, job): Job) {
    let _entered = span.entered();
    if std::panic::catch_unwind(std::panic::AssertUnwindSafe(job)).is_err() {
        tracing::error!("a job panicked; its thread goes on");
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex, mpsc};

    use tracing::Instrument;

    use super::{super::spawn, *};

    async fn done<T: Send + 'static>(worker: &Worker, work: impl FnOnce() -> T + Send + 'static) -> Result<T, Refused> {
        worker.run(None, work).await.map(|done| done.answer)
    }

    #[tokio::test]
    async fn a_full_queue_is_an_answer_and_the_worker_goes_on() {
        let worker = Arc::new(Worker::start("test", 1, 1).expect("threads"));
        let (release, gate) = mpsc::channel::<()>();
        let (started, running) = mpsc::channel::<()>();
        let busy = tokio::spawn({
            let worker = Arc::clone(&worker);
            async move {
                done(&worker, move || {
                    started.send(()).expect("the test listens");
                    gate.recv().expect("the test releases");
                })
                .await
            }
        });
        tokio::task::spawn_blocking(move || running.recv()).await.expect("join").expect("the first job runs");
        let queued = tokio::spawn({
            let worker = Arc::clone(&worker);
            async move { done(&worker, || 7).await }
        });
        while worker.waiting() == 0 {
            tokio::task::yield_now().await;
        }
        assert_eq!(done(&worker, || ()).await, Err(Refused::Full));
        release.send(()).expect("the first job waits");
        busy.await.expect("join").expect("the first job ends");
        assert_eq!(queued.await.expect("join"), Ok(7));
        assert_eq!(done(&worker, || 9).await, Ok(9));
    }

    /// Lines of the log, for all tests of this process.
    #[derive(Clone, Default)]
    struct Lines(Arc<Mutex<Vec<u8>>>);

    impl std::io::Write for Lines {
        fn write(&mut self, line: &[u8]) -> std::io::Result<usize> {
            self.0.lock().expect("a lock").extend_from_slice(line);
            Ok(line.len())
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    #[tokio::test]
    async fn lines_of_other_threads_say_for_whom_they_are() {
        let lines = Lines::default();
        let writer = lines.clone();
        let logged = tracing_subscriber::fmt().json().with_writer(move || writer.clone()).finish();
        tracing::subscriber::set_global_default(logged).expect("no other test of this process logs");
        let worker = Arc::new(Worker::start("test", 1, 4).expect("threads"));
        let asked = async {
            done(&worker, || tracing::info!("in a worker")).await.expect("it runs");
            assert_eq!(done(&worker, || panic!("on purpose")).await, Err::<(), _>(Refused::Failed));
            spawn(async { tracing::info!("in a task") }).await.expect("it ends");
        };
        asked.instrument(tracing::info_span!("request", id = "seven")).await;
        done(&worker, || tracing::info!("for nobody")).await.expect("it runs");
        let lines = String::from_utf8(lines.0.lock().expect("a lock").clone()).expect("UTF-8");
        for (said, of_request) in
            [("in a worker", true), ("a job panicked", true), ("in a task", true), ("for nobody", false)]
        {
            let line = lines.lines().find(|line| line.contains(said)).unwrap_or_else(|| panic!("no {said} in {lines}"));
            assert_eq!(line.contains("\"id\":\"seven\""), of_request, "{line}");
        }
    }

    #[tokio::test]
    async fn a_panic_is_told_to_its_caller_alone() {
        let worker = Worker::start("test", 1, 4).expect("threads");
        assert_eq!(done(&worker, || panic!("on purpose")).await, Err::<(), _>(Refused::Failed));
        assert_eq!(done(&worker, || 1).await, Ok(1));
    }
}
