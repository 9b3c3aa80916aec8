//! The encoders of a collection.

use std::sync::Arc;

use super::CollectionError;
use crate::{
    catalog::FeatureKinds,
    core::Picture,
    encoders::{ImageEncoder, TextEncoder},
};

/// The two encoders of a collection. Cheap to clone.
#[derive(Clone)]
pub struct Encoders {
    /// Encoder of pictures.
    pub image: Arc<dyn ImageEncoder>,
    /// Encoder of texts.
    pub text: Arc<dyn TextEncoder>,
}

impl Encoders {
    /// Names and lengths of the features of these encoders.
    pub(crate) fn feature_kinds(&self) -> FeatureKinds<'_> {
        FeatureKinds { image: (self.image.id(), self.image.dims()), text: (self.text.id(), self.text.dims()) }
    }
}

impl std::fmt::Debug for Encoders {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Encoders").field("image", &self.image.id()).field("text", &self.text.id()).finish()
    }
}

/// Features of one picture.
pub(crate) fn encode_one(encoder: &dyn ImageEncoder, picture: Picture) -> Result<Vec<f32>, CollectionError> {
    one(encoder.encode(std::slice::from_ref(&picture))?)
}

/// The single row that an encoder returns for one input.
fn one(mut rows: Vec<Vec<f32>>) -> Result<Vec<f32>, CollectionError> {
    rows.pop().ok_or_else(|| CollectionError::Internal("an encoder returned no features".into()))
}
