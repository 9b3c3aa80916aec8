//! An item.

use serde::Serialize;
use serde_json::{Map, Value};
use utoipa::ToSchema;

use crate::{catalog::Item, collection::THUMBNAIL_SIDE};

/// What results and items have in common.
#[derive(Serialize, ToSchema)]
pub(super) struct ItemFields {
    id: String,
    /// Its classes, in alphabetical order.
    labels: Vec<String>,
    captions: Vec<String>,
    /// Whatever else its owner said of it.
    #[schema(value_type = Object)]
    meta: Map<String, Value>,
    /// Of its picture, upright, in pixels.
    width: Option<i64>,
    /// Of its picture, upright, in pixels.
    height: Option<i64>,
    /// Null if it has no picture.
    image_url: Option<String>,
    /// Null if it has no picture.
    thumbnail_url: Option<String>,
}

impl From<Item> for ItemFields {
    fn from(item: Item) -> Self {
        let path = item.image_path.as_ref().map(|_| item_path(&item.id));
        let version = content_name(&item);
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

/// An item.
#[derive(Serialize, ToSchema)]
pub(crate) struct ItemView {
    #[serde(flatten)]
    fields: ItemFields,
    /// What named it: a file and its line, or a request.
    source: String,
    /// Why its picture can no longer be read.
    image_error: Option<String>,
    /// Whether the next query finds it; said of items that a request has just made or changed.
    #[serde(skip_serializing_if = "Option::is_none")]
    searchable: Option<bool>,
}

impl ItemView {
    pub(crate) fn of(mut item: Item, searchable: Option<bool>) -> Self {
        let (source, image_error) = (std::mem::take(&mut item.source), item.image_error.take());
        Self { fields: ItemFields::from(item), source, image_error, searchable }
    }
}

/// Items in the order in which they came.
#[derive(Serialize, ToSchema)]
pub(crate) struct ItemList {
    pub(crate) items: Vec<ItemView>,
    /// Leads to the next page; null on the last.
    pub(crate) next_cursor: Option<String>,
}

/// What the content of an item's picture is called: the first half of its hash.
pub(crate) fn content_name(item: &Item) -> String {
    item.content_hash.iter().flatten().take(16).map(|b| format!("{b:02x}")).collect()
}

/// Where an item is found.
pub(crate) fn item_path(id: &str) -> String {
    format!("/v1/items/{}", encode_segment(id))
}

/// An id as one segment of a path: everything but RFC 3986's unreserved characters is percent-encoded.
fn encode_segment(id: &str) -> String {
    let mut segment = String::with_capacity(id.len());
    for byte in id.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            segment.push(char::from(byte));
        } else {
            segment.push_str(&format!("%{byte:02X}"));
        }
    }
    segment
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_one_segment_whatever_it_holds() {
        assert_eq!(encode_segment("birds/ä b?.png"), "birds%2F%C3%A4%20b%3F.png");
        assert_eq!(encode_segment("a-b_c.d~e"), "a-b_c.d~e");
    }
}
