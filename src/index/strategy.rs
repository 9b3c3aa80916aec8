//! How a search finds its hits.

use serde::Serialize;
use utoipa::ToSchema;

/// How the index was searched.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, ToSchema)]
pub enum Strategy {
    /// Every point that passes the filter was compared with the query.
    #[serde(rename = "exact")]
    Exact,
    /// A graph was searched; a near point may be missed.
    #[serde(rename = "graph")]
    Graph,
    /// A graph was searched, and every point added after it was built was compared with the query.
    #[serde(rename = "graph+delta")]
    GraphAndDelta,
}
