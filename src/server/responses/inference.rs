//! Responses with what the model makes of texts and images.

use serde::Serialize;
use utoipa::ToSchema;

use super::search::PredictedLabel;

/// Labels with their probabilities.
#[derive(Serialize, ToSchema)]
pub(crate) struct ClassifyResponse {
    /// The model that answered.
    pub(crate) model: String,
    /// All labels of the model, most probable first.
    pub(crate) labels: Vec<PredictedLabel>,
}

/// Unit vectors of the common space.
#[derive(Serialize, ToSchema)]
pub(crate) struct EmbedResponse {
    /// The model whose space it is; vectors of different models cannot be compared.
    pub(crate) model: String,
    /// Dimensions of the vectors; null if there are none.
    pub(crate) dims: Option<usize>,
    /// One for each input, in order.
    pub(crate) vectors: Vec<Vec<f32>>,
}
