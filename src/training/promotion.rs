//! The gate between training and answering: a new model answers only if it is no worse than the one that does, and if its
//! space has not collapsed. Judged on the validation split; the test split decides nothing.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::{
    catalog::ModelRecord,
    collection::{Collection, CollectionError, blocking},
    model::{Model, TrainingData, Validation, validate},
    training::train::Learned,
};

/// Points of mAP that a new model may be worse than the live one by default: what one seed differs from another.
pub const DEFAULT_MARGIN: f64 = 0.02;

/// Mean cosine of two pictures above which everything looks like everything.
const MOST_ALIKE: f64 = 0.9;

/// Directions below which a space of more than two classes has collapsed. Two classes may lie on one line, back to back.
const FEWEST_DIRECTIONS: f64 = 1.5;

/// How strict the gate is.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PromotionPolicy {
    /// Points of validation mAP, in [0, 1], that a new model may be worse than the live one.
    pub margin: f64,
    /// Lets every model through; the verdict still says what was wrong with it.
    pub force: bool,
}

impl Default for PromotionPolicy {
    fn default() -> Self {
        Self { margin: DEFAULT_MARGIN, force: false }
    }
}

/// What the gate found of a model.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PromotionDecision {
    /// The model on the validation split.
    pub validation: Validation,
    /// The model that answered when it was judged.
    pub live: Option<String>,
    /// Validation mAP of that model: on the same pictures where it has the same split, else as it was when it was trained.
    pub live_map: Option<f64>,
    /// What speaks against the model; nothing if it may answer.
    pub objections: Vec<String>,
    /// Whether it answers from now on.
    pub promoted: bool,
}

/// Judges a model that was learned from `data` against the one that answers now.
pub(crate) async fn judge(
    collection: &Collection,
    learned: &Learned,
    data: Arc<TrainingData>,
    gate: PromotionPolicy,
) -> Result<PromotionDecision, CollectionError> {
    let live = collection.catalog.active_model().await?;
    let Learned { model, validation, .. } = learned;
    let same_split = live.as_ref().filter(|live| live.settings["seed"] == serde_json::json!(model.settings().seed));
    let folder = same_split.map(|live| collection.data_dir.model(&live.version));
    // A live model that can no longer be read, or reads other features, was measured when it was trained.
    let measured = blocking(move || {
        let live = folder.and_then(|folder| Model::load(&folder).ok()).and_then(|live| validate(&live, &data).ok());
        live.map(|live| live.quality.map())
    })
    .await?;
    let live_map = measured.or_else(|| live.as_ref().and_then(recorded));
    let objections = objections(*validation, model.classes().len(), live_map, gate.margin);
    let promoted = objections.is_empty() || gate.force;
    Ok(PromotionDecision {
        validation: *validation,
        live: live.map(|live| live.version),
        live_map,
        objections,
        promoted,
    })
}

/// What was measured of a model when it was trained.
fn recorded(record: &ModelRecord) -> Option<f64> {
    let verdict: PromotionDecision = serde_json::from_value(record.promotion.clone()).ok()?;
    Some(verdict.validation.quality.map())
}

fn objections(found: Validation, classes: usize, live: Option<f64>, margin: f64) -> Vec<String> {
    let mut objections = Vec::new();
    let map = found.quality.map();
    if let Some(live) = live.filter(|live| map < live - margin) {
        objections.push(format!(
            "its validation mAP {map:.3} is more than {margin} below the {live:.3} of the model that answers"
        ));
    }
    let (alike, directions) = (found.spread.mean_cosine, found.spread.effective_rank);
    if alike > MOST_ALIKE {
        objections.push(format!(
            "its space has collapsed: two pictures have a mean cosine of {alike:.3}, allowed are {MOST_ALIKE} at most"
        ));
    }
    if directions < FEWEST_DIRECTIONS && classes > 2 {
        objections.push(format!(
            "its space has collapsed: pictures use {directions:.2} directions, needed are {FEWEST_DIRECTIONS}"
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
    fn worse_than_the_margin_or_collapsed_is_objected_to() {
        let of = |validation, live| objections(validation, 5, live, 0.02).len();
        assert_eq!(of(found(0.60, 0.2, 9.0), None), 0);
        assert_eq!(of(found(0.60, 0.2, 9.0), Some(0.61)), 0);
        assert_eq!(of(found(0.60, 0.2, 9.0), Some(0.63)), 1);
        assert_eq!(of(found(0.60, 0.95, 1.2), Some(0.1)), 2);
        assert_eq!(objections(found(0.9, 0.0, 1.1), 2, None, 0.02), Vec::<String>::new(), "two classes back to back");
    }
}
