//! How good is a model?
//!
//! Functions from embeddings and ground truth to metrics, and from metrics to a report. They know neither the model nor
//! the collection.

mod bootstrap;
mod calibration;
mod collapse;
mod curves;
mod diagnostics;
mod html_report;
mod label_issues;
mod report;
mod retrieval_metrics;
mod sampling;
mod tsne;

pub use bootstrap::bootstrap_interval;
pub use calibration::{Logistic, ReliabilityBin, expected_calibration_error, reliability_bins};
pub use collapse::Spread;
pub use curves::{Curves, PrecisionAtRecall, Reliability};
pub use diagnostics::{Diagnostics, EntryRef, Mismatch, ProjectedEntry, RankedEntry, TrainingCurve, WorstQuery};
pub use html_report::{EntryCard, HtmlReport, MAX_LISTED, render};
pub use label_issues::{LabelIssue, find_label_issues};
pub use report::{ClassPrecision, Direction, Recall, Report};
pub use retrieval_metrics::{
    RECALL_LEVELS, RetrievalMetrics, average_precision, chance_average_precision, evaluate_retrieval, rank_of_first,
};
pub use sampling::evenly_spaced;
pub use tsne::tsne;
