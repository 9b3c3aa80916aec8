//! `diptych config check`: prints all settings with their sources, and reports what would keep `serve` from starting.
//! Starts and changes nothing.

use std::{
    net::TcpListener,
    path::{Path, PathBuf},
    process::ExitCode,
};

use rustix::fs::Access;

use super::{context::Context, encoder_loading, serve::unprotected};
use crate::{
    catalog::{Catalog, ModelRecord},
    config::{Common, ServeArgs, Setting},
    encoders::{Modality, Registry},
    telemetry,
};

pub(super) async fn run(context: &Context, args: &ServeArgs, settings: &[Setting]) -> anyhow::Result<ExitCode> {
    let width = |of: fn(&Setting) -> &str| settings.iter().map(|s| of(s).chars().count()).max().unwrap_or(0);
    let (names, values) = (width(|s| &s.name), width(value_of));
    for setting in settings {
        println!("{:names$}  {:values$}  {}", setting.name, value_of(setting), setting.source);
    }
    for notice in settings.iter().filter_map(|setting| setting.rename_notice.as_ref()) {
        eprintln!("diptych: {notice}");
    }
    let faults = faults(&context.common, args).await;
    for fault in &faults {
        eprintln!("diptych: {fault}");
    }
    Ok(if faults.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn value_of(setting: &Setting) -> &str {
    setting.value.as_deref().unwrap_or("-")
}

/// Faults that would keep `serve` from starting, a sentence each.
async fn faults(common: &Common, args: &ServeArgs) -> Vec<String> {
    let mut faults = args.limits.faults();
    faults.extend(telemetry::start(common).err().map(|error| error.to_string()));
    faults.extend(writable("data", &common.data).err());
    let (mut has_key, mut model) = (false, None);
    match Catalog::open_read_only(&common.data).await {
        Ok(None) => {}
        Ok(Some(catalog)) => {
            // A catalog with an older schema may lack these tables; `serve` migrates it.
            has_key = catalog.has_admin_key().await.unwrap_or_default();
            model = catalog.active_model().await.unwrap_or_default();
            catalog.close().await;
        }
        Err(error) => faults.push(format!("data: {error}")),
    }
    faults.extend(unprotected(args.at.listen, has_key));
    // A running service may occupy the port, so try any free port: this tells whether the address is one of this
    // machine.
    if let Err(error) = TcpListener::bind((args.at.listen.ip(), 0)) {
        faults.push(format!("listen: cannot listen on {}: {error}", args.at.listen.ip()));
    }
    match Registry::open(&common.models) {
        Ok(registry) => faults.extend(encoder_faults(common, &registry, model.as_ref())),
        Err(error) => faults.push(format!("models: {error}")),
    }
    faults
}

/// Faults of the encoders in use: unknown, of the wrong kind, or neither present nor downloadable.
fn encoder_faults(common: &Common, registry: &Registry, model: Option<&ModelRecord>) -> Vec<String> {
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

/// Checks that a folder exists and is writable, or could be created.
fn writable(setting: &str, folder: &Path) -> Result<(), String> {
    let absolute = std::path::absolute(folder).map_err(|error| format!("{setting}: {error}"))?;
    let existing: Option<PathBuf> = absolute.ancestors().find(|path| path.exists()).map(Path::to_owned);
    let existing = existing.unwrap_or_else(|| PathBuf::from("/"));
    if !existing.is_dir() {
        return Err(format!("{setting}: {} is not a folder", existing.display()));
    }
    let allowed = rustix::fs::access(&existing, Access::WRITE_OK | Access::EXEC_OK);
    allowed.map_err(|error| format!("{setting}: {} is not writable: {error}", existing.display()))
}
