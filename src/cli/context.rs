//! What all commands share: settings, the collection, encoders, progress and shutdown.

use std::sync::Arc;

use anyhow::{Context as _, bail};

use super::{encoder_loading, progress_bar::TerminalProgress, shutdown::Shutdown};
use crate::{
    catalog::{self, ModelRecord},
    collection::{Collection, CollectionError, Encoders, Job, Progress},
    config::Common,
    dataset::PictureLimits,
};

/// What all commands share.
pub(super) struct Context {
    pub(super) common: Common,
    pub(super) shutdown: Shutdown,
    pub(super) progress: Arc<TerminalProgress>,
}

impl Context {
    /// Opens the collection.
    pub(super) async fn collection(&self) -> anyhow::Result<Collection> {
        let max_pixels = u64::from(self.common.max_megapixels) * 1_000_000;
        let limits = PictureLimits { max_pixels, max_side: self.common.max_picture_side, ..PictureLimits::default() };
        Collection::open(&self.common.data, limits)
            .await
            .with_context(|| format!("the collection in {} could not be opened", self.common.data.display()))
    }

    /// Opens the collection if it exists, so that a mistyped folder does not become an empty collection.
    pub(super) async fn existing_collection(&self) -> anyhow::Result<Collection> {
        let data = &self.common.data;
        if !data.join(catalog::FILE).exists() {
            bail!("{} contains no collection; set its folder with --data", data.display());
        }
        self.collection().await
    }

    /// Receiver of the progress of long-running work.
    pub(super) fn job(&self) -> Job {
        Job { progress: Arc::clone(&self.progress) as Arc<dyn Progress>, stop: self.shutdown.flag() }
    }

    /// Ends the progress bar of completed work. Returns `None` if the work was stopped.
    pub(super) fn finished<T>(&self, ended: Result<T, CollectionError>) -> anyhow::Result<Option<T>> {
        self.progress.finish();
        match ended {
            Ok(made) => Ok(Some(made)),
            Err(CollectionError::Cancelled) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// Loads the encoders in use, downloading missing weights: those of the settings, else those of the active model,
    /// else the default ones.
    pub(super) async fn encoders(&self, collection: &Collection) -> anyhow::Result<Encoders> {
        let active = collection.catalog.active_model().await?;
        self.encoders_of(active).await
    }

    /// Like [`Self::encoders`], with the given model instead of the active one.
    pub(super) async fn encoders_of(&self, model: Option<ModelRecord>) -> anyhow::Result<Encoders> {
        let (common, progress) = (self.common.clone(), Arc::clone(&self.progress));
        tokio::task::spawn_blocking(move || encoder_loading::open(&common, model.as_ref(), &progress)).await?
    }
}
