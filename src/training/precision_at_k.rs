//! Precision@10 on the test split: the fraction of relevant results among the first ten, for texts and for pictures.

use std::sync::Arc;

use super::training_set::load_training_set;
use crate::{
    collection::{Collection, CollectionError, Encoders, blocking},
    core::UnitVector,
    dataset::Split,
    encoders::TextEncoder,
    model::{FeatureMatrix, Model, TrainingData},
};

/// The number of results that are evaluated.
const K: usize = 10;

/// A query, and the label of the pictures that it should find.
#[derive(Debug, Clone, PartialEq, Eq, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct JudgedQuery {
    /// The text of the query.
    pub query: String,
    /// The label of relevant pictures.
    pub label: String,
}

/// Precision of one query.
#[derive(Debug, Clone, PartialEq)]
pub struct QueryPrecision {
    /// The query and its label.
    pub query: JudgedQuery,
    /// Relevant pictures in the gallery; with fewer than ten, a precision of 1 cannot be reached.
    pub relevant: usize,
    /// Relevant pictures among the first ten, divided by ten.
    pub precision: f64,
}

/// Precision of the pictures with one label.
#[derive(Debug, Clone, PartialEq)]
pub struct LabelPrecision {
    /// The label.
    pub label: String,
    /// The number of pictures with it.
    pub pictures: usize,
    /// Relevant captions among the first ten, divided by ten; mean over these pictures.
    pub precision: f64,
}

/// Precision@10 in both directions.
#[derive(Debug, Clone, PartialEq)]
pub struct PrecisionReport {
    /// For each query, text → image.
    pub words: Vec<QueryPrecision>,
    /// For the pictures of each label, image → text.
    pub pictures: Vec<LabelPrecision>,
}

/// Precision@10 with the test items of the active model as gallery: for each query, text → image, and for the pictures
/// of each label, image → text. Pictures with the label of the query, and captions of items that share a label, are
/// relevant.
///
/// # Errors
/// [`CollectionError::BadField`] for a label that the model does not know, or a query that is a caption of the
/// collection (which would measure memorization); or if an operation fails.
pub async fn precision_at_10(
    collection: &Collection,
    encoders: &Encoders,
    queries: Vec<JudgedQuery>,
) -> Result<PrecisionReport, CollectionError> {
    let record = collection.catalog.active_model().await?.ok_or(CollectionError::NoModel)?;
    let folder = collection.data_dir.model(&record.version);
    let seed = record.settings["seed"].as_u64().unwrap_or(0);
    let data = load_training_set(collection, encoders, seed).await?.data;
    for query in &queries {
        if collection.catalog.has_caption(&query.query).await? {
            let reason = format!("{:?} is a caption of the collection, which would measure memorization", query.query);
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
    /// Vectors with the row of their item.
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

    fn has_label(&self, item: usize, class: usize) -> bool {
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
            .ok_or_else(|| CollectionError::Internal("an encoder returned rows of another length".into()))?;
        let points = model.embed_texts(&features)?;
        let row = |(query, point): (JudgedQuery, UnitVector)| {
            let classes = &self.data.classes;
            let class = classes.iter().position(|c| *c == query.label).ok_or_else(|| {
                let reason = format!(
                    "{:?} is not a label of the collection; the labels are {}",
                    query.label,
                    classes.join(", ")
                );
                CollectionError::BadField { field: "label".into(), reason }
            })?;
            let relevant = self.images.iter().filter(|(item, _)| self.has_label(*item, class)).count();
            Ok(QueryPrecision {
                query,
                relevant,
                precision: precision(&point, &self.images, |item| self.has_label(item, class)),
            })
        };
        queries.into_iter().zip(points).map(row).collect()
    }

    fn pictures(&self) -> Vec<LabelPrecision> {
        let shares = |a: usize, b: usize| self.data.labels[a].iter().any(|&label| self.has_label(b, label as usize));
        let row = |(class, label): (usize, &String)| {
            let asked = self.images.iter().filter(|(item, _)| self.has_label(*item, class));
            let found: Vec<f64> =
                asked.map(|(item, point)| precision(point, &self.texts, |other| shares(*item, other))).collect();
            let precision = found.iter().sum::<f64>() / found.len().max(1) as f64;
            LabelPrecision { label: label.clone(), pictures: found.len(), precision }
        };
        self.data.classes.iter().enumerate().map(row).collect()
    }
}

/// The fraction of the ten nearest entries of `gallery` that are relevant.
fn precision(query: &UnitVector, gallery: &[(usize, UnitVector)], relevant: impl Fn(usize) -> bool) -> f64 {
    let mut ranked: Vec<(f32, usize)> = gallery.iter().map(|(item, point)| (query.cosine(point), *item)).collect();
    ranked.sort_by(|a, b| b.0.total_cmp(&a.0));
    ranked.iter().take(K).filter(|(_, item)| relevant(*item)).count() as f64 / K as f64
}
