//! A queue whose jobs are computed in batches, where that is cheaper than one at a time.
//!
//! A network reads all of its weights for one sentence as it does for thirty, so a batch of thirty costs far less than
//! thirty batches of one. Jobs that arrive while every thread is busy wait in one short queue, and the next free thread
//! takes as many of them as fit a batch. A job never waits for others while a thread is idle. Only a thread that finds
//! jobs in the queue when it returns from a batch lets the queue grow for a moment, because the callers that it has
//! just answered are likely to send their next job.
//!
//! The queue is bounded and measures how fast it moves. A job is rejected at once if the queue is full
//! ([`Rejected::QueueFull`]) or if its turn would come after its deadline ([`Rejected::DeadlineExceeded`]). A job whose
//! caller drops its future leaves the queue immediately, so no work is done for callers that have gone away.

use std::{
    collections::VecDeque,
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

use parking_lot::{Condvar, Mutex};
use tokio::sync::oneshot;

/// Sizes of a batch and of the queue.
#[derive(Debug, Clone, Copy)]
pub struct BatchLimits {
    /// Maximum number of jobs in the queue.
    pub max_waiting: usize,
    /// Maximum number of jobs in a batch.
    pub max_jobs: usize,
    /// Maximum total weight of a batch. A job that is heavier than this is a batch of its own.
    pub max_weight: usize,
    /// How long a thread that returns from a batch and finds jobs in the queue waits for more, unless they fill a
    /// batch.
    pub window: Duration,
    /// Whether each thread is a rayon pool of its own, so that a batch stays on its thread and does not wait for the
    /// global pool. Otherwise batches share their work with the global pool.
    pub dedicated_pool: bool,
}

/// Why a job was not run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Rejected {
    /// The queue has no room.
    #[error("all workers are busy and the queue is full")]
    QueueFull,
    /// The deadline passed, or would pass before the job's turn.
    #[error("the deadline passes before the job can start")]
    DeadlineExceeded,
    /// The work on its batch panicked; the log has the message.
    #[error("the work panicked")]
    Panicked,
}

/// Output of a job, with the times that it took.
#[derive(Debug, Clone, PartialEq)]
pub struct Completed<A> {
    /// What the work returned.
    pub output: A,
    /// Time in the queue.
    pub waited: Duration,
    /// Time that the work on its batch took.
    pub worked: Duration,
}

/// A few named threads that run queued jobs in batches. They end when the batcher is dropped.
pub struct Batcher<J, A> {
    shared: Arc<Shared<J, A>>,
}

struct Shared<J, A> {
    limits: BatchLimits,
    threads: usize,
    state: Mutex<State<J, A>>,
    /// Wakes an idle thread when a job arrives.
    job_added: Condvar,
    /// Wakes a thread that lets the queue grow once the queue fills a batch.
    batch_full: Condvar,
}

struct State<J, A> {
    queue: VecDeque<QueuedJob<J, A>>,
    /// Total weight of the queue.
    queued_weight: usize,
    /// Total weight of the batches that are running.
    running_weight: usize,
    /// Number of threads that wait for a job.
    idle: usize,
    /// Seconds that a thread takes for a unit of weight, a moving average over the last batches.
    seconds_per_weight: f64,
    /// Number of the next job.
    next: u64,
    closed: bool,
}

struct QueuedJob<J, A> {
    number: u64,
    job: J,
    weight: usize,
    since: Instant,
    deadline: Option<Instant>,
    reply: oneshot::Sender<Result<Completed<A>, Rejected>>,
}

/// Weight of the latest batch in the moving average of [`State::seconds_per_weight`].
const SMOOTHING: f64 = 0.2;

impl<J: Send + 'static, A: Send + 'static> Batcher<J, A> {
    /// Starts `threads` threads (at least one). `work` returns one output for each job of a batch, in order.
    ///
    /// # Errors
    /// If the system cannot start a thread.
    pub fn start(
        name: &str,
        threads: usize,
        limits: BatchLimits,
        work: impl Fn(Vec<J>) -> Vec<A> + Send + Sync + 'static,
    ) -> std::io::Result<Self> {
        let threads = threads.max(1);
        let state = State {
            queue: VecDeque::new(),
            queued_weight: 0,
            running_weight: 0,
            idle: 0,
            seconds_per_weight: 0.0,
            next: 0,
            closed: false,
        };
        let (job_added, batch_full) = (Condvar::new(), Condvar::new());
        let shared = Arc::new(Shared { limits, threads, state: Mutex::new(state), job_added, batch_full });
        let batcher = Self { shared };
        let work = Arc::new(work);
        for number in 0..threads {
            let (shared, work) = (Arc::clone(&batcher.shared), Arc::clone(&work));
            thread::Builder::new().name(format!("{name}-{number}")).spawn(move || shared.run_thread(&*work))?;
        }
        Ok(batcher)
    }

    /// Queues `job` and waits for its output. Dropping the future removes a job that has not started from the queue.
    ///
    /// # Errors
    /// [`Rejected`].
    pub async fn run(&self, job: J, weight: usize, deadline: Option<Instant>) -> Result<Completed<A>, Rejected> {
        let (reply, receiver) = oneshot::channel();
        let guard = QueueGuard { shared: &self.shared, number: self.shared.enqueue(job, weight, deadline, reply)? };
        let result = receiver.await;
        // The job has left the queue, so there is nothing to remove.
        std::mem::forget(guard);
        result.unwrap_or(Err(Rejected::Panicked))
    }

    /// Number of jobs in the queue.
    pub fn waiting(&self) -> usize {
        self.shared.state.lock().queue.len()
    }
}

impl<J, A> Drop for Batcher<J, A> {
    fn drop(&mut self) {
        self.shared.state.lock().closed = true;
        self.shared.job_added.notify_all();
        self.shared.batch_full.notify_all();
    }
}

impl<J, A> std::fmt::Debug for Batcher<J, A> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Batcher").field("limits", &self.shared.limits).finish_non_exhaustive()
    }
}

/// Removes a job from the queue when its caller's future is dropped.
struct QueueGuard<'b, J, A> {
    shared: &'b Shared<J, A>,
    number: u64,
}

impl<J, A> Drop for QueueGuard<'_, J, A> {
    fn drop(&mut self) {
        let mut state = self.shared.state.lock();
        if let Some(at) = state.queue.iter().position(|queued| queued.number == self.number)
            && let Some(removed) = state.queue.remove(at)
        {
            state.queued_weight -= removed.weight;
        }
    }
}

impl<J, A> Shared<J, A> {
    /// Whether the queue holds as much as a batch may.
    fn fills_a_batch(&self, state: &State<J, A>) -> bool {
        state.queue.len() >= self.limits.max_jobs || state.queued_weight >= self.limits.max_weight
    }

    /// Adds a job to the queue and returns its number.
    fn enqueue(
        &self,
        job: J,
        weight: usize,
        deadline: Option<Instant>,
        reply: oneshot::Sender<Result<Completed<A>, Rejected>>,
    ) -> Result<u64, Rejected> {
        let mut state = self.state.lock();
        if state.queue.len() >= self.limits.max_waiting {
            return Err(Rejected::QueueFull);
        }
        let since = Instant::now();
        // Expected wait: everything before this job, shared among the threads. An empty batcher accepts any deadline,
        // however slow the last batches were.
        let weight_ahead = (state.queued_weight + state.running_weight) as f64;
        let expected_wait = weight_ahead * state.seconds_per_weight / self.threads as f64;
        if deadline.is_some_and(|deadline| deadline.saturating_duration_since(since).as_secs_f64() < expected_wait) {
            return Err(Rejected::DeadlineExceeded);
        }
        let number = state.next;
        state.next += 1;
        state.queued_weight += weight;
        state.queue.push_back(QueuedJob { number, job, weight, since, deadline, reply });
        if state.idle > 0 {
            self.job_added.notify_one();
        } else if self.fills_a_batch(&state) {
            self.batch_full.notify_one();
        }
        Ok(number)
    }

    /// Runs batches until the batcher is dropped.
    fn run_thread(&self, work: &(impl Fn(Vec<J>) -> Vec<A> + ?Sized)) {
        let dedicated = || rayon::ThreadPoolBuilder::new().num_threads(1).use_current_thread().build();
        let pool = self.limits.dedicated_pool.then(dedicated);
        if let Some(Err(error)) = &pool {
            tracing::warn!(%error, "no rayon pool for this thread; it uses the global pool");
        }
        while let Some(batch) = self.wait_for_batch() {
            let started = Instant::now();
            let weight: usize = batch.iter().map(|queued| queued.weight).sum();
            let (jobs, callers): (Vec<J>, Vec<_>) = batch
                .into_iter()
                .map(|queued| (queued.job, (queued.reply, started.saturating_duration_since(queued.since))))
                .unzip();
            let outputs = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| work(jobs)));
            let worked = started.elapsed();
            {
                let mut state = self.state.lock();
                state.running_weight -= weight;
                let latest = worked.as_secs_f64() / weight.max(1) as f64;
                let average = state.seconds_per_weight;
                state.seconds_per_weight =
                    if average > 0.0 { SMOOTHING * latest + (1.0 - SMOOTHING) * average } else { latest };
            }
            match outputs {
                // The callers are answered by dropping their senders.
                Err(_) => tracing::error!("the work on a batch panicked; its thread continues with the next one"),
                // Sending fails where the caller has gone away.
                Ok(outputs) => outputs.into_iter().zip(callers).for_each(|(output, (reply, waited))| {
                    let _ = reply.send(Ok(Completed { output, waited, worked }));
                }),
            }
        }
    }

    /// Waits for the next batch. `None` once the batcher is dropped.
    fn wait_for_batch(&self) -> Option<Vec<QueuedJob<J, A>>> {
        let mut state = self.state.lock();
        loop {
            if state.closed {
                return None;
            }
            if state.queue.is_empty() {
                state.idle += 1;
                self.job_added.wait(&mut state);
                state.idle -= 1;
            } else if !self.limits.window.is_zero() && state.idle == 0 {
                let growing = |state: &mut State<J, A>| !self.fills_a_batch(state) && !state.closed;
                self.batch_full.wait_while_for(&mut state, growing, self.limits.window);
            }
            let batch = self.take_batch(&mut state);
            if !batch.is_empty() {
                return Some(batch);
            }
        }
    }

    /// Takes a batch from the front of the queue, and rejects the jobs whose deadline has passed.
    fn take_batch(&self, state: &mut State<J, A>) -> Vec<QueuedJob<J, A>> {
        let now = Instant::now();
        let (mut batch, mut weight) = (Vec::new(), 0);
        while let Some(next) = state.queue.front() {
            let late = next.deadline.is_some_and(|deadline| deadline <= now);
            let fits = batch.is_empty()
                || (batch.len() < self.limits.max_jobs && weight + next.weight <= self.limits.max_weight);
            if !late && !fits {
                break;
            }
            let Some(next) = state.queue.pop_front() else { break };
            state.queued_weight -= next.weight;
            if late {
                let _ = next.reply.send(Err(Rejected::DeadlineExceeded));
            } else {
                weight += next.weight;
                batch.push(next);
            }
        }
        state.running_weight += weight;
        // Another idle thread takes the rest.
        if !state.queue.is_empty() && state.idle > 0 {
            self.job_added.notify_one();
        }
        batch
    }
}

#[cfg(test)]
mod tests;
