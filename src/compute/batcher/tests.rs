use std::sync::mpsc;

use super::*;

const LIMITS: BatchLimits = BatchLimits { waiting: 8, jobs: 4, weight: 100, window: Duration::ZERO, own_pools: true };

/// A batcher of one thread whose work tells which jobs came together, and begins each batch when it is let to.
struct Gated {
    batcher: Arc<Batcher<u32, u32>>,
    /// Lets a batch end.
    release: mpsc::Sender<()>,
    began: mpsc::Receiver<Vec<u32>>,
}

impl Gated {
    fn start(limits: BatchLimits) -> Self {
        let (release, gate) = mpsc::channel::<()>();
        let (tell, began) = mpsc::channel();
        let gate = Mutex::new((gate, tell));
        let work = move |jobs: Vec<u32>| {
            let gate = gate.lock().expect("one thread");
            gate.1.send(jobs.clone()).expect("the test listens");
            gate.0.recv().expect("the test releases");
            jobs.into_iter().map(|job| job * 10).collect()
        };
        Self { batcher: Arc::new(Batcher::start("test", 1, limits, work).expect("threads")), release, began }
    }

    fn ask(&self, job: u32, weight: usize, deadline: Option<Instant>) -> tokio::task::JoinHandle<Result<u32, Refused>> {
        let batcher = Arc::clone(&self.batcher);
        tokio::spawn(async move { batcher.run(job, weight, deadline).await.map(|done| done.answer) })
    }

    /// Waits until so many wait.
    async fn until_waiting(&self, count: usize) {
        while self.batcher.waiting() != count {
            tokio::task::yield_now().await;
        }
    }

    /// Keeps the thread busy with a job of its own.
    async fn busy(&self) -> tokio::task::JoinHandle<Result<u32, Refused>> {
        let first = self.ask(0, 1, None);
        self.until_waiting_is_over().await;
        first
    }

    async fn until_waiting_is_over(&self) {
        loop {
            if let Ok(jobs) = self.began.try_recv() {
                assert_eq!(jobs, [0], "a job that comes alone begins alone");
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
async fn what_comes_while_all_are_busy_is_taken_together_up_to_a_batch() {
    let gated = Gated::start(LIMITS);
    let first = gated.busy().await;
    let mut asked = Vec::new();
    for job in 1..=6 {
        asked.push(gated.ask(job, 1, None));
        gated.until_waiting(job as usize).await;
    }
    gated.release(3);
    assert_eq!(first.await.expect("joins"), Ok(0));
    for (job, asked) in (1..).zip(asked) {
        assert_eq!(asked.await.expect("joins"), Ok(job * 10), "each gets its own answer");
    }
    assert_eq!(gated.began.try_iter().collect::<Vec<_>>(), [vec![1, 2, 3, 4], vec![5, 6]]);
}

#[tokio::test]
async fn a_batch_weighs_no_more_than_it_may_unless_it_is_one_job() {
    let gated = Gated::start(LIMITS);
    let _first = gated.busy().await;
    let mut asked = Vec::new();
    for (job, weight) in [(1, 60), (2, 50), (3, 50), (4, 500), (5, 1)] {
        asked.push(gated.ask(job, weight, None));
        gated.until_waiting(job as usize).await;
    }
    gated.release(5);
    for asked in asked {
        asked.await.expect("joins").expect("done");
    }
    assert_eq!(gated.began.try_iter().collect::<Vec<_>>(), [vec![1], vec![2, 3], vec![4], vec![5]]);
}

#[tokio::test]
async fn a_full_queue_refuses_and_a_dropped_future_makes_room() {
    let gated = Gated::start(LIMITS);
    let _first = gated.busy().await;
    let mut asked = Vec::new();
    for job in 1..=8 {
        asked.push(gated.ask(job, 1, None));
        gated.until_waiting(job as usize).await;
    }
    assert_eq!(gated.batcher.run(9, 1, None).await.map(|done| done.answer), Err(Refused::Full));
    asked.remove(2).abort();
    gated.until_waiting(7).await;
    asked.push(gated.ask(9, 1, None));
    gated.until_waiting(8).await;
    gated.release(3);
    for asked in asked {
        asked.await.expect("joins").expect("done");
    }
    let began: Vec<u32> = gated.began.try_iter().flatten().collect();
    assert_eq!(began, [1, 2, 4, 5, 6, 7, 8, 9], "what nobody waits for is not begun");
    assert_eq!(gated.batcher.waiting(), 0);
}

#[tokio::test]
async fn whoever_is_late_is_told_and_not_worked_for() {
    let gated = Gated::start(LIMITS);
    let _first = gated.busy().await;
    let soon = gated.ask(1, 1, Some(Instant::now() + Duration::from_millis(5)));
    gated.until_waiting(1).await;
    let later = gated.ask(2, 1, Some(Instant::now() + Duration::from_secs(60)));
    gated.until_waiting(2).await;
    tokio::time::sleep(Duration::from_millis(10)).await;
    gated.release(2);
    assert_eq!(soon.await.expect("joins"), Err(Refused::Late));
    assert_eq!(later.await.expect("joins"), Ok(20));
    assert_eq!(gated.began.try_iter().collect::<Vec<_>>(), [[2]]);

    // The first job took 10 ms at least, so behind such a job there is no answer within one.
    let _next = gated.ask(0, 1, None);
    gated.until_waiting_is_over().await;
    let hopeless = gated.batcher.run(3, 1, Some(Instant::now() + Duration::from_millis(1))).await;
    assert_eq!(hopeless.map(|done| done.answer), Err(Refused::Late));
    assert_eq!(gated.batcher.waiting(), 0);
    gated.release(1);
}

#[tokio::test]
async fn a_panic_is_told_to_its_batch_alone() {
    let work = |jobs: Vec<u32>| {
        assert!(!jobs.contains(&13), "on purpose");
        jobs
    };
    let batcher = Batcher::start("test", 1, LIMITS, work).expect("threads");
    assert_eq!(batcher.run(13, 1, None).await.map(|done| done.answer), Err(Refused::Failed));
    assert_eq!(batcher.run(1, 1, None).await.map(|done| done.answer), Ok(1));
}

#[tokio::test(flavor = "multi_thread")]
async fn many_callers_on_many_threads_each_get_their_own_answer() {
    let limits = BatchLimits { waiting: 1000, window: Duration::from_micros(200), ..LIMITS };
    let batcher = Batcher::start("test", 3, limits, |jobs: Vec<u32>| jobs.iter().map(|job| job * 2).collect());
    let batcher = Arc::new(batcher.expect("threads"));
    let asked: Vec<_> = (0..500u32)
        .map(|job| {
            let batcher = Arc::clone(&batcher);
            tokio::spawn(async move { (job, batcher.run(job, 1, None).await.expect("done").answer) })
        })
        .collect();
    for asked in asked {
        let (job, answer) = asked.await.expect("joins");
        assert_eq!(answer, job * 2);
    }
    assert_eq!(batcher.waiting(), 0);
}
