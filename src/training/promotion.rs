//! Promotion: a new model becomes active only if it is not worse than the active one and its space has not collapsed.
//! Decided on the validation split; the test split decides nothing.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::{
    catalog::ModelRecord,
    collection::{Collection, CollectionError, blocking},
    model::{Model, TrainingData, Validation, validate},
    training::trained_model::TrainedModel,
};

/// Default tolerance by which the mAP of a new model may be below that of the active one: the difference between two
/// seeds.
pub const DEFAULT_MARGIN: f64 = 0.02;

/// Maximum mean cosine of two pictures; above it, the space has collapsed.
const MAX_MEAN_COSINE: f64 = 0.9;

/// Minimum effective rank of a space with more than two classes. Two classes may be opposite points on a line.
const MIN_EFFECTIVE_RANK: f64 = 1.5;

/// Requirements for the promotion of a model.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PromotionPolicy {
    /// Amount, in [0, 1], by which its validation mAP may be below that of the active model.
    pub margin: f64,
    /// Promote every model; the objections are still recorded.
    pub force: bool,
}

impl Default for PromotionPolicy {
    fn default() -> Self {
        Self { margin: DEFAULT_MARGIN, force: false }
    }
}

/// The decision about a model, and its reasons.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PromotionDecision {
    /// Its evaluation on the validation split.
    pub validation: Validation,
    /// The model that was active at the time.
    pub live: Option<String>,
    /// Validation mAP of that model: on the same pictures if it has the same split, else as recorded when it was
    /// trained.
    pub live_map: Option<f64>,
    /// Reasons against the model; empty if there are none.
    pub objections: Vec<String>,
    /// Whether it was activated.
    pub promoted: bool,
}

/// Compares a model that was trained on `data` with the active one.
pub(super) async fn decide(
    collection: &Collection,
    trained: &TrainedModel,
    data: Arc<TrainingData>,
    policy: PromotionPolicy,
) -> Result<PromotionDecision, CollectionError> {
    let live = collection.catalog.active_model().await?;
    let TrainedModel { model, validation, .. } = trained;
    let same_split = live.as_ref().filter(|live| live.settings["seed"] == serde_json::json!(model.settings().seed));
    let folder = same_split.map(|live| collection.data_dir.model(&live.version));
    // An active model that cannot be loaded, or needs other features, has its recorded value.
    let measured = blocking(move || {
        let live = folder.and_then(|folder| Model::load(&folder).ok()).and_then(|live| validate(&live, &data).ok());
        live.map(|live| live.quality.mean_map())
    })
    .await?;
    let live_map = measured.or_else(|| live.as_ref().and_then(recorded));
    let objections = objections(*validation, model.classes().len(), live_map, policy.margin);
    let promoted = objections.is_empty() || policy.force;
    Ok(PromotionDecision {
        validation: *validation,
        live: live.map(|live| live.version),
        live_map,
        objections,
        promoted,
    })
}

/// Validation mAP of a model as recorded when it was trained.
fn recorded(record: &ModelRecord) -> Option<f64> {
    let verdict: PromotionDecision = serde_json::from_value(record.promotion.clone()).ok()?;
    Some(verdict.validation.quality.mean_map())
}

fn objections(found: Validation, classes: usize, live: Option<f64>, margin: f64) -> Vec<String> {
    let mut objections = Vec::new();
    let map = found.quality.mean_map();
    if let Some(live) = live.filter(|live| map < live - margin) {
        objections
            .push(format!("its validation mAP {map:.3} is more than {margin} below the {live:.3} of the active model"));
    }
    let (alike, directions) = (found.spread.mean_cosine, found.spread.effective_rank);
    if alike > MAX_MEAN_COSINE {
        objections.push(format!(
            "its space has collapsed: two pictures have a mean cosine of {alike:.3}, the maximum is {MAX_MEAN_COSINE}"
        ));
    }
    if directions < MIN_EFFECTIVE_RANK && classes > 2 {
        objections.push(format!(
            "its space has collapsed: pictures have an effective rank of {directions:.2}, the minimum is \
             {MIN_EFFECTIVE_RANK}"
        ));
    }
    objections
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{evaluation::Spread, model::Quality};

    fn found(map: f64, mean_cosine: f64, effective_rank: f64) -> Validation {
        let quality = Quality { map_image_to_text: map, map_text_to_image: map, mean_recall: 10.0 };
        Validation { quality, spread: Spread { mean_cosine, effective_rank } }
    }

    #[test]
    fn models_beyond_the_margin_or_collapsed_get_objections() {
        let of = |validation, live| objections(validation, 5, live, 0.02).len();
        assert_eq!(of(found(0.60, 0.2, 9.0), None), 0);
        assert_eq!(of(found(0.60, 0.2, 9.0), Some(0.61)), 0);
        assert_eq!(of(found(0.60, 0.2, 9.0), Some(0.63)), 1);
        assert_eq!(of(found(0.60, 0.95, 1.2), Some(0.1)), 2);
        assert_eq!(objections(found(0.9, 0.0, 1.1), 2, None, 0.02), Vec::<String>::new(), "two classes back to back");
    }
}
