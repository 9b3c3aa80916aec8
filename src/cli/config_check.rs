//! `diptych config check`: all settings, who set each, and what `serve` would stumble over. Nothing is started, made or
//! changed.

use std::{
    net::TcpListener,
    path::{Path, PathBuf},
    process::ExitCode,
};

use rustix::fs::Access;

use super::{context::Shared, encoder_loading, serve::open_to_others};
use crate::{
    catalog::{Catalog, ModelRecord},
    config::{Common, ServeArgs, Setting},
    encoders::{Modality, Registry},
    telemetry,
};

pub(super) async fn run(shared: &Shared, args: &ServeArgs, settings: &[Setting]) -> anyhow::Result<ExitCode> {
    let width = |of: fn(&Setting) -> &str| settings.iter().map(|s| of(s).chars().count()).max().unwrap_or(0);
    let (names, values) = (width(|s| &s.name), width(shown));
    for setting in settings {
        println!("{:names$}  {:values$}  {}", setting.name, shown(setting), setting.from);
    }
    let faults = faults(&shared.common, args).await;
    for fault in &faults {
        eprintln!("diptych: {fault}");
    }
    Ok(if faults.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn shown(setting: &Setting) -> &str {
    setting.value.as_deref().unwrap_or("-")
}

/// What `serve` would stumble over, a sentence each.
async fn faults(common: &Common, args: &ServeArgs) -> Vec<String> {
    let mut faults = args.limits.faults();
    faults.extend(telemetry::start(common).err().map(|error| error.to_string()));
    faults.extend(writable("data", &common.data).err());
    let (mut has_key, mut model) = (false, None);
    match Catalog::open_read_only(&common.data).await {
        Ok(None) => {}
        Ok(Some(catalog)) => {
            // A catalog of an older version lacks what that did not know; `serve` brings it up to date.
            has_key = catalog.has_admin_key().await.unwrap_or_default();
            model = catalog.active_model().await.unwrap_or_default();
            catalog.close().await;
        }
        Err(error) => faults.push(format!("data: {error}")),
    }
    faults.extend(open_to_others(args.at.listen, has_key));
    // Its own port may be taken by the service that runs; whether the address is this machine's, any port tells.
    if let Err(error) = TcpListener::bind((args.at.listen.ip(), 0)) {
        faults.push(format!("listen: {} cannot be listened on: {error}", args.at.listen.ip()));
    }
    match Registry::open(&common.models) {
        Ok(registry) => faults.extend(of_encoders(common, &registry, model.as_ref())),
        Err(error) => faults.push(format!("models: {error}")),
    }
    faults
}

/// Whether the encoders that are asked for, or that the model needs, are known, and are there or can be fetched.
fn of_encoders(common: &Common, registry: &Registry, model: Option<&ModelRecord>) -> Vec<String> {
    let mut faults = Vec::new();
    let (image, text) = encoder_loading::in_use(common, registry, model);
    for (setting, name, wanted) in [("image_encoder", &image, Modality::Image), ("text_encoder", &text, Modality::Text)]
    {
        match registry.manifest(name) {
            Ok(manifest) if manifest.modality() == wanted => {
                let missing = registry.missing(name).map_or(true, |missing| !missing.is_empty());
                faults.extend(missing.then(|| writable("models", &common.models).err()).flatten());
            }
            Ok(manifest) => {
                faults.push(format!("{setting}: {name} is an encoder of {}", manifest.modality().plural()));
            }
            Err(error) => faults.push(format!("{setting}: {error}")),
        }
    }
    faults.dedup();
    faults
}

/// Whether a folder is there and can be written, or could be made.
fn writable(setting: &str, folder: &Path) -> Result<(), String> {
    let whole = std::path::absolute(folder).map_err(|error| format!("{setting}: {error}"))?;
    let there: Option<PathBuf> = whole.ancestors().find(|path| path.exists()).map(Path::to_owned);
    let there = there.unwrap_or_else(|| PathBuf::from("/"));
    if !there.is_dir() {
        return Err(format!("{setting}: {} is no folder", there.display()));
    }
    let allowed = rustix::fs::access(&there, Access::WRITE_OK | Access::EXEC_OK);
    allowed.map_err(|error| format!("{setting}: {} cannot be written: {error}", there.display()))
}
