//! Counts the labels of results.

use std::collections::BTreeMap;

use super::retrieve::Candidate;
use crate::{catalog::Catalog, engine::error::EngineError};

/// Labels with the number of candidates whose item has them.
pub(super) async fn count_labels(
    catalog: &Catalog,
    candidates: &[Candidate],
) -> Result<BTreeMap<String, usize>, EngineError> {
    let items: Vec<i64> = candidates.iter().map(|candidate| candidate.item).collect();
    let labels = catalog.labels_by_item(&items).await?;
    let mut counts = BTreeMap::new();
    for label in items.iter().filter_map(|item| labels.get(item)).flatten() {
        *counts.entry(label.clone()).or_insert(0) += 1;
    }
    Ok(counts)
}
