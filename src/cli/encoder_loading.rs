//! Choice, download and loading of the encoders that a command uses.

use super::progress_bar::Bars;
use crate::{
    catalog::ModelRecord,
    collection::{Encoders, Progress},
    config::Common,
    encoders::{PullProgress, PullStage, Registry},
};

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

/// Downloads an encoder's weights unless they are there; returns whether it did.
pub(super) fn pull(registry: &Registry, name: &str, bars: &Bars) -> anyhow::Result<bool> {
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
