//! From the owner's files to records: what was found, in which split, and what was wrong with the rest.

pub mod decode;
pub mod demo;
mod error;
mod features;
mod jsonl;
mod limits;
mod naming;
mod read;
mod record;
mod split;
mod table;
mod thumbnail;
mod tree;

pub use decode::{Decoded, PictureError, PictureFormat, PictureLimits, decode, inspect, read_file};
pub use error::DatasetError;
pub use features::{GivenFeatures, Rows};
pub use jsonl::kind as json_kind;
pub use limits::Limits;
pub use read::{Reader, read, read_with};
pub use record::{Origin, Record, Rejection};
pub use split::{Split, SplitFractions, SplitMember, assign_splits};
pub use thumbnail::thumbnail;
