//! The `diptych` binary: settings, log, runtime, verb.

use std::process::ExitCode;

use clap::Parser;
use diptych::{cli, config::Config, telemetry};

/// Steps of a training take and give back tens of megabytes; the system's allocator asks the kernel for fresh pages each time.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let config = Config::parse();
    let run = || -> anyhow::Result<ExitCode> {
        telemetry::start(&config.common)?;
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
        let ended = runtime.block_on(cli::run(config));
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
