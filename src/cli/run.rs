//! Dispatch of a command to its file.

use std::{process::ExitCode, sync::Arc};

use super::{
    backup, compact, config_check, context::Context, demo, encoders, evaluate, health, import, index, key, models,
    progress_bar::TerminalProgress, restore, search, serve, shutdown::Shutdown, status, train,
};
use crate::{
    config::{Cli, Command, ConfigCommand, Setting},
    training::{DEFAULT_MARGIN, PromotionPolicy},
};

/// Runs the command. `settings` are its settings with their sources. The exit code is a failure if the command
/// completed but found a problem (such as a failed check), and 130 if it was stopped.
///
/// # Errors
/// If the command fails, with context.
pub async fn run(cli: Cli, settings: &[Setting]) -> anyhow::Result<ExitCode> {
    let context =
        Context { common: cli.common, shutdown: Shutdown::listen()?, progress: Arc::new(TerminalProgress::new()) };
    match cli.command {
        Command::Demo(args) => demo::run(&context, *args).await,
        Command::Encoders(command) => encoders::run(&context, command).await,
        Command::Import(args) => import::run(&context, &args).await,
        Command::Train { args, features: Some(folder), out, .. } => {
            train::on_features(&context, &args, &folder, out).await
        }
        Command::Train { args, ablate: true, .. } => train::ablation(&context, args).await,
        Command::Train { args, margin, force, .. } => {
            let policy = PromotionPolicy { margin: margin.unwrap_or(DEFAULT_MARGIN), force };
            train::run(&context, args, policy).await
        }
        Command::Models(command) => models::run(&context, command).await,
        Command::Evaluate(args) => evaluate::run(&context, args).await,
        Command::Index { command, reproducible } => index::run(&context, command, reproducible).await,
        Command::Serve(args) => serve::run(&context, &args).await,
        Command::Search(args) => search::run(&context, args).await,
        Command::Status => status::run(&context).await,
        Command::Backup { file, replace } => backup::run(&context, file.as_deref(), replace).await,
        Command::Restore { file } => restore::run(&context, &file).await,
        Command::Compact => compact::run(&context).await,
        Command::Key(command) => key::run(&context, command).await,
        Command::Health(at) => health::run(at.listen).await,
        Command::Config(ConfigCommand::Check(args)) => config_check::run(&context, &args, settings).await,
    }
}
