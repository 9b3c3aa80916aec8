//! Choice, download and loading of the encoders that a command uses.

use super::progress_bar::TerminalProgress;
use crate::{
    catalog::ModelRecord,
    collection::{Encoders, Progress},
    config::Common,
    encoders::{PullProgress, PullStage, Registry},
};

/// Loads the encoders in use, downloading missing weights.
pub(super) fn open(
    common: &Common,
    model: Option<&ModelRecord>,
    progress: &TerminalProgress,
) -> anyhow::Result<Encoders> {
    let registry = Registry::open(&common.models)?;
    let (image, text) = in_use(common, &registry, model);
    for name in [&image, &text] {
        pull(&registry, name, progress)?;
    }
    Ok(Encoders { image: registry.open_image(&image)?, text: registry.open_text(&text)? })
}

/// Names of the image and the text encoder: those of the settings, else those of a model, else the default ones.
pub(super) fn in_use(common: &Common, registry: &Registry, model: Option<&ModelRecord>) -> (String, String) {
    // An encoder's id in a model is its name and a hash of its files.
    let name_in = |id: &str| {
        let names = registry.manifests().iter().map(|manifest| manifest.id.as_str());
        let fits = |name: &&str| id.strip_prefix(name).is_some_and(|rest| rest.starts_with('-'));
        names.filter(fits).max_by_key(|name| name.len()).map(str::to_owned)
    };
    let choose = |setting: &Option<String>, id: Option<&String>, default: &String| {
        setting.clone().or_else(|| name_in(id?)).unwrap_or_else(|| default.clone())
    };
    let defaults = registry.defaults();
    (
        choose(&common.image_encoder, model.map(|model| &model.image_encoder), &defaults.image),
        choose(&common.text_encoder, model.map(|model| &model.text_encoder), &defaults.text),
    )
}

/// Downloads an encoder's weights unless they are there; returns whether it did.
pub(super) fn pull(registry: &Registry, name: &str, progress: &TerminalProgress) -> anyhow::Result<bool> {
    let mut stage = None;
    let fetched = registry.pull(name, &mut |pulled: PullProgress| {
        if stage != Some(pulled.stage) {
            stage = Some(pulled.stage);
            let action = match pulled.stage {
                PullStage::Waiting => "wait for another download of",
                PullStage::Downloading => "download",
                PullStage::Unpacking => "verify and unpack",
            };
            progress.begin(&format!("{action} {name}"), "byte", Some(pulled.total));
        }
        progress.advance(pulled.done);
    });
    progress.finish();
    Ok(fetched?)
}
