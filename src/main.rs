//! The `diptych` binary: settings, log, runtime, verb.

use std::process::ExitCode;

use diptych::{
    cli,
    config::{Config, SettingsError, Verb},
    telemetry,
};

/// Steps of a training take and give back tens of megabytes; the system's allocator asks the kernel for fresh pages each time.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let (config, settings) = match Config::read(std::env::args_os()) {
        Ok(read) => read,
        Err(SettingsError::CommandLine(error)) => error.exit(),
        Err(error) => {
            eprintln!("diptych: {error}");
            return ExitCode::from(2);
        }
    };
    let run = || -> anyhow::Result<ExitCode> {
        // A filter that cannot be understood is one of the faults that a check is asked for.
        if !matches!(config.verb, Verb::Config(_)) {
            telemetry::start(&config.common)?;
        }
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
        let ended = runtime.block_on(cli::run(config, &settings));
        // A blocking job that ignores its stop flag must not hold the process.
        runtime.shutdown_timeout(std::time::Duration::from_secs(2));
        ended
    };
    match run() {
        Ok(code) => code,
        Err(error) => {
            eprintln!("diptych: {error:#}");
            ExitCode::FAILURE
        }
    }
}
