//! From the owner's files to records: what was found, in which split, and what was wrong with the rest.

mod record;
mod split;

pub use record::{Origin, Record, Rejection};
pub use split::Split;
