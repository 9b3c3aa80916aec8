//! Precision@10 on the test split: what a person sees who types a word, or posts a picture, and looks at ten results.

use std::sync::Arc;

use crate::{
    collection::{Collection, CollectionError, Encoders, blocking},
    core::UnitVector,
    dataset::Split,
    encoders::TextEncoder,
    model::{FeatureMatrix, Model, TrainingData},
};

/// Results that are looked at.
const K: usize = 10;

/// A word and the class that a person who types it wants to see.
#[derive(Debug, Clone, PartialEq, Eq, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct JudgedQuery {
    /// What is typed.
    pub query: String,
    /// The class of relevant pictures.
    pub label: String,
}

/// How one word fared.
#[derive(Debug, Clone, PartialEq)]
pub struct QueryPrecision {
    /// The word and its class.
    pub query: JudgedQuery,
    /// Pictures of the class among those searched; with fewer than ten, a precision of 1 is out of reach.
    pub relevant: usize,
    /// Relevant pictures among the first ten, divided by ten.
    pub precision: f64,
}

/// How the pictures of one class fared.
#[derive(Debug, Clone, PartialEq)]
pub struct LabelPrecision {
    /// The class.
    pub label: String,
    /// Pictures of it that were asked.
    pub pictures: usize,
    /// Captions of the class among the first ten, divided by ten; mean over these pictures.
    pub precision: f64,
}

/// What ten results look like, both ways.
#[derive(Debug, Clone, PartialEq)]
pub struct PrecisionReport {
    /// Words → pictures.
    pub words: Vec<QueryPrecision>,
    /// Pictures → captions, by class.
    pub pictures: Vec<LabelPrecision>,
}

/// Precision@10 over the test items of the active model alone: of each word, words → pictures, and of all pictures of each
/// class, pictures → captions. Relevant is what bears the word's or shares the picture's class.
///
/// # Errors
/// [`CollectionError::BadField`] for a class that the model does not know or a word that is a caption of the collection; or
/// if a part fails.
pub async fn precision_at_10(
    collection: &Collection,
    encoders: &Encoders,
    queries: Vec<JudgedQuery>,
) -> Result<PrecisionReport, CollectionError> {
    let record = collection.catalog.active_model().await?.ok_or(CollectionError::NoModel)?;
    let folder = collection.data_dir.model(&record.version);
    let seed = record.settings["seed"].as_u64().unwrap_or(0);
    let data = super::load_training_set(collection, encoders, seed).await?.data;
    for query in &queries {
        if collection.catalog.has_caption(&query.query).await? {
            let reason =
                format!("{:?} is a caption of the collection, word for word; that would measure memory", query.query);
            return Err(CollectionError::BadField { field: "query".into(), reason });
        }
    }
    let encoder = Arc::clone(&encoders.text);
    blocking(move || {
        let model = Model::load(&folder)?;
        let test = TestSplit::new(&model, &data)?;
        Ok(PrecisionReport { words: test.words(&model, encoder.as_ref(), queries)?, pictures: test.pictures() })
    })
    .await?
}

/// The test split in the common space.
struct TestSplit<'a> {
    data: &'a TrainingData,
    /// Rows of pictures, and of the items of captions, beside their points.
    images: Vec<(usize, UnitVector)>,
    texts: Vec<(usize, UnitVector)>,
}

impl<'a> TestSplit<'a> {
    fn new(model: &Model, data: &'a TrainingData) -> Result<Self, CollectionError> {
        let is_test = |item: usize| data.splits[item] == Split::Test;
        let items: Vec<usize> = (0..data.splits.len()).filter(|&item| is_test(item)).collect();
        let texts: Vec<usize> =
            (0..data.text_items.len()).filter(|&text| is_test(data.text_items[text] as usize)).collect();
        if items.is_empty() || texts.is_empty() {
            return Err(CollectionError::NotEnoughData("the test split has no pictures with captions".into()));
        }
        let image_points = model.embed_images(&data.images.select(&items))?;
        let text_points = model.embed_texts(&data.texts.select(&texts))?;
        let owners = texts.iter().map(|&text| data.text_items[text] as usize);
        Ok(Self {
            data,
            texts: owners.zip(text_points).collect(),
            images: items.into_iter().zip(image_points).collect(),
        })
    }

    fn bears(&self, item: usize, class: usize) -> bool {
        self.data.labels[item].iter().any(|&label| label as usize == class)
    }

    fn words(
        &self,
        model: &Model,
        encoder: &dyn TextEncoder,
        queries: Vec<JudgedQuery>,
    ) -> Result<Vec<QueryPrecision>, CollectionError> {
        let words: Vec<&str> = queries.iter().map(|q| q.query.as_str()).collect();
        let features = FeatureMatrix::new(encoder.dims(), encoder.encode(&words)?.concat())
            .ok_or_else(|| CollectionError::Internal("an encoder gave rows of another length".into()))?;
        let points = model.embed_texts(&features)?;
        let row = |(query, point): (JudgedQuery, UnitVector)| {
            let classes = &self.data.classes;
            let class = classes.iter().position(|c| *c == query.label).ok_or_else(|| {
                let reason =
                    format!("{:?} is no class of the collection; there are {}", query.label, classes.join(", "));
                CollectionError::BadField { field: "label".into(), reason }
            })?;
            let relevant = self.images.iter().filter(|(item, _)| self.bears(*item, class)).count();
            Ok(QueryPrecision {
                query,
                relevant,
                precision: precision(&point, &self.images, |item| self.bears(item, class)),
            })
        };
        queries.into_iter().zip(points).map(row).collect()
    }

    fn pictures(&self) -> Vec<LabelPrecision> {
        let shares = |a: usize, b: usize| self.data.labels[a].iter().any(|&label| self.bears(b, label as usize));
        let row = |(class, label): (usize, &String)| {
            let asked = self.images.iter().filter(|(item, _)| self.bears(*item, class));
            let found: Vec<f64> =
                asked.map(|(item, point)| precision(point, &self.texts, |other| shares(*item, other))).collect();
            let precision = found.iter().sum::<f64>() / found.len().max(1) as f64;
            LabelPrecision { label: label.clone(), pictures: found.len(), precision }
        };
        self.data.classes.iter().enumerate().map(row).collect()
    }
}

/// The part of the ten nearest of `gallery` that are relevant.
fn precision(query: &UnitVector, gallery: &[(usize, UnitVector)], relevant: impl Fn(usize) -> bool) -> f64 {
    let mut ranked: Vec<(f32, usize)> = gallery.iter().map(|(item, point)| (query.cosine(point), *item)).collect();
    ranked.sort_by(|a, b| b.0.total_cmp(&a.0));
    ranked.iter().take(K).filter(|(_, item)| relevant(*item)).count() as f64 / K as f64
}
