//! Encodes a draft into a row of the catalog with its features.

use std::path::Path;

use rand::RngExt;
use serde_json::Value;

use crate::{
    catalog::{Item, NewFeatures, NewImage, NewItem, WriteCondition},
    collection::{DataDir, encode_one},
    dataset::{self, PictureLimits},
    encoders::{ImageEncoder, TextEncoder},
    engine::{EngineError, ItemDraft},
    training::new_picture,
    util::fs::write_atomic,
};

/// An encoded item that is ready to be written.
pub(super) struct PendingItem {
    pub(super) item: NewItem,
    pub(super) features: NewFeatures,
    /// The bytes of its picture's file, if the request has one.
    pub(super) image: Option<Vec<u8>>,
    /// What happens if its id exists.
    pub(super) put: WriteCondition,
}

/// Dependencies of encoding.
#[derive(Clone, Copy)]
pub(super) struct Encoding<'a> {
    pub(super) image_encoder: &'a dyn ImageEncoder,
    pub(super) text_encoder: &'a dyn TextEncoder,
    pub(super) data_dir: &'a DataDir,
    pub(super) limits: &'a PictureLimits,
}

/// Stores and encodes the picture of a checked draft, encodes its captions, and builds its row. `before` is the item
/// that is changed, if there is one.
pub(super) fn encode_draft(
    draft: ItemDraft,
    before: Option<&Item>,
    put: WriteCondition,
    encoding: Encoding<'_>,
) -> Result<PendingItem, EngineError> {
    let Encoding { image_encoder, text_encoder, data_dir, limits } = encoding;
    let mut features = NewFeatures {
        image_encoder: image_encoder.id().to_owned(),
        text_encoder: text_encoder.id().to_owned(),
        ..NewFeatures::default()
    };
    let mut picture = before.and_then(stored_picture);
    if let Some(bytes) = &draft.image {
        let hash = blake3::hash(bytes);
        let decoded = dataset::decode(bytes, limits)?;
        let path = data_dir.upload(hash.as_bytes(), decoded.format.ending());
        if !path.exists() {
            write_atomic(&path, bytes).map_err(save_failed(&path))?;
        }
        let stored = new_picture(data_dir, &path, &hash, &decoded);
        picture = Some(stored.map_err(EngineError::io("cannot store a thumbnail of", &path))?);
        features.image = Some((*hash.as_bytes(), encode_one(image_encoder, decoded.picture)?));
    }
    let captions: Vec<&str> = draft.captions.iter().map(String::as_str).collect();
    let hashes = captions.iter().map(|caption| *blake3::hash(caption.as_bytes()).as_bytes());
    features.texts = hashes.zip(text_encoder.encode(&captions)?).collect();
    let (item, image) = build_item(draft, before, picture);
    Ok(PendingItem { item, features, image, put })
}

fn build_item(draft: ItemDraft, before: Option<&Item>, picture: Option<NewImage>) -> (NewItem, Option<Vec<u8>>) {
    let ItemDraft { id, image, captions, labels, meta } = draft;
    let id = id.unwrap_or_else(|| format!("item-{:016x}", rand::rng().random::<u64>()));
    let content = picture.as_ref().map(|picture| picture.content_hash);
    let record = serde_json::json!({
        "id": id, "captions": captions, "labels": labels, "meta": meta, "content": content,
    });
    let item = NewItem {
        id,
        image: picture,
        captions,
        labels,
        meta: Value::Object(meta).to_string(),
        source: before.map_or_else(|| "posted to the service".to_owned(), |item| item.source.clone()),
        record_hash: *blake3::hash(record.to_string().as_bytes()).as_bytes(),
        ..NewItem::default()
    };
    (item, image)
}

/// The present picture of an item, for a row that does not change it.
fn stored_picture(item: &Item) -> Option<NewImage> {
    let side = |length: Option<i64>| length.and_then(|length| u32::try_from(length).ok());
    Some(NewImage {
        content_hash: item.content_hash.as_deref()?.try_into().ok()?,
        path: item.image_path.clone()?,
        mime: item.image_mime.clone()?.into(),
        width: side(item.width)?,
        height: side(item.height)?,
    })
}

/// For `map_err`: a picture's file could not be written.
pub(super) fn save_failed(picture: &Path) -> impl FnOnce(std::io::Error) -> EngineError + use<> {
    EngineError::io("a picture could not be stored:", picture)
}
