//! The encoders that a collection is used with.

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
    /// For pictures.
    pub image: Arc<dyn ImageEncoder>,
    /// For sentences.
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

/// The only row of an encoder's answer to one input.
fn one(mut rows: Vec<Vec<f32>>) -> Result<Vec<f32>, CollectionError> {
    rows.pop().ok_or_else(|| CollectionError::Internal("an encoder gave no features for its input".into()))
}
