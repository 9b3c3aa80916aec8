//! The weight of the class head relative to the pair head.

use crate::model::evaluate::split_embeddings::SplitEmbeddings;

/// Candidate weights of the class head, largest first.
const WEIGHT_GRID: [f64; 17] =
    [0.9, 0.85, 0.8, 0.75, 0.7, 0.65, 0.6, 0.55, 0.5, 0.45, 0.4, 0.35, 0.3, 0.25, 0.2, 0.15, 0.1];

/// Weight of the class head in [0, 1], chosen on the validation split: the one with the best mR among those that retain
/// at least `min_class_map_ratio` of the class head's mAP. It is 1 if no weight of the pair head improves mR under that
/// constraint.
pub(crate) fn select_weight(class: &SplitEmbeddings<'_>, pair: &SplitEmbeddings<'_>, min_class_map_ratio: f64) -> f64 {
    let class_alone = class.quality();
    let mut best = (1.0, class_alone.mean_recall);
    for weight in WEIGHT_GRID {
        let combined = class.concat(pair, weight).quality();
        let keeps_classes = combined.mean_map() >= min_class_map_ratio * class_alone.mean_map();
        if keeps_classes && combined.mean_recall > best.1 {
            best = (weight, combined.mean_recall);
        }
    }
    best.0
}
