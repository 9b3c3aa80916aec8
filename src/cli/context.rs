//! What all commands share: settings, the collection, encoders, progress and shutdown.

use std::sync::Arc;

use anyhow::{Context, bail};

use super::{encoder_loading, progress_bar::Bars, shutdown::Stop};
use crate::{
    catalog::{self, ModelRecord},
    collection::{Collection, CollectionError, Encoders, Progress},
    config::Common,
    dataset::PictureLimits,
};

/// What the verbs share.
pub(super) struct Shared {
    pub(super) common: Common,
    pub(super) stop: Stop,
    pub(super) bars: Arc<Bars>,
}

impl Shared {
    /// Opens the collection.
    pub(super) async fn collection(&self) -> anyhow::Result<Collection> {
        let max_pixels = u64::from(self.common.max_megapixels) * 1_000_000;
        let limits = PictureLimits { max_pixels, max_side: self.common.max_picture_side, ..PictureLimits::default() };
        Collection::open(&self.common.data, limits)
            .await
            .with_context(|| format!("the collection in {} could not be opened", self.common.data.display()))
    }

    /// Opens the collection, if there is one: a mistyped folder is no empty collection.
    pub(super) async fn existing_library(&self) -> anyhow::Result<Collection> {
        let data = &self.common.data;
        if !data.join(catalog::FILE).exists() {
            bail!("{} holds no collection; --data names the folder that does", data.display());
        }
        self.collection().await
    }

    /// Who hears of long work.
    pub(super) fn progress(&self) -> Arc<dyn Progress> {
        Arc::clone(&self.bars) as Arc<dyn Progress>
    }

    /// Takes down the bars of work that has ended. `None` if somebody stopped it.
    pub(super) fn finished<T>(&self, ended: Result<T, CollectionError>) -> anyhow::Result<Option<T>> {
        self.bars.finish();
        match ended {
            Ok(made) => Ok(Some(made)),
            Err(CollectionError::Cancelled) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// Loads the encoders that the owner asked for, else those of the model that answers, else the default ones, fetching what
    /// is missing.
    pub(super) async fn encoders(&self, collection: &Collection) -> anyhow::Result<Encoders> {
        let active = collection.catalog.active_model().await?;
        self.encoders_of(active).await
    }

    /// As [`Self::encoders`], for a model that need not answer yet.
    pub(super) async fn encoders_of(&self, model: Option<ModelRecord>) -> anyhow::Result<Encoders> {
        let (common, bars) = (self.common.clone(), Arc::clone(&self.bars));
        tokio::task::spawn_blocking(move || encoder_loading::open(&common, model.as_ref(), &bars)).await?
    }
}
