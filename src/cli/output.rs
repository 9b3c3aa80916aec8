//! Text that several commands print.

use std::process::ExitCode;

/// The exit code of a verb that somebody stopped, as shells have it.
pub(super) fn stopped(what_next: &str) -> ExitCode {
    eprintln!("stopped; {what_next}");
    ExitCode::from(130)
}

/// A number of bytes for people.
pub(super) fn megabytes(bytes: u64) -> String {
    format!("{:.1} MB", bytes as f64 / 1e6)
}

/// A number of seconds for people.
pub(super) fn seconds(seconds: f64) -> String {
    if seconds < 60.0 {
        format!("{seconds:.1} s")
    } else {
        format!("{:.0} min {:02.0} s", (seconds / 60.0).floor(), seconds % 60.0)
    }
}
