//! What does the model learn from?
//!
//! Reads files into records, assigns them to splits, and reports the records that were rejected.

pub mod demo;
mod error;
mod formats;
mod image;
mod limits;
mod reader;
mod record;
mod split;

pub use self::image::{
    Decoded, Header, PictureError, PictureFormat, PictureLimits, decode, inspect, read_file, thumbnail,
};
pub use error::DatasetError;
pub use formats::{Matrix, PrecomputedFeatures};
pub use limits::Limits;
pub use reader::{Reader, read, read_with};
pub use record::{Origin, Record, Rejection};
pub use split::{Split, SplitFractions, SplitMember, assign_splits};
