//! Responses with items.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Serialize;
use serde_json::{Map, Value};
use utoipa::ToSchema;

use crate::{
    catalog::{self, Item},
    collection::THUMBNAIL_SIDE,
    util::hex,
};

/// Characters that are percent-encoded in a segment of a path: all but the unreserved ones of RFC 3986.
const RESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// What items and results have in common.
#[derive(Serialize, ToSchema)]
pub(crate) struct ItemFields {
    id: String,
    /// In alphabetical order.
    labels: Vec<String>,
    captions: Vec<String>,
    /// Fields that the owner chose.
    #[schema(value_type = Object)]
    meta: Map<String, Value>,
    /// Width of the upright image, in pixels.
    width: Option<i64>,
    /// Height of the upright image, in pixels.
    height: Option<i64>,
    /// Null if the item has no image.
    image_url: Option<String>,
    /// Null if the item has no image.
    thumbnail_url: Option<String>,
}

/// An item.
#[derive(Serialize, ToSchema)]
pub(crate) struct ItemResponse {
    #[serde(flatten)]
    fields: ItemFields,
    /// Where the item came from: a file and its line, or a request.
    source: String,
    /// Why the image can no longer be read.
    image_error: Option<String>,
    /// Whether the next search finds the item; only in responses to requests that create or change it.
    #[serde(skip_serializing_if = "Option::is_none")]
    searchable: Option<bool>,
}

/// A page of items, oldest first.
#[derive(Serialize, ToSchema)]
pub(crate) struct ItemList {
    pub(crate) items: Vec<ItemResponse>,
    /// Fetches the next page; null on the last page.
    pub(crate) next_cursor: Option<String>,
}

/// Outcome of a batch.
#[derive(Serialize, ToSchema)]
pub(crate) struct BatchResponse {
    /// Items that were created or replaced.
    pub(crate) taken: usize,
    /// Lines that were refused.
    pub(crate) refused: usize,
    /// In the order of the lines.
    pub(crate) items: Vec<LineResult>,
}

/// Outcome of a line of a batch.
#[derive(Serialize, ToSchema)]
pub(crate) struct LineResult {
    /// From 1.
    pub(crate) line: usize,
    /// Status that a request with this item alone would have: 201, 200, or that of an error.
    pub(crate) status: u16,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) error: Option<LineError>,
}

/// Why a line was refused.
#[derive(Serialize, ToSchema)]
pub(crate) struct LineError {
    pub(crate) code: String,
    pub(crate) detail: String,
}

/// Outcome of a deletion.
#[derive(Serialize, ToSchema)]
pub(crate) struct DeleteResponse {
    pub(crate) matched: u64,
    pub(crate) deleted: u64,
    pub(crate) dry_run: bool,
}

impl From<Item> for ItemFields {
    fn from(item: Item) -> Self {
        let path = item.image_path.as_ref().map(|_| item_path(&item.id));
        let version = content_version(&item);
        Self {
            image_url: path.as_ref().map(|p| format!("{p}/image?v={version}")),
            thumbnail_url: path.as_ref().map(|p| format!("{p}/thumbnail?w={THUMBNAIL_SIDE}&v={version}")),
            id: item.id,
            labels: item.labels,
            captions: item.captions.into_iter().map(|caption| caption.text).collect(),
            meta: item.meta,
            width: item.width,
            height: item.height,
        }
    }
}

impl ItemResponse {
    pub(crate) fn new(mut item: Item, searchable: Option<bool>) -> Self {
        let (source, image_error) = (std::mem::take(&mut item.source), item.image_error.take());
        Self { fields: ItemFields::from(item), source, image_error, searchable }
    }
}

/// Version of an item's image: the first half of its hash.
pub(crate) fn content_version(item: &Item) -> String {
    item.content_hash.as_deref().map(|hash| hex::encode(&hash[..hash.len().min(16)])).unwrap_or_default()
}

/// Path of an item.
pub(crate) fn item_path(id: &str) -> String {
    format!("/v1/items/{}", utf8_percent_encode(id, RESERVED))
}

/// ETag of an item, for `If-Match` and `If-None-Match`.
pub(crate) fn etag(item: &Item) -> String {
    format!("\"{}\"", catalog::etag(&item.record_hash))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_one_segment_of_a_path() {
        assert_eq!(item_path("birds/ä b?.png"), "/v1/items/birds%2F%C3%A4%20b%3F.png");
        assert_eq!(item_path("a-b_c.d~e"), "/v1/items/a-b_c.d~e");
    }
}
