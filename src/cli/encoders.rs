//! `diptych encoders pull` and `diptych encoders list`

use std::process::ExitCode;

use super::{
    context::Shared,
    encoder_loading::{in_use, pull},
    progress_bar::Bars,
};
use crate::{
    config::{Common, EncodersVerb},
    encoders::Registry,
};

pub(super) async fn run(shared: &Shared, verb: EncodersVerb) -> anyhow::Result<ExitCode> {
    let common = shared.common.clone();
    let bars = std::sync::Arc::clone(&shared.bars);
    tokio::task::spawn_blocking(move || match verb {
        EncodersVerb::Pull { names } => pull_all(&common, names, &bars),
        EncodersVerb::List => list(&common),
    })
    .await?
}

fn pull_all(common: &Common, mut names: Vec<String>, bars: &Bars) -> anyhow::Result<ExitCode> {
    let registry = Registry::open(&common.models)?;
    if names.is_empty() {
        let (image, text) = in_use(common, &registry, None);
        names = vec![image, text];
    }
    for name in names {
        let fetched = pull(&registry, &name, bars)?;
        println!("{name}: {}", if fetched { "fetched and verified" } else { "already there" });
    }
    Ok(ExitCode::SUCCESS)
}

fn list(common: &Common) -> anyhow::Result<ExitCode> {
    let registry = Registry::open(&common.models)?;
    let (image, text) = in_use(common, &registry, None);
    for manifest in registry.manifests() {
        let there = if registry.missing(&manifest.id)?.is_empty() { "here" } else { "not fetched" };
        let used = if [&image, &text].contains(&&manifest.id) { "in use" } else { "" };
        println!(
            "{:<20} {:<9} {:>5} dims  {:<11} {:<6}  {} {} ({})",
            manifest.id,
            manifest.modality().plural(),
            manifest.dims,
            there,
            used,
            manifest.source.package,
            manifest.source.version,
            manifest.licence,
        );
    }
    Ok(ExitCode::SUCCESS)
}
