//! One trained model and the two indexes of everything in the collection. Queries are answered from one snapshot while
//! the next is built.
//!
//! The catalog is the source of truth, and an index is a cache of it. A snapshot knows the watermark up to which it has
//! applied
//! the catalog's changes ([`ServingSnapshot::catch_up`]), whether it was built a moment ago, opened from disk after a
//! crash, or has been live all the while. An index on disk that belongs to another collection, is newer than the
//! catalog, or is damaged is discarded and rebuilt.

use std::sync::{
    Arc,
    atomic::{AtomicI64, Ordering},
};

use super::{
    embed::{IndexBuilder, embed_new_images, embed_new_texts},
    vector_indexes::VectorIndexes,
};
use crate::{
    catalog::{Changes, KeyedFeatures, ModelRecord, Watermark},
    collection::{Collection, CollectionError, Encoders, Job, base_watermark, blocking},
    engine::query::Kind,
    index::{GenerationError, IndexParameters, SelfTest, Space, StaticIndex},
    model::{Model, QueryEncoder},
    training::load_model,
};

/// Number of older index generations that are kept on disk.
const PREVIOUS_GENERATIONS: usize = 1;

/// Names of the two indexes on disk.
pub(in crate::engine) const PICTURES: &str = "pictures";
pub(in crate::engine) const CAPTIONS: &str = "captions";

/// How the indexes of a snapshot are built.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum IndexMode {
    /// As scans or graphs, depending on the numbers of vectors, and written to disk.
    Persisted(IndexParameters),
    /// As scans in memory, which are available immediately.
    InMemoryScan,
}

/// A model and the indexes of its space.
#[derive(Debug)]
pub struct ServingSnapshot {
    /// The number of the index generation on disk; 0 if it is in memory only.
    pub number: u64,
    /// The model's row in the catalog.
    pub record: ModelRecord,
    /// The model.
    pub model: Arc<Model>,
    /// The text network of the model, laid out for single queries.
    pub(in crate::engine) text_network: QueryEncoder,
    /// The vectors of all pictures and captions.
    pub(crate) indexes: VectorIndexes,
    /// The catalog's watermark when the static indexes were built.
    base_watermark: Watermark,
    /// The catalog's watermark up to which changes have been applied.
    applied_watermark: AtomicI64,
    /// Reason why queries use scans although there is an index on disk, if they do.
    pub degraded_reason: Option<String>,
}

impl ServingSnapshot {
    /// Opens the index on disk and brings it up to date. `None` if the active model has none.
    ///
    /// # Errors
    /// [`CollectionError::NoModel`]; [`CollectionError::OtherEncoder`]; [`CollectionError::IndexOnDisk`] if the index
    /// cannot be used and has to be rebuilt; or if the catalog or the model's files fail.
    pub async fn open(collection: &Collection, encoders: &Encoders) -> Result<Option<Self>, CollectionError> {
        let (record, model) = active_model(collection, encoders).await?;
        let collection_name = collection.catalog.collection_name().await?;
        let (store, version) = (collection.index_store(), record.version.clone());
        let dims = model.dims();
        let opened = blocking(move || store.open_newest(Space { model: &version, dims })).await?;
        let mut opened = match opened {
            Ok(opened) => opened,
            // Normal after another model was activated.
            Err(GenerationError::Missing | GenerationError::OtherModel { .. }) => return Ok(None),
            Err(error) => return Err(CollectionError::IndexOnDisk(error.to_string())),
        };
        let unusable = |reason: &str| CollectionError::IndexOnDisk(format!("the index on disk {reason}"));
        let base_watermark = base_watermark(&opened.manifest.watermark, &collection_name)
            .ok_or_else(|| unusable("belongs to another collection"))?;
        let mut take = |name| opened.indexes.remove(name).ok_or_else(|| unusable("lacks a part"));
        let indexes = (take(PICTURES)?, take(CAPTIONS)?);
        let snapshot = Self::new(opened.number, record, model, indexes, base_watermark)?;
        if !snapshot.catch_up(collection, encoders).await? {
            return Err(unusable("is older than the change log of the catalog"));
        }
        Ok(Some(snapshot))
    }

    /// Embeds all features of the catalog with the active model and builds indexes of the vectors.
    ///
    /// # Errors
    /// [`CollectionError::NoModel`]; [`CollectionError::OtherEncoder`]; [`CollectionError::Cancelled`]; or if the
    /// catalog, the model's files, the index or the file system fail.
    pub async fn build(
        collection: &Collection,
        encoders: &Encoders,
        mode: IndexMode,
        job: &Job,
    ) -> Result<Self, CollectionError> {
        let (record, model) = active_model(collection, encoders).await?;
        let collection_name = collection.catalog.collection_name().await?;
        let (base_watermark, features) = collection.catalog.all_features(encoders.feature_kinds()).await?;
        let (store, job) = (collection.index_store(), job.clone());
        blocking(move || {
            let parameters = match mode {
                IndexMode::Persisted(parameters) => parameters,
                IndexMode::InMemoryScan => IndexParameters { exact_up_to: usize::MAX, ..IndexParameters::default() },
            };
            let builder = IndexBuilder { model: &model, parameters, job: &job };
            let (image_dims, text_dims) = (model.image_feature_dims(), model.text_feature_dims());
            let images = builder.build(PICTURES, features.images, image_dims, |m, f| Ok(m.embed_images(f)?))?;
            let texts = builder.build(CAPTIONS, features.texts, text_dims, |m, f| Ok(m.embed_texts(f)?))?;
            let number = match mode {
                IndexMode::InMemoryScan => 0,
                IndexMode::Persisted(_) => {
                    let space = Space { model: &record.version, dims: model.dims() };
                    let watermark = format!("{collection_name} {base_watermark}");
                    let indexes = [(PICTURES, &images), (CAPTIONS, &texts)];
                    let written = store.write(space, &watermark, &indexes, PREVIOUS_GENERATIONS);
                    written.map_err(|e| CollectionError::IndexOnDisk(e.to_string()))?
                }
            };
            Self::new(number, record, model, (images, texts), base_watermark)
        })
        .await?
    }

    fn new(
        number: u64,
        record: ModelRecord,
        model: Model,
        (images, texts): (StaticIndex, StaticIndex),
        base_watermark: Watermark,
    ) -> Result<Self, CollectionError> {
        Ok(Self {
            number,
            record,
            text_network: QueryEncoder::new(&model)?,
            model: Arc::new(model),
            indexes: VectorIndexes::new(images, texts),
            base_watermark,
            applied_watermark: AtomicI64::new(base_watermark),
            degraded_reason: None,
        })
    }

    /// Applies the changes of the catalog since the applied watermark. `false` if the change log does not have all of
    /// them any more; then this snapshot can never catch up. Callers that change the catalog call this before the next
    /// change. The matrix products run on a blocking thread.
    ///
    /// # Errors
    /// If the catalog, the model or an index fails. The next call retries.
    pub async fn catch_up(&self, collection: &Collection, encoders: &Encoders) -> Result<bool, CollectionError> {
        let since = self.applied_watermark.load(Ordering::Acquire);
        let Some(changes) = collection.catalog.changes_since(since, encoders.feature_kinds()).await? else {
            return Ok(false);
        };
        let Changes { watermark, images, texts, features: KeyedFeatures { images: image_rows, texts: text_rows } } =
            changes;
        if !images.is_empty() || !texts.is_empty() {
            let (model, indexes) = (Arc::clone(&self.model), self.indexes.clone());
            blocking(move || {
                indexes.apply(Kind::Image, images, embed_new_images(&model, image_rows)?)?;
                indexes.apply(Kind::Text, texts, embed_new_texts(&model, text_rows)?)?;
                Ok::<_, CollectionError>(())
            })
            .await??;
        }
        self.applied_watermark.store(watermark, Ordering::Release);
        Ok(true)
    }

    /// The catalog's watermark when the static indexes were built.
    pub(in crate::engine) fn base_watermark(&self) -> Watermark {
        self.base_watermark
    }

    /// The catalog's watermark up to which changes have been applied; a search that begins later sees at least these.
    pub(in crate::engine) fn applied_watermark(&self) -> Watermark {
        self.applied_watermark.load(Ordering::Acquire)
    }

    /// Compares both indexes with scans.
    ///
    /// # Errors
    /// If an index fails.
    pub fn self_test(&self) -> Result<[(&'static str, SelfTest); 2], CollectionError> {
        let test = |kind| self.indexes.self_test(kind);
        Ok([(PICTURES, test(Kind::Image)?), (CAPTIONS, test(Kind::Text)?)])
    }
}

/// The active model, if it was trained on features of these encoders.
async fn active_model(collection: &Collection, encoders: &Encoders) -> Result<(ModelRecord, Model), CollectionError> {
    let record = collection.catalog.active_model().await?.ok_or(CollectionError::NoModel)?;
    let model = load_model(collection, encoders, &record).await?;
    Ok((record, model))
}
