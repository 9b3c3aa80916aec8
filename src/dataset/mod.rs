//! From the owner's files to records: what was found, in which split, and what was wrong with the rest.

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
pub use formats::{Matrix, PrecomputedFeatures, json_kind};
pub use limits::Limits;
pub use reader::{Reader, read, read_with};
pub use record::{Origin, Record, Rejection};
pub use split::{Split, SplitFractions, SplitMember, assign_splits};
