//! How do long operations run in the background?

mod admin;
mod context;
mod kind;
pub(super) mod kinds;
mod progress;
mod runner;

pub(super) use context::TaskContext;
pub(super) use kind::{OnDuplicate, TaskKind};
pub(super) use runner::TaskRunner;

pub use admin::AdminTasks;
pub use kinds::planned_steps;
