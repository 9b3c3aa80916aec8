//! How good is it? Pure functions from points and relevance to numbers; nothing here knows where they come from.

mod calibration;
mod ranking;
mod report;

pub use calibration::{Logistic, expected_calibration_error};
pub use ranking::{Retrieval, average_precision, chance_average_precision, rank_of_first, retrieve};
pub use report::{ClassPrecision, Direction, Recall, Report};
