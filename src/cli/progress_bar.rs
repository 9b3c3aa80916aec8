//! Progress of long-running work in the terminal. If standard error is not a terminal, each step prints one line when
//! it ends, so that logs of unattended runs stay readable.

use std::{io::IsTerminal, time::Instant};

use indicatif::{ProgressBar, ProgressStyle};
use parking_lot::Mutex;

use super::output::seconds;
use crate::collection::Progress;

/// Progress bar of the current step.
#[derive(Debug)]
pub(super) struct TerminalProgress {
    is_terminal: bool,
    current: Mutex<Option<Step>>,
}

#[derive(Debug)]
struct Step {
    name: String,
    unit: String,
    started: Instant,
    bar: ProgressBar,
}

impl TerminalProgress {
    pub(super) fn new() -> Self {
        Self { is_terminal: std::io::stderr().is_terminal(), current: Mutex::new(None) }
    }

    /// Ends the current step.
    pub(super) fn finish(&self) {
        let ended = self.current.lock().take();
        if let Some(Step { name, unit, started, bar }) = ended {
            let (done, took) = (bar.position(), started.elapsed().as_secs_f64());
            bar.finish_and_clear();
            if done > 0 {
                let plural = if done == 1 { "" } else { "s" };
                let rate = done as f64 / took.max(1e-3);
                eprintln!("{name:<18} {done} {unit}{plural} in {} ({rate:.0}/s)", seconds(took));
            }
        }
    }
}

impl Progress for TerminalProgress {
    fn begin(&self, step: &str, unit: &str, total: Option<u64>) {
        self.finish();
        let bar = match (self.is_terminal, total) {
            (false, _) => ProgressBar::hidden(),
            (true, Some(total)) => ProgressBar::new(total).with_style(style(
                "{prefix:<18} {bar:28} {human_pos}/{human_len} {msg} {per_sec} {elapsed}, {eta} left",
            )),
            (true, None) => ProgressBar::no_length()
                .with_style(style("{prefix:<18} {spinner} {human_pos} {msg} {per_sec} {elapsed}")),
        };
        bar.set_prefix(step.to_owned());
        bar.set_message(format!("{unit}s"));
        *self.current.lock() =
            Some(Step { name: step.to_owned(), unit: unit.to_owned(), started: Instant::now(), bar });
    }

    fn advance(&self, done: u64) {
        if let Some(current) = self.current.lock().as_ref() {
            current.bar.set_position(done);
        }
    }

    fn note(&self, text: &str) {
        match self.current.lock().as_ref() {
            Some(current) if self.is_terminal => current.bar.println(text),
            _ => eprintln!("{text}"),
        }
    }
}

fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar())
}
