//! How does CPU-bound work stay off the async threads?
//!
//! An encoder takes milliseconds to tens of milliseconds for a query. On the async threads it would stall every other
//! connection; in an unbounded pool it would queue until memory runs out while every caller waits. So each kind of work
//! has a few threads and a short queue: a [`Batcher`] where jobs are cheaper in batches, else a [`WorkerPool`]. A full
//! queue rejects further jobs ([`Rejected::QueueFull`]), which the server turns into 503 with `Retry-After`.
//!
//! Tracing spans are thread-local. [`WorkerPool::run`] and [`spawn`] carry the caller's span to the other thread.

mod batcher;
mod runtime;
mod worker_pool;

pub use batcher::{BatchLimits, Batcher, Completed, Rejected};
pub use runtime::{cores, spawn};
pub use worker_pool::WorkerPool;
