//! Precision@10 of everyday words on the pictures of the test split: what a person sees who types a word.

use super::{Encoders, Library, SearchError, blocking};
use crate::{
    dataset::Split,
    dscmr::{FeatureMatrix, Model},
};

/// A word and the class that a person who types it wants to see.
#[derive(Debug, Clone, PartialEq, Eq, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EverydayQuery {
    /// What is typed.
    pub query: String,
    /// The class of relevant pictures.
    pub label: String,
}

/// How one word fared.
#[derive(Debug, Clone, PartialEq)]
pub struct EverydayRow {
    /// The word and its class.
    pub query: EverydayQuery,
    /// Relevant pictures among the first ten, divided by ten.
    pub precision: f64,
}

/// Precision@10 of each word, words → pictures, over the test pictures of `model` alone. A picture is relevant if it bears
/// the word's class.
///
/// # Errors
/// [`SearchError::BadQuery`] for a class that the model does not know or a word that is a caption of the collection; or
/// if a part fails.
pub async fn precision_at_10(
    library: &Library,
    encoders: &Encoders,
    queries: Vec<EverydayQuery>,
) -> Result<Vec<EverydayRow>, SearchError> {
    let record = library.catalog.active_model().await?.ok_or(SearchError::NoModel)?;
    let folder = library.folder.model(&record.version);
    let seed = record.settings["seed"].as_u64().unwrap_or(0);
    let data = super::load_training_data(library, encoders, seed).await?;
    for query in &queries {
        if library.catalog.has_caption(&query.query).await? {
            let reason =
                format!("{:?} is a caption of the collection, word for word; that would measure memory", query.query);
            return Err(SearchError::BadQuery { field: "query", reason });
        }
    }
    let encoder = std::sync::Arc::clone(&encoders.text);
    blocking(move || {
        let model = Model::load(&folder)?;
        let rows: Vec<usize> = (0..data.splits.len()).filter(|&row| data.splits[row] == Split::Test).collect();
        let values = rows.iter().flat_map(|&row| data.images.row(row).iter().copied()).collect();
        let matrix = FeatureMatrix::new(data.images.cols(), values)
            .filter(|m| m.rows() > 0)
            .ok_or_else(|| SearchError::NotEnough("the test split has no pictures".into()))?;
        let gallery = model.embed_images(&matrix)?;
        let words: Vec<&str> = queries.iter().map(|q| q.query.as_str()).collect();
        let features = encoder.encode(&words)?.concat();
        let features = FeatureMatrix::new(encoder.dims(), features)
            .ok_or_else(|| SearchError::Background("an encoder gave rows of another length".into()))?;
        let points = model.embed_texts(&features)?;

        let mut table = Vec::with_capacity(queries.len());
        for (query, point) in queries.into_iter().zip(points) {
            let class = data.classes.iter().position(|c| *c == query.label).ok_or_else(|| {
                let reason =
                    format!("{:?} is no class of the collection; there are {}", query.label, data.classes.join(", "));
                SearchError::BadQuery { field: "label", reason }
            })?;
            let mut ranked: Vec<(f32, usize)> =
                gallery.iter().zip(&rows).map(|(picture, &row)| (point.cosine(picture), row)).collect();
            ranked.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
            let bears = |row: usize| data.labels[row].iter().any(|&l| l as usize == class);
            let relevant = ranked.iter().take(10).filter(|(_, row)| bears(*row)).count();
            table.push(EverydayRow { query, precision: relevant as f64 / 10.0 });
        }
        Ok(table)
    })
    .await?
}
