//! How work that is cheaper together is done together.
//!
//! A network reads all of its weights for one sentence as it does for thirty, so thirty at once cost far less than thirty times one.
//! What comes while every thread is busy waits in one short queue, and the thread that is free next takes all of it that fits a
//! batch. Nobody waits for company while a thread is idle: alone, a job begins at once. Only a thread that finds a queue when
//! it comes back from work lets it grow for a moment, because those whom it has just answered are about to ask again.
//!
//! The queue is bounded and knows how fast it moves. A job beyond its bound is refused ([`Refused::Full`]); one that would have
//! to begin after its deadline is refused as soon as that is known ([`Refused::Late`]); and one whose caller has gone leaves
//! the queue at that moment, so that nothing is computed for nobody.

use std::{
    collections::VecDeque,
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    thread,
    time::{Duration, Instant},
};

use tokio::sync::oneshot;

/// How much is taken at once, and how much waits.
#[derive(Debug, Clone, Copy)]
pub struct BatchLimits {
    /// Jobs that wait, at most.
    pub waiting: usize,
    /// Jobs of a batch, at most.
    pub jobs: usize,
    /// What the jobs of a batch weigh, at most; but a job that weighs more than that is a batch of its own.
    pub weight: usize,
    /// How long a thread that finds a queue lets it grow, unless it fills a batch before.
    pub window: Duration,
    /// Whether each thread is a rayon pool of its own, so that a batch stays on its thread and does not wait for what the common
    /// pool has to do; or shares its work out over the common pool.
    pub own_pools: bool,
}

/// Why a job was not done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// As many wait as may.
    #[error("all workers are busy and the queue is full")]
    Full,
    /// Its deadline passed, or will have passed before its turn comes.
    #[error("its turn does not come before its deadline")]
    Late,
    /// The work on its batch panicked; the log says more.
    #[error("the work panicked")]
    Failed,
}

/// What came of a job.
#[derive(Debug, Clone, PartialEq)]
pub struct Done<A> {
    /// The work's answer.
    pub answer: A,
    /// How long it waited for its turn.
    pub waited: Duration,
    /// How long the work on its batch took.
    pub worked: Duration,
}

/// A few named threads that take what waits together. They end when the batcher is dropped.
pub struct Batcher<J, A> {
    shared: Arc<Shared<J, A>>,
}

struct Shared<J, A> {
    limits: BatchLimits,
    threads: usize,
    state: Mutex<State<J, A>>,
    /// Told when a job comes, to a thread that has nothing to do.
    came: Condvar,
    /// Told when a batch is full, to a thread that lets the queue grow.
    full: Condvar,
}

struct State<J, A> {
    waiting: VecDeque<Waiting<J, A>>,
    /// What all that wait weigh together.
    weight: usize,
    /// What all that are being worked on weigh together.
    at_work: usize,
    /// Threads that have nothing to do.
    idle: usize,
    /// Seconds that a unit of weight takes a thread, averaged over the last batches.
    pace: f64,
    /// The number of the next job.
    next: u64,
    closed: bool,
}

struct Waiting<J, A> {
    number: u64,
    job: J,
    weight: usize,
    since: Instant,
    deadline: Option<Instant>,
    answer: oneshot::Sender<Result<Done<A>, Refused>>,
}

/// The part of the last batch in the average of the pace.
const RECENT: f64 = 0.2;

impl<J: Send + 'static, A: Send + 'static> Batcher<J, A> {
    /// Starts `threads` threads (at least one). `work` gives one answer for each job of a batch, in order.
    ///
    /// # Errors
    /// If the system refuses a thread.
    pub fn start(
        name: &str,
        threads: usize,
        limits: BatchLimits,
        work: impl Fn(Vec<J>) -> Vec<A> + Send + Sync + 'static,
    ) -> std::io::Result<Self> {
        let threads = threads.max(1);
        let state =
            State { waiting: VecDeque::new(), weight: 0, at_work: 0, idle: 0, pace: 0.0, next: 0, closed: false };
        let (came, full) = (Condvar::new(), Condvar::new());
        let shared = Arc::new(Shared { limits, threads, state: Mutex::new(state), came, full });
        let batcher = Self { shared };
        let work = Arc::new(work);
        for number in 0..threads {
            let (shared, work) = (Arc::clone(&batcher.shared), Arc::clone(&work));
            thread::Builder::new().name(format!("{name}-{number}")).spawn(move || shared.serve(&*work))?;
        }
        Ok(batcher)
    }

    /// Has `job` done with whatever else waits, and waits for what comes of it. Whoever drops the future takes the job out of the
    /// queue.
    ///
    /// # Errors
    /// [`Refused`].
    pub async fn run(&self, job: J, weight: usize, deadline: Option<Instant>) -> Result<Done<A>, Refused> {
        let (answer, done) = oneshot::channel();
        let place = Place { shared: &self.shared, number: self.shared.enter(job, weight, deadline, answer)? };
        let done = done.await;
        // Its turn has come, so it waits no longer.
        std::mem::forget(place);
        done.unwrap_or(Err(Refused::Failed))
    }

    /// Jobs that wait.
    pub fn waiting(&self) -> usize {
        self.shared.lock().waiting.len()
    }
}

impl<J, A> Drop for Batcher<J, A> {
    fn drop(&mut self) {
        self.shared.lock().closed = true;
        self.shared.came.notify_all();
        self.shared.full.notify_all();
    }
}

impl<J, A> std::fmt::Debug for Batcher<J, A> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Batcher").field("limits", &self.shared.limits).finish_non_exhaustive()
    }
}

/// A job's place in the queue, given up with its caller.
struct Place<'b, J, A> {
    shared: &'b Shared<J, A>,
    number: u64,
}

impl<J, A> Drop for Place<'_, J, A> {
    fn drop(&mut self) {
        let mut state = self.shared.lock();
        if let Some(at) = state.waiting.iter().position(|waiting| waiting.number == self.number)
            && let Some(gone) = state.waiting.remove(at)
        {
            state.weight -= gone.weight;
        }
    }
}

impl<J, A> Shared<J, A> {
    fn lock(&self) -> MutexGuard<'_, State<J, A>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether what waits is all that a batch may hold.
    fn fills_a_batch(&self, state: &State<J, A>) -> bool {
        state.waiting.len() >= self.limits.jobs || state.weight >= self.limits.weight
    }

    /// Takes a place in the queue. Gives its number.
    fn enter(
        &self,
        job: J,
        weight: usize,
        deadline: Option<Instant>,
        answer: oneshot::Sender<Result<Done<A>, Refused>>,
    ) -> Result<u64, Refused> {
        let mut state = self.lock();
        if state.waiting.len() >= self.limits.waiting {
            return Err(Refused::Full);
        }
        let since = Instant::now();
        // All that is before it, shared among the threads. With nothing before it, it is tried whatever the pace was.
        let ahead = (state.weight + state.at_work) as f64 * state.pace / self.threads as f64;
        if deadline.is_some_and(|deadline| deadline.saturating_duration_since(since).as_secs_f64() < ahead) {
            return Err(Refused::Late);
        }
        let number = state.next;
        state.next += 1;
        state.weight += weight;
        state.waiting.push_back(Waiting { number, job, weight, since, deadline, answer });
        if state.idle > 0 {
            self.came.notify_one();
        } else if self.fills_a_batch(&state) {
            self.full.notify_one();
        }
        Ok(number)
    }

    /// What a thread does all its life.
    fn serve(&self, work: &(impl Fn(Vec<J>) -> Vec<A> + ?Sized)) {
        let own = || rayon::ThreadPoolBuilder::new().num_threads(1).use_current_thread().build();
        let pool = self.limits.own_pools.then(own);
        if let Some(Err(error)) = &pool {
            tracing::warn!(%error, "a thread shares the common pool");
        }
        while let Some(batch) = self.take() {
            let began = Instant::now();
            let weight: usize = batch.iter().map(|waiting| waiting.weight).sum();
            let (jobs, callers): (Vec<J>, Vec<_>) =
                batch.into_iter().map(|w| (w.job, (w.answer, began.saturating_duration_since(w.since)))).unzip();
            let answers = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| work(jobs)));
            let worked = began.elapsed();
            {
                let mut state = self.lock();
                state.at_work -= weight;
                let pace = worked.as_secs_f64() / weight.max(1) as f64;
                state.pace = if state.pace > 0.0 { RECENT * pace + (1.0 - RECENT) * state.pace } else { pace };
            }
            match answers {
                // Whoever has gone in the meantime is told in vain.
                Ok(answers) => answers.into_iter().zip(callers).for_each(|(answer, (caller, waited))| {
                    let _ = caller.send(Ok(Done { answer, waited, worked }));
                }),
                Err(_) => tracing::error!("the work on a batch panicked; its thread goes on"),
            }
        }
    }

    /// The next batch, as soon as there is one. `None` once the batcher has gone.
    fn take(&self) -> Option<Vec<Waiting<J, A>>> {
        let mut state = self.lock();
        loop {
            if state.closed {
                return None;
            }
            if state.waiting.is_empty() {
                state.idle += 1;
                state = self.came.wait(state).unwrap_or_else(PoisonError::into_inner);
                state.idle -= 1;
            } else if !self.limits.window.is_zero() && state.idle == 0 {
                let growing = |state: &mut State<J, A>| !self.fills_a_batch(state) && !state.closed;
                let waited = self.full.wait_timeout_while(state, self.limits.window, growing);
                state = waited.unwrap_or_else(PoisonError::into_inner).0;
            }
            let batch = self.cut(&mut state);
            if !batch.is_empty() {
                return Some(batch);
            }
        }
    }

    /// From the front of the queue, what makes a batch. Those whose time is over are told so.
    fn cut(&self, state: &mut State<J, A>) -> Vec<Waiting<J, A>> {
        let now = Instant::now();
        let (mut batch, mut weight) = (Vec::new(), 0);
        while let Some(next) = state.waiting.front() {
            let late = next.deadline.is_some_and(|deadline| deadline <= now);
            let fits =
                batch.is_empty() || (batch.len() < self.limits.jobs && weight + next.weight <= self.limits.weight);
            if !late && !fits {
                break;
            }
            let Some(next) = state.waiting.pop_front() else { break };
            state.weight -= next.weight;
            if late {
                let _ = next.answer.send(Err(Refused::Late));
            } else {
                weight += next.weight;
                batch.push(next);
            }
        }
        state.at_work += weight;
        // What is left is for another thread.
        if !state.waiting.is_empty() && state.idle > 0 {
            self.came.notify_one();
        }
        batch
    }
}

#[cfg(test)]
mod tests;
