//! How does its owner talk to it? One file for each verb; here, what they share.

mod backup;
mod compact;
mod config_check;
mod demo;
mod encoders;
mod evaluate;
mod health;
mod import;
mod index;
mod key;
mod models;
mod progress_bar;
mod restore;
mod search;
mod serve;
mod shutdown;
mod status;
mod train;

use std::{process::ExitCode, sync::Arc};

use anyhow::{Context, bail};

use crate::{
    catalog::{self, ModelRecord},
    collection::{Collection, CollectionError, Encoders, Progress},
    config::{Common, Config, ConfigVerb, Setting, Verb},
    dataset::PictureLimits,
    training::{DEFAULT_MARGIN, PromotionPolicy},
};

use progress_bar::Bars;
use shutdown::Stop;

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

/// What the verbs share.
struct Shared {
    common: Common,
    stop: Stop,
    bars: Arc<Bars>,
}

impl Shared {
    /// Opens the collection.
    async fn collection(&self) -> anyhow::Result<Collection> {
        let max_pixels = u64::from(self.common.max_megapixels) * 1_000_000;
        let limits = PictureLimits { max_pixels, max_side: self.common.max_picture_side, ..PictureLimits::default() };
        Collection::open(&self.common.data, limits)
            .await
            .with_context(|| format!("the collection in {} could not be opened", self.common.data.display()))
    }

    /// Opens the collection, if there is one: a mistyped folder is no empty collection.
    async fn existing_library(&self) -> anyhow::Result<Collection> {
        let data = &self.common.data;
        if !data.join(catalog::FILE).exists() {
            bail!("{} holds no collection; --data names the folder that does", data.display());
        }
        self.collection().await
    }

    /// Who hears of long work.
    fn progress(&self) -> Arc<dyn Progress> {
        Arc::clone(&self.bars) as Arc<dyn Progress>
    }

    /// Takes down the bars of work that has ended. `None` if somebody stopped it.
    fn finished<T>(&self, ended: Result<T, CollectionError>) -> anyhow::Result<Option<T>> {
        self.bars.finish();
        match ended {
            Ok(made) => Ok(Some(made)),
            Err(CollectionError::Cancelled) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// Loads the encoders that the owner asked for, else those of the model that answers, else the default ones, fetching what
    /// is missing.
    async fn encoders(&self, collection: &Collection) -> anyhow::Result<Encoders> {
        let active = collection.catalog.active_model().await?;
        self.encoders_of(active).await
    }

    /// As [`Self::encoders`], for a model that need not answer yet.
    async fn encoders_of(&self, model: Option<ModelRecord>) -> anyhow::Result<Encoders> {
        let (common, bars) = (self.common.clone(), Arc::clone(&self.bars));
        tokio::task::spawn_blocking(move || encoders::open(&common, model.as_ref(), &bars)).await?
    }
}

/// The exit code of a verb that somebody stopped, as shells have it.
fn stopped(what_next: &str) -> ExitCode {
    eprintln!("stopped; {what_next}");
    ExitCode::from(130)
}

/// A number of bytes for people.
fn megabytes(bytes: u64) -> String {
    format!("{:.1} MB", bytes as f64 / 1e6)
}

/// A number of seconds for people.
fn seconds(seconds: f64) -> String {
    if seconds < 60.0 {
        format!("{seconds:.1} s")
    } else {
        format!("{:.0} min {:02.0} s", (seconds / 60.0).floor(), seconds % 60.0)
    }
}
