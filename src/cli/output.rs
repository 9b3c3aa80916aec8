//! Text that several commands print.

use std::process::ExitCode;

/// Prints that a command was stopped and returns the exit code that shells use for it.
pub(super) fn stopped(note: &str) -> ExitCode {
    eprintln!("stopped; {note}");
    ExitCode::from(130)
}

/// A number of bytes, human-readable.
pub(super) fn megabytes(bytes: u64) -> String {
    format!("{:.1} MB", bytes as f64 / 1e6)
}

/// A duration in seconds, human-readable.
pub(super) fn seconds(seconds: f64) -> String {
    if seconds < 60.0 {
        format!("{seconds:.1} s")
    } else {
        format!("{:.0} min {:02.0} s", (seconds / 60.0).floor(), seconds % 60.0)
    }
}
