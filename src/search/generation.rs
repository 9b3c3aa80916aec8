//! One trained model and the two indexes of all that the collection holds, immutable. The service answers from one
//! generation while it builds the next.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use super::{Encoders, Library, Progress, SearchError, blocking};
use crate::{
    catalog::ModelRecord,
    dscmr::{FeatureMatrix, Model},
    index::{self, EXACT_UP_TO, ExactIndex, IndexParameters, SearchParams, StaticIndex, Strategy, VectorIndex},
    vector::UnitVector,
};

/// Rows that go through a subnetwork at once.
const ROWS: usize = 512;

/// Which indexes a generation gets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IndexKind {
    /// The one that fits the number of points.
    BySize,
    /// A scan whatever the size: ready at once.
    Exact,
}

/// A model and the indexes of its space.
pub struct Generation {
    /// Counts up with each build of a service's life.
    pub number: u64,
    /// The model's place in the catalog.
    pub record: ModelRecord,
    /// The model.
    pub model: Model,
    /// All pictures, under their items' keys.
    pub images: Box<dyn VectorIndex>,
    /// All captions, under their keys.
    pub texts: Box<dyn VectorIndex>,
}

impl std::fmt::Debug for Generation {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Generation")
            .field("number", &self.number)
            .field("model", &self.record.version)
            .field("images", &self.images.len())
            .field("texts", &self.texts.len())
            .finish()
    }
}

impl Generation {
    /// Takes the active model, passes all features of the catalog through it and indexes what comes out.
    ///
    /// # Errors
    /// [`SearchError::NoModel`]; [`SearchError::OtherEncoder`]; [`SearchError::Stopped`]; or if the catalog, the model's
    /// files or the index fail.
    pub async fn build(
        library: &Library,
        encoders: &Encoders,
        number: u64,
        kind: IndexKind,
        progress: Arc<dyn Progress>,
        stop: Arc<AtomicBool>,
    ) -> Result<Self, SearchError> {
        let record = library.catalog.active_model().await?.ok_or(SearchError::NoModel)?;
        check_encoders(&record, encoders)?;
        let image_rows = library.catalog.image_features(encoders.image.id(), encoders.image.dims()).await?;
        let text_rows = library.catalog.text_features(encoders.text.id(), encoders.text.dims()).await?;
        let folder = library.folder.model(&record.version);
        let (image_dims, text_dims) = (encoders.image.dims(), encoders.text.dims());
        blocking(move || {
            let model = Model::load(&folder)?;
            let work = Work { model: &model, kind, progress: progress.as_ref(), stop: &stop };
            let images = work.index("pictures", image_rows, image_dims, |m, f| Ok(m.embed_images(f)?))?;
            let texts = work.index("captions", text_rows, text_dims, |m, f| Ok(m.embed_texts(f)?))?;
            Ok(Self { number, record, model, images, texts })
        })
        .await?
    }
}

/// How well an index agrees with a scan of the same points.
#[derive(Debug, Clone, PartialEq)]
pub struct Agreement {
    /// `pictures` or `captions`.
    pub name: &'static str,
    /// Number of points.
    pub points: usize,
    /// How the index finds its answers.
    pub strategy: Strategy,
    /// Of the ten nearest by scan, the part that the index finds too; 1 without points.
    pub recall_at_10: f64,
}

/// Queries of an agreement check.
const SAMPLE: usize = 200;

impl Generation {
    /// Whether an index is scanned here that a larger build would make a graph of.
    pub fn wants_graph(&self) -> bool {
        let scanned = |index: &dyn VectorIndex| index.len() > EXACT_UP_TO && index.strategy() == Strategy::Exact;
        scanned(self.images.as_ref()) || scanned(self.texts.as_ref())
    }

    /// Compares both indexes with a scan, with points of the other modality as queries: that is what they are asked.
    ///
    /// # Errors
    /// If an index fails.
    pub fn agreement(&self) -> Result<Vec<Agreement>, SearchError> {
        let one = |name, index: &dyn VectorIndex, other: &dyn VectorIndex| {
            let mut found = 0usize;
            let mut wanted = 0usize;
            for query in other.sample(SAMPLE) {
                let truth = index.search(&query, &SearchParams::exact(10))?.hits;
                let hits = index.search(&query, &SearchParams::top(10))?.hits;
                wanted += truth.len();
                found += truth.iter().filter(|t| hits.iter().any(|h| h.key == t.key)).count();
            }
            let recall_at_10 = if wanted == 0 { 1.0 } else { found as f64 / wanted as f64 };
            Ok::<_, SearchError>(Agreement { name, points: index.len(), strategy: index.strategy(), recall_at_10 })
        };
        Ok(vec![
            one("pictures", self.images.as_ref(), self.texts.as_ref())?,
            one("captions", self.texts.as_ref(), self.images.as_ref())?,
        ])
    }
}

fn check_encoders(record: &ModelRecord, encoders: &Encoders) -> Result<(), SearchError> {
    let pairs =
        [("picture", &record.image_encoder, encoders.image.id()), ("text", &record.text_encoder, encoders.text.id())];
    for (kind, trained, given) in pairs {
        if trained != given {
            return Err(SearchError::OtherEncoder {
                version: record.version.clone(),
                kind,
                trained: trained.clone(),
                given: given.to_owned(),
            });
        }
    }
    Ok(())
}

struct Work<'a> {
    model: &'a Model,
    kind: IndexKind,
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
        embed: impl Fn(&Model, &FeatureMatrix) -> Result<Vec<UnitVector>, SearchError>,
    ) -> Result<Box<dyn VectorIndex>, SearchError> {
        let total = rows.len() as u64;
        self.progress.begin(&format!("embed {what}"), "point", Some(total));
        let mut points = Vec::with_capacity(rows.len());
        for chunk in rows.chunks(ROWS) {
            if self.stop.load(Ordering::Relaxed) {
                return Err(SearchError::Stopped);
            }
            let values = chunk.iter().flat_map(|(_, row)| row.iter().copied()).collect();
            let Some(matrix) = FeatureMatrix::new(dims, values) else { continue };
            let keys = chunk.iter().map(|(key, _)| key.unsigned_abs());
            points.extend(keys.zip(embed(self.model, &matrix)?));
            self.progress.advance(points.len() as u64);
        }
        drop(rows);
        self.progress.begin(&format!("index {what}"), "point", Some(total));
        let built = match self.kind {
            IndexKind::Exact => {
                ExactIndex::new(self.model.dims(), points).map(|index| Box::new(index) as Box<dyn VectorIndex>)
            }
            IndexKind::BySize => {
                let parameters = IndexParameters::default();
                let progress = |done| self.progress.advance(done as u64);
                StaticIndex::build(self.model.dims(), points, &parameters, &progress, self.stop)
                    .map(|index| Box::new(index) as Box<dyn VectorIndex>)
            }
        };
        match built {
            Err(index::IndexError::Stopped) => Err(SearchError::Stopped),
            other => Ok(other?),
        }
    }
}
