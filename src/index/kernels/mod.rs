//! How similar are rows of numbers, computed with the processor's vector instructions?
//!
//! Rows are padded with zeros to whole cache lines, so no kernel has a tail. All functions sum f32 products in the same
//! order, for one pair, gathered rows or a block: on one machine a graph and a scan, a query alone and one of a batch
//! give the same score to the last bit. Loads use intrinsics that are bare instructions in every build; the plain ones
//! go through `read_unaligned`, which builds with debug assertions check each time.

mod codes;
mod floats;
mod rows;

pub(super) use codes::code_dots;
pub(super) use floats::{dot, dots, products};
pub(super) use rows::{LINE, Rows, prefetch};
