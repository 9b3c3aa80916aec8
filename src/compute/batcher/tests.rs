use std::sync::mpsc;

use super::*;

const LIMITS: BatchLimits =
    BatchLimits { max_waiting: 8, max_jobs: 4, max_weight: 100, window: Duration::ZERO, dedicated_pool: true };

/// A batcher of one thread whose work reports the jobs of each batch and ends a batch only when the test releases it.
struct Gated {
    batcher: Arc<Batcher<u32, u32>>,
    /// Lets a batch end.
    release: mpsc::Sender<()>,
    began: mpsc::Receiver<Vec<u32>>,
}

impl Gated {
    fn start(limits: BatchLimits) -> Self {
        let (release, gate) = mpsc::channel::<()>();
        let (report, began) = mpsc::channel();
        let gate = Mutex::new((gate, report));
        let work = move |jobs: Vec<u32>| {
            let gate = gate.lock();
            gate.1.send(jobs.clone()).expect("the test listens");
            gate.0.recv().expect("the test releases");
            jobs.into_iter().map(|job| job * 10).collect()
        };
        Self { batcher: Arc::new(Batcher::start("test", 1, limits, work).expect("threads")), release, began }
    }

    fn submit(
        &self,
        job: u32,
        weight: usize,
        deadline: Option<Instant>,
    ) -> tokio::task::JoinHandle<Result<u32, Rejected>> {
        let batcher = Arc::clone(&self.batcher);
        tokio::spawn(async move { batcher.run(job, weight, deadline).await.map(|done| done.output) })
    }

    /// Waits until the queue has `count` jobs.
    async fn until_waiting(&self, count: usize) {
        while self.batcher.waiting() != count {
            tokio::task::yield_now().await;
        }
    }

    /// Keeps the thread busy with job 0.
    async fn busy(&self) -> tokio::task::JoinHandle<Result<u32, Rejected>> {
        let first = self.submit(0, 1, None);
        self.until_first_job_runs().await;
        first
    }

    async fn until_first_job_runs(&self) {
        loop {
            if let Ok(jobs) = self.began.try_recv() {
                assert_eq!(jobs, [0], "a single job starts alone");
                return;
            }
            tokio::task::yield_now().await;
        }
    }

    /// Lets `count` batches end.
    fn release(&self, count: usize) {
        (0..count).for_each(|_| self.release.send(()).expect("the thread waits"));
    }
}

#[tokio::test]
async fn jobs_that_wait_for_a_busy_thread_form_a_batch() {
    let gated = Gated::start(LIMITS);
    let first = gated.busy().await;
    let mut submitted = Vec::new();
    for job in 1..=6 {
        submitted.push(gated.submit(job, 1, None));
        gated.until_waiting(job as usize).await;
    }
    gated.release(3);
    assert_eq!(first.await.expect("joins"), Ok(0));
    for (job, submitted) in (1..).zip(submitted) {
        assert_eq!(submitted.await.expect("joins"), Ok(job * 10), "each gets its own output");
    }
    assert_eq!(gated.began.try_iter().collect::<Vec<_>>(), [vec![1, 2, 3, 4], vec![5, 6]]);
}

#[tokio::test]
async fn batch_keeps_to_its_weight_unless_it_is_one_job() {
    let gated = Gated::start(LIMITS);
    let _first = gated.busy().await;
    let mut submitted = Vec::new();
    for (job, weight) in [(1, 60), (2, 50), (3, 50), (4, 500), (5, 1)] {
        submitted.push(gated.submit(job, weight, None));
        gated.until_waiting(job as usize).await;
    }
    gated.release(5);
    for submitted in submitted {
        submitted.await.expect("joins").expect("done");
    }
    assert_eq!(gated.began.try_iter().collect::<Vec<_>>(), [vec![1], vec![2, 3], vec![4], vec![5]]);
}

#[tokio::test]
async fn full_queue_rejects_and_dropped_future_makes_room() {
    let gated = Gated::start(LIMITS);
    let _first = gated.busy().await;
    let mut submitted = Vec::new();
    for job in 1..=8 {
        submitted.push(gated.submit(job, 1, None));
        gated.until_waiting(job as usize).await;
    }
    assert_eq!(gated.batcher.run(9, 1, None).await.map(|done| done.output), Err(Rejected::QueueFull));
    submitted.remove(2).abort();
    gated.until_waiting(7).await;
    submitted.push(gated.submit(9, 1, None));
    gated.until_waiting(8).await;
    gated.release(3);
    for submitted in submitted {
        submitted.await.expect("joins").expect("done");
    }
    let began: Vec<u32> = gated.began.try_iter().flatten().collect();
    assert_eq!(began, [1, 2, 4, 5, 6, 7, 8, 9], "a job without a caller does not start");
    assert_eq!(gated.batcher.waiting(), 0);
}

#[tokio::test]
async fn jobs_past_their_deadline_are_rejected_and_not_run() {
    let gated = Gated::start(LIMITS);
    let _first = gated.busy().await;
    let soon = gated.submit(1, 1, Some(Instant::now() + Duration::from_millis(5)));
    gated.until_waiting(1).await;
    let later = gated.submit(2, 1, Some(Instant::now() + Duration::from_secs(60)));
    gated.until_waiting(2).await;
    tokio::time::sleep(Duration::from_millis(10)).await;
    gated.release(2);
    assert_eq!(soon.await.expect("joins"), Err(Rejected::DeadlineExceeded));
    assert_eq!(later.await.expect("joins"), Ok(20));
    assert_eq!(gated.began.try_iter().collect::<Vec<_>>(), [[2]]);

    // The first job took at least 10 ms, so a job after another like it cannot end within 1 ms.
    let _next = gated.submit(0, 1, None);
    gated.until_first_job_runs().await;
    let hopeless = gated.batcher.run(3, 1, Some(Instant::now() + Duration::from_millis(1))).await;
    assert_eq!(hopeless.map(|done| done.output), Err(Rejected::DeadlineExceeded));
    assert_eq!(gated.batcher.waiting(), 0);
    gated.release(1);
}

#[tokio::test]
async fn panic_fails_only_its_own_batch() {
    let work = |jobs: Vec<u32>| {
        assert!(!jobs.contains(&13), "on purpose");
        jobs
    };
    let batcher = Batcher::start("test", 1, LIMITS, work).expect("threads");
    assert_eq!(batcher.run(13, 1, None).await.map(|done| done.output), Err(Rejected::Panicked));
    assert_eq!(batcher.run(1, 1, None).await.map(|done| done.output), Ok(1));
}

#[tokio::test(flavor = "multi_thread")]
async fn concurrent_callers_each_get_their_own_output() {
    let limits = BatchLimits { max_waiting: 1000, window: Duration::from_micros(200), ..LIMITS };
    let batcher = Batcher::start("test", 3, limits, |jobs: Vec<u32>| jobs.iter().map(|job| job * 2).collect());
    let batcher = Arc::new(batcher.expect("threads"));
    let submitted: Vec<_> = (0..500u32)
        .map(|job| {
            let batcher = Arc::clone(&batcher);
            tokio::spawn(async move { (job, batcher.run(job, 1, None).await.expect("done").output) })
        })
        .collect();
    for submitted in submitted {
        let (job, output) = submitted.await.expect("joins");
        assert_eq!(output, job * 2);
    }
    assert_eq!(batcher.waiting(), 0);
}
