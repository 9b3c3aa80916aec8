//! Progress in the terminal. Where standard error is no terminal, each step is one line when it ends, so that a log of a
//! nightly import reads well too.

use std::{
    io::IsTerminal,
    sync::{Mutex, PoisonError},
    time::Instant,
};

use indicatif::{ProgressBar, ProgressStyle};

use super::output::seconds;
use crate::collection::Progress;

/// One bar at a time, one for each step.
#[derive(Debug)]
pub(super) struct Bars {
    terminal: bool,
    current: Mutex<Option<Bar>>,
}

#[derive(Debug)]
struct Bar {
    name: String,
    unit: String,
    began: Instant,
    bar: ProgressBar,
}

impl Bars {
    pub(super) fn new() -> Self {
        Self { terminal: std::io::stderr().is_terminal(), current: Mutex::new(None) }
    }

    /// Ends the current step.
    pub(super) fn finish(&self) {
        let ended = self.current.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(Bar { name, unit, began, bar }) = ended {
            let (done, took) = (bar.position(), began.elapsed().as_secs_f64());
            bar.finish_and_clear();
            if done > 0 {
                let plural = if done == 1 { "" } else { "s" };
                let rate = done as f64 / took.max(1e-3);
                eprintln!("{name:<18} {done} {unit}{plural} in {} ({rate:.0}/s)", seconds(took));
            }
        }
    }
}

impl Progress for Bars {
    fn begin(&self, step: &str, unit: &str, total: Option<u64>) {
        self.finish();
        let bar = match (self.terminal, total) {
            (false, _) => ProgressBar::hidden(),
            (true, Some(total)) => ProgressBar::new(total).with_style(style(
                "{prefix:<18} {bar:28} {human_pos}/{human_len} {msg} {per_sec} {elapsed}, {eta} left",
            )),
            (true, None) => ProgressBar::no_length()
                .with_style(style("{prefix:<18} {spinner} {human_pos} {msg} {per_sec} {elapsed}")),
        };
        bar.set_prefix(step.to_owned());
        bar.set_message(format!("{unit}s"));
        let begun = Bar { name: step.to_owned(), unit: unit.to_owned(), began: Instant::now(), bar };
        *self.current.lock().unwrap_or_else(PoisonError::into_inner) = Some(begun);
    }

    fn advance(&self, done: u64) {
        if let Some(current) = self.current.lock().unwrap_or_else(PoisonError::into_inner).as_ref() {
            current.bar.set_position(done);
        }
    }

    fn note(&self, text: &str) {
        match self.current.lock().unwrap_or_else(PoisonError::into_inner).as_ref() {
            Some(current) if self.terminal => current.bar.println(text),
            _ => eprintln!("{text}"),
        }
    }
}

fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar())
}
