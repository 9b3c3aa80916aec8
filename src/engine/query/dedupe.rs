//! Removes candidates that are not results: duplicates of a better one, deleted ones, and the query itself.

use std::collections::HashSet;

use super::{item_cache::ItemCache, request::Kind, retrieve::Candidate};
use crate::{catalog::Watermark, engine::error::EngineError};

/// Removes captions whose text occurs earlier, deleted entries, and the item that is the query. Sets the item of each
/// caption. Returns the number of deleted entries.
///
/// It does not load the items themselves, since most candidates are on pages that are never requested. `applied` is the
/// watermark up to which the index had applied the catalog's changes before it was searched.
pub(super) async fn dedupe(
    items: &ItemCache,
    candidates: &mut Vec<Candidate>,
    applied: Watermark,
    own_item: Option<i64>,
) -> Result<usize, EngineError> {
    let keys = |kind| -> Vec<i64> { candidates.iter().filter(|c| c.kind == kind).map(|c| c.key).collect() };
    let pictures = keys(Kind::Image);
    // An index that is up to date has no deleted pictures.
    let gone = if pictures.is_empty() || items.latest_watermark().await? <= applied {
        HashSet::new()
    } else {
        items.catalog().keys_without_image(&pictures).await?
    };
    let captions = items.catalog().captions_by_key(&keys(Kind::Text)).await?;
    let mut seen = HashSet::new();
    let mut deleted = 0;
    candidates.retain_mut(|candidate| {
        let (item, first) = match candidate.kind {
            Kind::Image => (Some(candidate.key).filter(|key| !gone.contains(key)), true),
            Kind::Text => match captions.get(&candidate.key) {
                Some(caption) => (Some(caption.item), seen.insert(caption.text.as_str())),
                None => (None, false),
            },
        };
        let Some(item) = item else {
            deleted += 1;
            return false;
        };
        candidate.item = item;
        first && Some(item) != own_item
    });
    Ok(deleted)
}
