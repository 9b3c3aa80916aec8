//! Responses with labels and their counts.

use serde::Serialize;
use utoipa::ToSchema;

use super::search::FacetCounts;

/// Labels of the collection.
#[derive(Serialize, ToSchema)]
pub(crate) struct LabelList {
    /// Most frequent first.
    pub(crate) labels: Vec<LabelCount>,
}

/// A label with the number of its items.
#[derive(Serialize, ToSchema)]
pub(crate) struct LabelCount {
    pub(crate) label: String,
    /// Items that have the label.
    pub(crate) count: i64,
}

/// Counts of items.
#[derive(Serialize, ToSchema)]
pub(crate) struct FacetsResponse {
    pub(crate) facets: FacetCounts,
}
