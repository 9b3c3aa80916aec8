//! The `diptych` binary: reads the settings, starts log and runtime, and runs the command.

use std::process::ExitCode;

use diptych::{
    config::{Cli, Command, SettingsError},
    telemetry,
};

/// Training allocates and frees tens of megabytes per step, for which the system's allocator asks the kernel for pages
/// each time.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let (cli, settings) = match Cli::read(std::env::args_os()) {
        Ok(read) => read,
        Err(SettingsError::CommandLine(error)) => error.exit(),
        Err(error) => {
            eprintln!("diptych: {error}");
            return ExitCode::from(2);
        }
    };
    let run = || -> anyhow::Result<ExitCode> {
        // `config check` reports an invalid log filter itself, among other faults.
        if !matches!(cli.command, Command::Config(_)) {
            telemetry::start(&cli.common)?;
        }
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
        let result = runtime.block_on(diptych::cli::run(cli, &settings));
        // A blocking job that ignores its stop flag must not keep the process running.
        runtime.shutdown_timeout(std::time::Duration::from_secs(2));
        result
    };
    match run() {
        Ok(code) => code,
        Err(error) => {
            eprintln!("diptych: {error:#}");
            ExitCode::FAILURE
        }
    }
}
