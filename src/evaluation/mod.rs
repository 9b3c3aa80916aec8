//! How good is it? Pure functions from points and relevance to numbers, and from numbers to a page; nothing here knows where
//! they come from.

mod bootstrap;
mod calibration;
mod collapse;
mod curves;
mod diagnostics;
mod html_report;
mod label_issues;
mod report;
mod retrieval_metrics;
mod tsne;

pub use bootstrap::bootstrap_interval;
pub use calibration::{Logistic, ReliabilityBin, expected_calibration_error, reliability};
pub use collapse::Spread;
pub use curves::{Curves, PrecisionAtRecall, Reliability};
pub use diagnostics::{Examination, Found, MapPoint, Mismatch, Place, TrainingCurve, WorstQuery};
pub use html_report::{LISTED, Page, Shown, page};
pub use label_issues::{Suspect, suspects};
pub use report::{ClassPrecision, Direction, Recall, Report};
pub use retrieval_metrics::{
    RECALL_LEVELS, Retrieval, average_precision, chance_average_precision, rank_of_first, retrieve,
};
pub use tsne::layout;

/// Some of many, `most` at most, at equal distances.
pub fn spread_out<T>(all: &[T], most: usize) -> impl Iterator<Item = &T> {
    all.iter().step_by(all.len().div_ceil(most.max(1)).max(1))
}
