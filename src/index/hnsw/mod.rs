//! Which vectors are nearest to a query, without comparing all of them?
//!
//! Hierarchical Navigable Small World graphs (Malkov & Yashunin 2016): built by `hnsw_rs`, then flattened, refined and
//! searched here.

mod build;
mod duplicates;
mod graph_index;
mod refine;
mod repair;
mod search;

pub(in crate::index) mod links;
pub(in crate::index) mod scalar_quantization;

pub use graph_index::GraphIndex;
