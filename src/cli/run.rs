//! Dispatch of a command to its file.

use std::{process::ExitCode, sync::Arc};

use super::{
    backup, compact, config_check, context::Shared, demo, encoders, evaluate, health, import, index, key, models,
    progress_bar::Bars, restore, search, serve, shutdown::Stop, status, train,
};
use crate::{
    config::{Config, ConfigVerb, Setting, Verb},
    training::{DEFAULT_MARGIN, PromotionPolicy},
};

/// Runs the verb. The code is a failure where the verb ended well but what it found is not as it should be, and 130
/// where somebody stopped it. `settings` are those of the verb, with who set them.
///
/// # Errors
/// Whatever keeps the verb from ending well, with what was being done.
pub async fn run(config: Config, settings: &[Setting]) -> anyhow::Result<ExitCode> {
    let shared = Shared { common: config.common, stop: Stop::listen()?, bars: Arc::new(Bars::new()) };
    match config.verb {
        Verb::Demo(args) => demo::run(&shared, *args).await,
        Verb::Encoders(verb) => encoders::run(&shared, verb).await,
        Verb::Import(args) => import::run(&shared, &args).await,
        Verb::Train { args, features: Some(folder), out, .. } => train::on_features(&shared, &args, &folder, out).await,
        Verb::Train { args, ablate: true, .. } => train::ablation(&shared, args).await,
        Verb::Train { args, margin, force, .. } => {
            let gate = PromotionPolicy { margin: margin.unwrap_or(DEFAULT_MARGIN), force };
            train::run(&shared, args, gate).await
        }
        Verb::Models(verb) => models::run(&shared, verb).await,
        Verb::Evaluate(args) => evaluate::run(&shared, args).await,
        Verb::Index { verb, reproducible } => index::run(&shared, verb, reproducible).await,
        Verb::Serve(args) => serve::run(&shared, &args).await,
        Verb::Search(args) => search::run(&shared, args).await,
        Verb::Status => status::run(&shared).await,
        Verb::Backup { file, replace } => backup::run(&shared, file.as_deref(), replace).await,
        Verb::Restore { file } => restore::run(&shared, &file).await,
        Verb::Compact => compact::run(&shared).await,
        Verb::Key(verb) => key::run(&shared, verb).await,
        Verb::Health(at) => health::run(at.listen).await,
        Verb::Config(ConfigVerb::Check(args)) => config_check::run(&shared, &args, settings).await,
    }
}
