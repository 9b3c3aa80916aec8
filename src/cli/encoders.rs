//! `diptych encoders pull` and `diptych encoders list`

use std::process::ExitCode;

use super::{
    context::Context,
    encoder_loading::{in_use, pull},
    progress_bar::TerminalProgress,
};
use crate::{
    config::{Common, EncodersCommand},
    encoders::Registry,
};

pub(super) async fn run(context: &Context, command: EncodersCommand) -> anyhow::Result<ExitCode> {
    let common = context.common.clone();
    let progress = std::sync::Arc::clone(&context.progress);
    tokio::task::spawn_blocking(move || match command {
        EncodersCommand::Pull { names } => pull_all(&common, names, &progress),
        EncodersCommand::List => list(&common),
    })
    .await?
}

fn pull_all(common: &Common, mut names: Vec<String>, progress: &TerminalProgress) -> anyhow::Result<ExitCode> {
    let registry = Registry::open(&common.models)?;
    if names.is_empty() {
        let (image, text) = in_use(common, &registry, None);
        names = vec![image, text];
    }
    for name in names {
        let downloaded = pull(&registry, &name, progress)?;
        println!("{name}: {}", if downloaded { "downloaded and verified" } else { "already present" });
    }
    Ok(ExitCode::SUCCESS)
}

fn list(common: &Common) -> anyhow::Result<ExitCode> {
    let registry = Registry::open(&common.models)?;
    let (image, text) = in_use(common, &registry, None);
    for manifest in registry.manifests() {
        let presence = if registry.missing(&manifest.id)?.is_empty() { "present" } else { "missing" };
        let usage = if [&image, &text].contains(&&manifest.id) { "in use" } else { "" };
        println!(
            "{:<20} {:<9} {:>5} dims  {:<11} {:<6}  {} {} ({})",
            manifest.id,
            manifest.modality().plural(),
            manifest.dims,
            presence,
            usage,
            manifest.source.package,
            manifest.source.version,
            manifest.licence,
        );
    }
    Ok(ExitCode::SUCCESS)
}
