//! What is it doing? Log lines on standard error; standard output is for answers.

use tracing_subscriber::{EnvFilter, fmt};

use crate::config::{Common, LogFormat};

/// A log filter that cannot be understood.
#[derive(Debug, thiserror::Error)]
#[error(
    "--log {filter:?} cannot be understood: {reason}; allowed are error, warn, info, debug, trace, or a filter such as diptych=debug"
)]
pub struct BadFilter {
    filter: String,
    reason: String,
}

/// Starts logging for the process. A second call keeps the first one's settings.
///
/// # Errors
/// [`BadFilter`].
pub fn start(common: &Common) -> Result<(), BadFilter> {
    let filter =
        EnvFilter::try_new(&common.log).map_err(|e| BadFilter { filter: common.log.clone(), reason: e.to_string() })?;
    let lines = fmt().with_env_filter(filter).with_writer(std::io::stderr).with_target(false);
    // A failure means that logging runs already, as in tests that start several services in one process.
    let _ = match common.log_format {
        LogFormat::Text => lines.compact().try_init(),
        LogFormat::Json => lines.json().try_init(),
    };
    Ok(())
}
