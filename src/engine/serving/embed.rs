//! Embeds the features of many items into the common space, and builds indexes of the vectors.

use crate::{
    collection::{CollectionError, Job},
    core::UnitVector,
    index::{IndexParameters, StaticIndex},
    model::{FeatureMatrix, Model},
};

/// Rows of a batch when an index is built.
const BUILD_BATCH: usize = 512;

/// Rows of a batch when an index catches up; smaller batches are padded. Rounding depends on the shape of a matrix
/// product. With a fixed shape, a vector is bit-identical whether its item is embedded alone when it is written, or
/// with a thousand others at the next start or after a restore.
const FIXED_BATCH: usize = 16;

/// Vectors with their keys.
pub(super) type Keyed = Vec<(u64, UnitVector)>;

/// Vectors of the pictures with these features.
pub(super) fn embed_new_images(model: &Model, rows: Vec<(i64, Vec<f32>)>) -> Result<Keyed, CollectionError> {
    embed_fixed_batches(rows, FIXED_BATCH, model.image_feature_dims(), |features| Ok(model.embed_images(features)?))
}

/// Vectors of the captions with these features.
pub(super) fn embed_new_texts(model: &Model, rows: Vec<(i64, Vec<f32>)>) -> Result<Keyed, CollectionError> {
    // The matrices of a token network are as long as the longest text of a batch.
    let batch = if model.reads_tokens() { 1 } else { FIXED_BATCH };
    embed_fixed_batches(rows, batch, model.text_feature_dims(), |features| Ok(model.embed_texts(features)?))
}

fn embed_fixed_batches(
    rows: Vec<(i64, Vec<f32>)>,
    batch: usize,
    dims: usize,
    through: impl Fn(&FeatureMatrix) -> Result<Vec<UnitVector>, CollectionError>,
) -> Result<Keyed, CollectionError> {
    let mut vectors = Vec::with_capacity(rows.len());
    for some in rows.chunks(batch) {
        let mut padded = some.to_vec();
        padded.resize(batch, some[0].clone());
        vectors.extend(embed(padded, dims, &through)?.into_iter().take(some.len()));
    }
    Ok(vectors)
}

fn embed(
    rows: Vec<(i64, Vec<f32>)>,
    dims: usize,
    through: impl Fn(&FeatureMatrix) -> Result<Vec<UnitVector>, CollectionError>,
) -> Result<Keyed, CollectionError> {
    if rows.is_empty() {
        return Ok(Vec::new());
    }
    let (keys, values): (Vec<i64>, Vec<Vec<f32>>) = rows.into_iter().unzip();
    let matrix = FeatureMatrix::new(dims, values.concat())
        .ok_or_else(|| CollectionError::Internal("an encoder's features have no length".into()))?;
    Ok(keys.into_iter().map(i64::cast_unsigned).zip(through(&matrix)?).collect())
}

/// Builds the indexes of a snapshot.
pub(super) struct IndexBuilder<'a> {
    pub(super) model: &'a Model,
    pub(super) parameters: IndexParameters,
    pub(super) job: &'a Job,
}

impl IndexBuilder<'_> {
    /// Embeds features of length `dims` by `through` and builds the index of the vectors.
    pub(super) fn build(
        &self,
        name: &str,
        rows: Vec<(i64, Vec<f32>)>,
        dims: usize,
        through: impl Fn(&Model, &FeatureMatrix) -> Result<Vec<UnitVector>, CollectionError>,
    ) -> Result<StaticIndex, CollectionError> {
        let total = rows.len() as u64;
        self.job.progress.begin(&format!("embed {name}"), "point", Some(total));
        let mut vectors = Vec::with_capacity(rows.len());
        let mut rows = rows.into_iter();
        loop {
            self.job.check_cancelled()?;
            let chunk: Vec<(i64, Vec<f32>)> = rows.by_ref().take(BUILD_BATCH).collect();
            if chunk.is_empty() {
                break;
            }
            vectors.extend(embed(chunk, dims, |matrix| through(self.model, matrix))?);
            self.job.progress.advance(vectors.len() as u64);
        }
        self.job.progress.begin(&format!("index {name}"), "point", Some(total));
        let advance = |done| self.job.progress.advance(done as u64);
        Ok(StaticIndex::build(self.model.dims(), vectors, &self.parameters, &advance, &self.job.stop)?)
    }
}
