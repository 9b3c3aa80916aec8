//! `diptych encoders pull` and `diptych encoders list`, and the loading that every other verb needs.

use std::process::ExitCode;

use super::{Bars, Shared};
use crate::{
    catalog::ModelRecord,
    collection::{Encoders, Progress},
    config::{Common, EncodersVerb},
    encoders::{PullProgress, PullStage, Registry},
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

/// Loads the encoders in use, fetching what is missing.
pub(super) fn open(common: &Common, model: Option<&ModelRecord>, bars: &Bars) -> anyhow::Result<Encoders> {
    let registry = Registry::open(&common.models)?;
    let (image, text) = in_use(common, &registry, model);
    for name in [&image, &text] {
        pull(&registry, name, bars)?;
    }
    Ok(Encoders { image: registry.open_image(&image)?, text: registry.open_text(&text)? })
}

/// The encoders that the owner asked for, else those of a model, else the default ones.
pub(super) fn in_use(common: &Common, registry: &Registry, model: Option<&ModelRecord>) -> (String, String) {
    // What a model remembers begins with the encoder's name and goes on with what its files hash to.
    let named = |of_model: &str| {
        let names = registry.manifests().iter().map(|manifest| manifest.id.as_str());
        let fits = |name: &&str| of_model.strip_prefix(name).is_some_and(|rest| rest.starts_with('-'));
        names.filter(fits).max_by_key(|name| name.len()).map(str::to_owned)
    };
    let choose = |asked: &Option<String>, of_model: Option<&String>, default: &String| {
        asked.clone().or_else(|| named(of_model?)).unwrap_or_else(|| default.clone())
    };
    let defaults = registry.defaults();
    (
        choose(&common.image_encoder, model.map(|model| &model.image_encoder), &defaults.image),
        choose(&common.text_encoder, model.map(|model| &model.text_encoder), &defaults.text),
    )
}

fn pull(registry: &Registry, name: &str, bars: &Bars) -> anyhow::Result<bool> {
    let mut stage = None;
    let fetched = registry.pull(name, &mut |progress: PullProgress| {
        if stage != Some(progress.stage) {
            stage = Some(progress.stage);
            let doing = match progress.stage {
                PullStage::Waiting => "wait for another pull of",
                PullStage::Downloading => "fetch",
                PullStage::Unpacking => "verify and unpack",
            };
            bars.begin(&format!("{doing} {name}"), "byte", Some(progress.total));
        }
        bars.advance(progress.done);
    });
    bars.finish();
    Ok(fetched?)
}
