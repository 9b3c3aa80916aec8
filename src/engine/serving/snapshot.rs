//! One trained model and the two indexes of all that the collection holds. The service answers from one generation while it
//! builds the next.
//!
//! The catalog is the truth and an index is a cache of it: a generation knows how far in the order of the catalog's changes
//! it has come ([`Generation::catch_up`]), whether it was built a moment ago, opened from disk after a crash, or has been
//! live all the while. A generation on disk of another collection, from the catalog's future or damaged
//! is worth nothing and is built anew.

use std::{
    collections::BTreeSet,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicI64, Ordering},
    },
};

use crate::{
    catalog::{Changes, KeyedFeatures, ModelRecord, Watermark},
    collection::{Collection, CollectionError, Encoders, Progress, blocking, built_at},
    core::UnitVector,
    index::{
        Change, FoldLimits, GenerationError, IndexParameters, LiveIndex, SelfTest, Space, StaticIndex, VectorIndex,
    },
    model::{FeatureMatrix, Model, TextNetwork},
    training::load,
};

/// Rows that go through a subnetwork at once.
const ROWS: usize = 512;

/// Rows that go through a subnetwork at once when an index catches up, filled up where they are fewer. The shape of a product
/// decides how its sums round; in one shape, a point is the same to the last bit whether its item came alone, or the next start
/// or a restored collection reads it with a thousand others.
const ALIKE: usize = 16;

/// Points of the other modality that a self-test asks with.
const SAMPLE: usize = 500;

/// Generations that stay on disk beside the current one.
const KEPT: usize = 1;

/// Names of the two indexes on disk.
pub(in crate::engine) const PICTURES: &str = "pictures";
pub(in crate::engine) const CAPTIONS: &str = "captions";

/// Which indexes a generation gets.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum IndexMode {
    /// Those that fit the numbers of points, written to disk.
    Persisted(IndexParameters),
    /// Scans in memory, whatever the numbers: ready at once.
    InMemoryScan,
}

/// A model and the indexes of its space.
#[derive(Debug)]
pub struct Generation {
    /// Its number on disk; 0 for one that is in memory alone.
    pub number: u64,
    /// The model's place in the catalog.
    pub record: ModelRecord,
    /// The model.
    pub model: Model,
    /// Its text side, as queries go through it.
    pub(in crate::engine) network: Arc<TextNetwork>,
    /// All pictures, under their items' keys.
    pub images: LiveIndex,
    /// All captions, under their keys.
    pub texts: LiveIndex,
    /// How far the catalog had come when the bases were built.
    built_at: Watermark,
    /// How far the indexes have come.
    came_to: AtomicI64,
    /// Why it is scanned although another one was on disk, if so.
    pub degraded: Option<String>,
}

impl Generation {
    /// Opens the generation that is on disk and brings it up to date. `None` if there is none of the active model.
    ///
    /// # Errors
    /// [`CollectionError::NoModel`]; [`CollectionError::OtherEncoder`]; [`CollectionError::IndexOnDisk`] if what is there cannot be used:
    /// then build another one; or if the catalog or the model's files fail.
    pub async fn open(collection: &Collection, encoders: &Encoders) -> Result<Option<Self>, CollectionError> {
        let (record, model) = active_model(collection, encoders).await?;
        let collection_name = collection.catalog.collection_name().await?;
        let (store, version) = (collection.index_store(), record.version.clone());
        let dims = model.dims();
        let opened = blocking(move || store.open_newest(Space { model: &version, dims })).await?;
        let mut opened = match opened {
            Ok(opened) => opened,
            // Another model was made active since; that is the course of things.
            Err(GenerationError::Missing | GenerationError::OtherModel { .. }) => return Ok(None),
            Err(error) => return Err(CollectionError::IndexOnDisk(error.to_string())),
        };
        let unusable = |reason: &str| CollectionError::IndexOnDisk(format!("the index on disk {reason}"));
        let built_at = built_at(&opened.manifest.watermark, &collection_name)
            .ok_or_else(|| unusable("belongs to another collection"))?;
        let mut take = |name| opened.indexes.remove(name).ok_or_else(|| unusable("lacks a part"));
        let (images, texts) = (take(PICTURES)?, take(CAPTIONS)?);
        let generation = Self::of(opened.number, record, model, (images, texts), built_at)?;
        if !generation.catch_up(collection, encoders).await? {
            return Err(unusable("is from a moment that the catalog no longer remembers"));
        }
        Ok(Some(generation))
    }

    /// Takes the active model, passes all features of the catalog through it and indexes what comes out.
    ///
    /// # Errors
    /// [`CollectionError::NoModel`]; [`CollectionError::OtherEncoder`]; [`CollectionError::Cancelled`]; or if the catalog, the model's
    /// files, the index or the file system fail.
    pub async fn build(
        collection: &Collection,
        encoders: &Encoders,
        kind: IndexMode,
        progress: Arc<dyn Progress>,
        stop: Arc<AtomicBool>,
    ) -> Result<Self, CollectionError> {
        let (record, model) = active_model(collection, encoders).await?;
        let collection_name = collection.catalog.collection_name().await?;
        let (built_at, features) = collection.catalog.all_features(encoders.feature_kinds()).await?;
        let store = collection.index_store();
        blocking(move || {
            let parameters = match kind {
                IndexMode::Persisted(parameters) => parameters,
                IndexMode::InMemoryScan => IndexParameters { exact_up_to: usize::MAX, ..IndexParameters::default() },
            };
            let work = Work { model: &model, parameters, progress: progress.as_ref(), stop: &stop };
            let (image_dims, text_dims) = (model.image_features(), model.text_features());
            let images = work.index(PICTURES, features.images, image_dims, |m, f| Ok(m.embed_images(f)?))?;
            let texts = work.index(CAPTIONS, features.texts, text_dims, |m, f| Ok(m.embed_texts(f)?))?;
            let number = match kind {
                IndexMode::InMemoryScan => 0,
                IndexMode::Persisted(_) => {
                    let space = Space { model: &record.version, dims: model.dims() };
                    let watermark = format!("{collection_name} {built_at}");
                    store
                        .write(space, &watermark, &[(PICTURES, &images), (CAPTIONS, &texts)], KEPT)
                        .map_err(|e| CollectionError::IndexOnDisk(e.to_string()))?
                }
            };
            Self::of(number, record, model, (images, texts), built_at)
        })
        .await?
    }

    fn of(
        number: u64,
        record: ModelRecord,
        model: Model,
        (images, texts): (StaticIndex, StaticIndex),
        built_at: Watermark,
    ) -> Result<Self, CollectionError> {
        let [images, texts] = [images, texts].map(|base| LiveIndex::new(base, FoldLimits::default()));
        let (network, came_to) = (Arc::new(TextNetwork::of(&model)?), AtomicI64::new(built_at));
        Ok(Self { number, record, model, network, images, texts, built_at, came_to, degraded: None })
    }

    /// Takes over what has changed in the catalog. `false` if the catalog no longer remembers all of that; then the
    /// generation stays behind for good. Whoever changes the catalog calls this before another does.
    ///
    /// # Errors
    /// If the catalog, the model or an index fails; then the next call tries again.
    pub async fn catch_up(&self, collection: &Collection, encoders: &Encoders) -> Result<bool, CollectionError> {
        let since = self.came_to.load(Ordering::Acquire);
        let Some(changes) = collection.catalog.changes_since(since, encoders.feature_kinds()).await? else {
            return Ok(false);
        };
        let Changes { watermark, images, texts, features: KeyedFeatures { images: image_rows, texts: text_rows } } =
            changes;
        let put = |index: &LiveIndex, gone: BTreeSet<i64>, points: Vec<(u64, UnitVector)>| {
            let removals = gone.into_iter().map(|key| Change::Remove(key.cast_unsigned()));
            // A later change of a key counts: what has a point again is put.
            index.apply(removals.chain(points.into_iter().map(|(key, point)| Change::Put(key, point))).collect())
        };
        if !images.is_empty() {
            let points =
                embed_alike(image_rows, ALIKE, self.model.image_features(), |f| Ok(self.model.embed_images(f)?))?;
            put(&self.images, images, points)?;
        }
        if !texts.is_empty() {
            // A network that reads tokens makes its matrices as long as the longest sentence of those that it reads at once.
            let alike = if self.model.reads_tokens() { 1 } else { ALIKE };
            let points =
                embed_alike(text_rows, alike, self.model.text_features(), |f| Ok(self.model.embed_texts(f)?))?;
            put(&self.texts, texts, points)?;
        }
        self.came_to.store(watermark, Ordering::Release);
        Ok(true)
    }

    /// How far the catalog had come when the bases were built.
    pub(in crate::engine) fn built_at(&self) -> Watermark {
        self.built_at
    }

    /// How far the indexes have come. What they hold when they are searched later has come as far at least.
    pub(in crate::engine) fn came_to(&self) -> Watermark {
        self.came_to.load(Ordering::Acquire)
    }

    /// Whether so much has changed since the bases were built that new ones pay.
    pub(in crate::engine) fn needs_fold(&self) -> bool {
        self.images.needs_fold() || self.texts.needs_fold()
    }

    /// Compares both indexes with scans. They are asked with points of the other modality, for that is what they are asked
    /// in service.
    ///
    /// # Errors
    /// If an index fails.
    pub fn self_test(&self) -> Result<[(&'static str, SelfTest); 2], CollectionError> {
        let (images, texts) = (self.images.snapshot(), self.texts.snapshot());
        let (by_image, by_text) = (images.sample(SAMPLE), texts.sample(SAMPLE));
        Ok([(PICTURES, images.self_test(&by_text)?), (CAPTIONS, texts.self_test(&by_image)?)])
    }
}

/// The active model, if it learned from what these encoders give.
async fn active_model(collection: &Collection, encoders: &Encoders) -> Result<(ModelRecord, Model), CollectionError> {
    let record = collection.catalog.active_model().await?.ok_or(CollectionError::NoModel)?;
    let model = load(collection, encoders, &record).await?;
    Ok((record, model))
}

/// Points of some rows, under the rows' keys.
fn embed(
    rows: Vec<(i64, Vec<f32>)>,
    dims: usize,
    embed: impl Fn(&FeatureMatrix) -> Result<Vec<UnitVector>, CollectionError>,
) -> Result<Vec<(u64, UnitVector)>, CollectionError> {
    if rows.is_empty() {
        return Ok(Vec::new());
    }
    let (keys, values): (Vec<i64>, Vec<Vec<f32>>) = rows.into_iter().unzip();
    let matrix = FeatureMatrix::new(dims, values.concat())
        .ok_or_else(|| CollectionError::Internal("an encoder's features have no length".into()))?;
    Ok(keys.into_iter().map(i64::cast_unsigned).zip(embed(&matrix)?).collect())
}

/// As [`embed`], always with `alike` rows at once.
fn embed_alike(
    rows: Vec<(i64, Vec<f32>)>,
    alike: usize,
    dims: usize,
    through: impl Fn(&FeatureMatrix) -> Result<Vec<UnitVector>, CollectionError>,
) -> Result<Vec<(u64, UnitVector)>, CollectionError> {
    let mut points = Vec::with_capacity(rows.len());
    for some in rows.chunks(alike) {
        let mut filled = some.to_vec();
        filled.resize(alike, some[0].clone());
        points.extend(embed(filled, dims, &through)?.into_iter().take(some.len()));
    }
    Ok(points)
}

struct Work<'a> {
    model: &'a Model,
    parameters: IndexParameters,
    progress: &'a dyn Progress,
    stop: &'a AtomicBool,
}

impl Work<'_> {
    /// Passes features through a subnetwork and indexes the points.
    fn index(
        &self,
        what: &str,
        rows: Vec<(i64, Vec<f32>)>,
        dims: usize,
        through: impl Fn(&Model, &FeatureMatrix) -> Result<Vec<UnitVector>, CollectionError>,
    ) -> Result<StaticIndex, CollectionError> {
        let total = rows.len() as u64;
        self.progress.begin(&format!("embed {what}"), "point", Some(total));
        let mut points = Vec::with_capacity(rows.len());
        let mut rows = rows.into_iter();
        loop {
            if self.stop.load(Ordering::Relaxed) {
                return Err(CollectionError::Cancelled);
            }
            let chunk: Vec<(i64, Vec<f32>)> = rows.by_ref().take(ROWS).collect();
            if chunk.is_empty() {
                break;
            }
            points.extend(embed(chunk, dims, |matrix| through(self.model, matrix))?);
            self.progress.advance(points.len() as u64);
        }
        self.progress.begin(&format!("index {what}"), "point", Some(total));
        let advance = |done| self.progress.advance(done as u64);
        Ok(StaticIndex::build(self.model.dims(), points, &self.parameters, &advance, self.stop)?)
    }
}
