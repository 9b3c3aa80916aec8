//! Items as clients post them.

use serde_json::{Map, Value};

use crate::{
    catalog::Item,
    dataset::{self, PictureLimits},
    engine::error::EngineError,
};

/// Limits of an item.
const MAX_CAPTIONS: usize = 100;
const MAX_LABELS: usize = 100;
const MAX_LABEL_CHARS: usize = 200;
const MAX_ID_CHARS: usize = 1024;

/// Ids that are path segments of other routes.
const RESERVED: [&str; 4] = ["batch", "delete", ".", ".."];

/// An item to be created. It has a picture, a caption, or both.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ItemDraft {
    /// Its id; generated if absent.
    pub id: Option<String>,
    /// The bytes of its picture's file.
    pub image: Option<Vec<u8>>,
    /// Its captions.
    pub captions: Vec<String>,
    /// Its classes.
    pub labels: Vec<String>,
    /// Arbitrary metadata.
    pub meta: Map<String, Value>,
}

/// A change of an item. Fields that are `None` are left unchanged.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ItemChange {
    /// The bytes of the new picture's file.
    pub image: Option<Vec<u8>>,
    /// The new captions, which replace all present ones.
    pub captions: Option<Vec<String>>,
    /// The new labels, which replace all present ones.
    pub labels: Option<Vec<String>>,
    /// A merge patch (RFC 7396): null removes a field of `meta`, absent fields are left unchanged.
    pub meta: Map<String, Value>,
}

impl ItemChange {
    /// The whole item after the change.
    pub(super) fn apply_to(self, item: &Item) -> ItemDraft {
        let Self { image, captions, labels, meta: patch } = self;
        let mut meta = item.meta.clone();
        merge(&mut meta, patch);
        ItemDraft {
            id: Some(item.id.clone()),
            image,
            captions: captions.unwrap_or_else(|| item.captions.iter().map(|caption| caption.text.clone()).collect()),
            labels: labels.unwrap_or_else(|| item.labels.clone()),
            meta,
        }
    }
}

impl ItemDraft {
    /// Trims texts and checks the limits. `before` is the item that is changed, if there is one.
    pub(super) fn check(
        self,
        before: Option<&Item>,
        text_chars: usize,
        limits: &PictureLimits,
    ) -> Result<Self, EngineError> {
        let refuse = |field: &str, reason: String| Err(EngineError::BadItem { field: field.to_owned(), reason });
        let trimmed = |texts: Vec<String>| -> Vec<String> {
            texts.iter().map(|text| text.trim().to_owned()).filter(|text| !text.is_empty()).collect()
        };
        let Self { id, image, captions, labels, meta } = self;
        for (field, count, max) in [("captions", captions.len(), MAX_CAPTIONS), ("labels", labels.len(), MAX_LABELS)] {
            if count > max {
                return refuse(field, format!("there are {count}; the maximum is {max}"));
            }
        }
        let (captions, labels) = (trimmed(captions), trimmed(labels));
        let keeps_picture = before.is_some_and(|item| item.content_hash.is_some());
        if image.is_none() && !keeps_picture && captions.is_empty() {
            return refuse("captions", "an item has a picture, a caption or both; this one has neither".into());
        }
        if let Some(id) = &id
            && (id.is_empty() || id.chars().count() > MAX_ID_CHARS || id.chars().any(char::is_control))
        {
            return refuse("id", format!("it has 1 to {MAX_ID_CHARS} characters, none of them a control character"));
        }
        if let Some(id) = id.as_deref().filter(|id| before.is_none() && RESERVED.contains(id)) {
            return refuse("id", format!("{id:?} is part of an address of the service; choose another"));
        }
        if let Some(at) = captions.iter().position(|caption| caption.chars().count() > text_chars) {
            return refuse(
                &format!("captions/{at}"),
                format!("it is too long; the maximum is {text_chars} characters"),
            );
        }
        if let Some(at) = labels.iter().position(|label| label.chars().count() > MAX_LABEL_CHARS) {
            return refuse(
                &format!("labels/{at}"),
                format!("it is too long; the maximum is {MAX_LABEL_CHARS} characters"),
            );
        }
        if let Some(image) = &image {
            // Most invalid pictures are detected by their header, without using a slot in the encoder's queue.
            dataset::inspect(image, limits)?;
        }
        Ok(Self { id, image, captions, labels, meta })
    }
}

/// Merges a patch into an object (RFC 7396): null removes a field, objects are merged, anything else replaces.
fn merge(object: &mut Map<String, Value>, patch: Map<String, Value>) {
    for (name, value) in patch {
        match value {
            Value::Null => {
                object.remove(&name);
            }
            Value::Object(patch) => {
                let field = object.entry(name).or_insert_with(|| Value::Object(Map::new()));
                if !field.is_object() {
                    *field = Value::Object(Map::new());
                }
                if let Value::Object(field) = field {
                    merge(field, patch);
                }
            }
            value => {
                object.insert(name, value);
            }
        }
    }
}
