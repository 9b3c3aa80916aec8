//! How does work that keeps a core busy leave the async threads?
//!
//! An encoder takes milliseconds to tens of milliseconds a query. Run on the async threads it would stall every other
//! connection; handed to an unbounded pool it would queue until memory ends while every caller waits. So each kind of work
//! has a few threads and a short queue: a [`Batcher`] where jobs are cheaper together, else a [`Worker`]. A full queue
//! is an answer ([`Refused::Full`]), which the HTTP layer turns into 503 with `Retry-After`.
//!
//! Tracing spans are thread-local. [`Worker::run`] and [`spawn`] carry the caller's span to the other thread.

mod batcher;
mod runtime;
mod worker_pool;

pub use batcher::{BatchLimits, Batcher, Done, Refused};
pub use runtime::{cores, spawn};
pub use worker_pool::Worker;
