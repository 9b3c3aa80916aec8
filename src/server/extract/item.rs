//! Requests that create, change and delete items.

use axum::{
    body::Bytes,
    extract::{FromRequest, Request},
};
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::{Map, Value};
use utoipa::ToSchema;

use super::{
    body::{is_json, media_type, read_body},
    filter::FilterRequest,
    json::{Object, from_slice, object_from_slice},
    multipart::read_form,
    term::decode_base64,
};
use crate::{
    engine::{ItemChange, ItemDraft},
    server::error::{ApiResult, Code, Problem},
};

/// An item without its image.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({
    "id": "img-42", "captions": ["A bird on a branch."], "labels": ["bird"], "meta": {"year": 1990}
}))]
pub(crate) struct ItemRequest {
    /// Id that the owner chooses. Without one, the service makes one.
    #[schema(min_length = 1, max_length = 1024)]
    pub(crate) id: Option<String>,
    /// Sentences that describe the image. An item has an image or a caption, or both.
    #[serde(default)]
    #[schema(max_items = 100)]
    captions: Vec<String>,
    #[serde(default)]
    #[schema(max_items = 100)]
    labels: Vec<String>,
    /// Fields that the owner chooses.
    #[serde(default)]
    #[schema(value_type = Object)]
    meta: Map<String, Value>,
}

/// Changes of an item. Fields that are left out stay as they are.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"labels": ["bird", "tree"], "meta": {"year": null}}))]
pub(crate) struct ItemPatch {
    /// Replaces all captions.
    #[schema(max_items = 100)]
    captions: Option<Vec<String>>,
    /// Replaces all labels.
    #[schema(max_items = 100)]
    labels: Option<Vec<String>>,
    /// Fields of `meta` to set; null removes a field (RFC 7396).
    #[serde(default)]
    #[schema(value_type = Object)]
    meta: Map<String, Value>,
}

/// A line of a batch: an item with its image in base64.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct BatchItem {
    id: Option<String>,
    #[serde(default)]
    captions: Vec<String>,
    #[serde(default)]
    labels: Vec<String>,
    #[serde(default)]
    meta: Map<String, Value>,
    image_base64: Option<String>,
}

/// A form with an item and its image.
#[derive(Debug, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ItemForm<T> {
    /// The image's file.
    #[schema(value_type = Option<String>, format = Binary, nullable = false)]
    pub(crate) image: Option<Bytes>,
    #[schema(nullable = false)]
    pub(crate) item: Option<T>,
}

/// Which items to delete: either by their ids or by a filter.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"ids": ["img-42", "img-43"], "dry_run": true}))]
pub(crate) struct DeleteRequest {
    #[schema(max_items = 1000)]
    pub(crate) ids: Option<Vec<String>>,
    #[schema(value_type = Option<FilterRequest>)]
    pub(crate) filter: Option<Object<FilterRequest>>,
    /// Counts the items without deleting them.
    #[serde(default)]
    pub(crate) dry_run: bool,
}

/// Reads a form, or JSON, which is an item without an image.
impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for ItemForm<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, _: &S) -> ApiResult<Self> {
        let media_type = media_type(&request);
        if is_json(&media_type) {
            let item = object_from_slice(&read_body(request).await?)?;
            return Ok(Self { image: None, item: Some(item) });
        }
        if media_type != "multipart/form-data" {
            let detail = "this route accepts multipart/form-data with a file \"image\" and a field \"item\" (JSON), or \
                          application/json with the item alone";
            return Err(Problem::new(Code::UnsupportedMediaType, detail));
        }
        let [image, item] = read_form(request, ["image", "item"]).await?;
        let item = item.map(|item| from_slice::<Option<Object<T>>>(&item)).transpose()?;
        Ok(Self { image, item: item.flatten().map(Object::into_inner) })
    }
}

impl From<ItemForm<ItemRequest>> for ItemDraft {
    fn from(ItemForm { image, item }: ItemForm<ItemRequest>) -> Self {
        let ItemRequest { id, captions, labels, meta } = item.unwrap_or_default();
        Self { id, image: image.map(|image| image.to_vec()), captions, labels, meta }
    }
}

impl From<ItemForm<ItemPatch>> for ItemChange {
    fn from(ItemForm { image, item }: ItemForm<ItemPatch>) -> Self {
        let ItemPatch { captions, labels, meta } = item.unwrap_or_default();
        Self { image: image.map(|image| image.to_vec()), captions, labels, meta }
    }
}

/// Reads a line of a batch.
pub(crate) fn batch_item(line: &str) -> ApiResult<ItemDraft> {
    let BatchItem { id, captions, labels, meta, image_base64 } = object_from_slice(line.as_bytes())?;
    let image = image_base64.map(|image| decode_base64(&image, "/image_base64")).transpose()?;
    Ok(ItemDraft { id, image, captions, labels, meta })
}
