//! An item as it is read and as it is written, and the one list of its columns.
//!
//! A new column costs a migration, a line in [`COLUMNS`], and a field of [`NewItem`], of [`Item`], or of both.

use std::{borrow::Cow, sync::LazyLock};

use sqlx::{
    Arguments, FromRow, Row,
    error::BoxDynError,
    sqlite::{SqliteArguments, SqliteRow},
};

use crate::catalog::{error::CatalogError, values::from_json};

/// An item as it is read.
#[derive(Debug, Clone)]
pub struct Item {
    /// Key in the catalog and in the index of images; never reused.
    pub key: i64,
    /// Its id, chosen by the client or the record.
    pub id: String,
    /// Path of its image.
    pub image_path: Option<String>,
    /// Media type of the image.
    pub image_mime: Option<String>,
    /// blake3 of the image's bytes.
    pub content_hash: Option<Vec<u8>>,
    /// Width of the image in pixels, after rotation.
    pub width: Option<i64>,
    /// Height of the image in pixels, after rotation.
    pub height: Option<i64>,
    /// Why the image can no longer be read.
    pub image_error: Option<String>,
    /// File and line that the item was imported from.
    pub source: String,
    /// Hash of the whole record, the image's content included.
    pub record_hash: Vec<u8>,
    /// Metadata.
    pub meta: serde_json::Map<String, serde_json::Value>,
    /// Captions, in order.
    pub captions: Vec<Caption>,
    /// Labels, in alphabetical order.
    pub labels: Vec<String>,
}

/// A caption of an item.
#[derive(Debug, Clone, PartialEq, Eq, FromRow)]
pub struct Caption {
    /// Key in the catalog and in the index of captions; never reused.
    pub key: i64,
    /// Key of the item that it describes.
    pub item: i64,
    /// Position among the item's captions, from 0.
    pub position: i64,
    /// The text.
    pub text: String,
}

/// An item as it is written.
#[derive(Debug, Clone)]
pub struct NewItem {
    /// Its id, chosen by the client or the record.
    pub id: String,
    /// Its image, if it has one.
    pub image: Option<NewImage>,
    /// Captions, in order.
    pub captions: Vec<String>,
    /// Labels.
    pub labels: Vec<String>,
    /// `train`, `validation` or `test`, if the record names a split.
    pub given_split: Option<&'static str>,
    /// Metadata: a JSON object.
    pub meta: String,
    /// File and line that the item was imported from.
    pub source: String,
    /// Hash of the whole record, the image's content included.
    pub record_hash: [u8; 32],
}

impl Default for NewItem {
    fn default() -> Self {
        Self {
            id: String::new(),
            image: None,
            captions: Vec::new(),
            labels: Vec::new(),
            given_split: None,
            meta: "{}".to_owned(),
            source: String::new(),
            record_hash: [0; 32],
        }
    }
}

/// An image that was read and decoded.
#[derive(Debug, Clone)]
#[cfg_attr(test, derive(Default))]
pub struct NewImage {
    /// blake3 of its bytes.
    pub content_hash: [u8; 32],
    /// Path of its file.
    pub path: String,
    /// Media type of its bytes.
    pub mime: Cow<'static, str>,
    /// Width in pixels, after rotation.
    pub width: u32,
    /// Height in pixels, after rotation.
    pub height: u32,
}

/// Adds a column's value to the arguments of a statement.
type Bind = fn(&mut SqliteArguments, &NewItem) -> Result<(), BoxDynError>;

/// Columns of `items` that a write sets, with the value of each.
const COLUMNS: &[(&str, Bind)] = &[
    ("id", |to, item| to.add(&item.id)),
    ("content_hash", |to, item| to.add(item.image.as_ref().map(|image| image.content_hash.to_vec()))),
    ("image_path", |to, item| to.add(item.image.as_ref().map(|image| &image.path))),
    ("image_mime", |to, item| to.add(item.image.as_ref().map(|image| image.mime.as_ref()))),
    ("width", |to, item| to.add(item.image.as_ref().map(|image| image.width))),
    ("height", |to, item| to.add(item.image.as_ref().map(|image| image.height))),
    ("given_split", |to, item| to.add(item.given_split)),
    ("meta", |to, item| to.add(&item.meta)),
    ("source", |to, item| to.add(&item.source)),
    ("record_hash", |to, item| to.add(item.record_hash.as_slice())),
];

/// Selects the items whose keys are in a JSON list, as [`Item::from_row`] reads them.
///
/// One statement and one row an item, captions and labels included: a row costs more to transfer than to find.
pub(super) static SELECT_BY_KEYS: LazyLock<String> = LazyLock::new(|| {
    format!(
        "select i.key, i.image_error, {columns},
                (select json_group_array(json_array(c.key, c.position, c.text) order by c.position)
                 from captions c where c.item = i.key) as captions,
                (select json_group_array(l.name order by l.name)
                 from item_labels il join labels l on l.key = il.label where il.item = i.key) as labels
         from items i where i.key in (select value from json_each(?))",
        columns = names().map(|name| format!("i.{name}")).collect::<Vec<_>>().join(", ")
    )
});

/// Inserts or replaces a row: its arguments are those of [`arguments`], then the time in Unix milliseconds, then
/// whether a known item keeps what the new one does not specify. Returns the item's key.
pub(super) static UPSERT: LazyLock<String> = LazyLock::new(|| {
    let columns = names().collect::<Vec<_>>().join(", ");
    let places = vec!["?"; COLUMNS.len() + 1].join(", ");
    let replaced = names().filter(|name| !["id", "given_split"].contains(name));
    let replaced = replaced.map(|name| format!("{name} = excluded.{name}")).collect::<Vec<_>>().join(", ");
    let keep = format!("?{}", COLUMNS.len() + 2);
    format!(
        "insert into items ({columns}, updated_at) values ({places})
         on conflict (id) do update set {replaced}, image_error = null,
            given_split = iif({keep}, coalesce(excluded.given_split, given_split), excluded.given_split),
            imported_hash = iif({keep}, coalesce(imported_hash, record_hash), null)
         returning key"
    )
});

/// Values of an item's [`COLUMNS`], in their order.
pub(super) fn arguments(item: &NewItem) -> Result<SqliteArguments, CatalogError> {
    let mut arguments = SqliteArguments::default();
    for (_, bind) in COLUMNS {
        bind(&mut arguments, item).map_err(sqlx::Error::Encode)?;
    }
    Ok(arguments)
}

fn names() -> impl Iterator<Item = &'static str> {
    COLUMNS.iter().map(|(name, _)| *name)
}

impl Item {
    /// The item of a row of [`SELECT_BY_KEYS`].
    pub(super) fn from_row(row: &SqliteRow) -> Result<Self, CatalogError> {
        let key = row.try_get("key")?;
        let captions: Vec<(i64, i64, String)> = from_json("captions.text", row.try_get("captions")?)?;
        let caption = |(caption, position, text)| Caption { key: caption, item: key, position, text };
        Ok(Self {
            key,
            id: row.try_get("id")?,
            image_path: row.try_get("image_path")?,
            image_mime: row.try_get("image_mime")?,
            content_hash: row.try_get("content_hash")?,
            width: row.try_get("width")?,
            height: row.try_get("height")?,
            image_error: row.try_get("image_error")?,
            source: row.try_get("source")?,
            record_hash: row.try_get("record_hash")?,
            meta: from_json("items.meta", row.try_get("meta")?)?,
            captions: captions.into_iter().map(caption).collect(),
            labels: from_json("labels.name", row.try_get("labels")?)?,
        })
    }
}

#[cfg(test)]
impl NewItem {
    /// An item with a caption and a label, without an image.
    pub(crate) fn captioned(id: &str, caption: &str, label: &str) -> Self {
        Self {
            id: id.into(),
            captions: vec![caption.into()],
            labels: vec![label.into()],
            source: "test".into(),
            ..Self::default()
        }
    }
}
