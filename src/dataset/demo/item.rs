//! An item of the demo collection as a record.

use std::path::PathBuf;

use serde_json::Value;

use crate::dataset::{Origin, Record};

/// An item of the demo collection.
pub(super) struct Item<'a> {
    pub(super) id: String,
    pub(super) image: PathBuf,
    pub(super) captions: Vec<String>,
    pub(super) label: &'a str,
    /// Name of the source, stored as `meta.collection`.
    pub(super) source: &'static str,
    /// Stored as `meta.author`.
    pub(super) author: Option<String>,
}

impl From<Item<'_>> for Record {
    fn from(item: Item<'_>) -> Self {
        let mut meta = serde_json::Map::new();
        meta.insert("collection".into(), Value::from(item.source));
        if let Some(author) = item.author {
            meta.insert("author".into(), Value::from(author));
        }
        Self {
            id: item.id,
            origin: Origin { file: item.image.clone(), line: None },
            image: Some(item.image),
            captions: item.captions,
            labels: vec![item.label.to_owned()],
            meta,
            ..Self::default()
        }
    }
}
