//! How good is it? Pure functions from points and relevance to numbers, and from numbers to a page; nothing here knows where
//! they come from.

mod calibration;
mod curves;
mod examination;
mod interval;
mod layout;
mod page;
mod ranking;
mod report;
mod spread;
mod suspects;

pub use calibration::{Logistic, ReliabilityBin, expected_calibration_error, reliability};
pub use curves::{Curves, PrecisionAtRecall, Reliability};
pub use examination::{Examination, Found, MapPoint, Mismatch, Place, TrainingCurve, WorstQuery};
pub use interval::bootstrap_interval;
pub use layout::layout;
pub use page::{LISTED, Page, Shown, page};
pub use ranking::{RECALL_LEVELS, Retrieval, average_precision, chance_average_precision, rank_of_first, retrieve};
pub use report::{ClassPrecision, Direction, Recall, Report};
pub use spread::Spread;
pub use suspects::{Suspect, suspects};

/// Some of many, `most` at most, at equal distances.
pub fn spread_out<T>(all: &[T], most: usize) -> impl Iterator<Item = &T> {
    all.iter().step_by(all.len().div_ceil(most.max(1)).max(1))
}
