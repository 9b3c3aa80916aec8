//! Writing and deletion of items while a service runs.

use std::path::Path;

use sqlx::{Arguments, Sqlite, Transaction};

use super::{
    features::put_feature,
    item::{UPSERT, arguments},
};
use crate::{
    catalog::{Catalog, CatalogError, NewItem, now_ms, values::json_list},
    util::hex,
};

/// Features of an item that is written.
#[derive(Debug, Clone, Default)]
pub struct NewFeatures {
    /// Id of the image encoder.
    pub image_encoder: String,
    /// Id of the text encoder.
    pub text_encoder: String,
    /// blake3 of the image's bytes, and its features; `None` unless the image is new.
    pub image: Option<([u8; 32], Vec<f32>)>,
    /// blake3 of a caption, and its features.
    pub texts: Vec<([u8; 32], Vec<f32>)>,
}

/// Condition under which an item is written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WriteCondition {
    /// Only if no item has the id.
    IfAbsent,
    /// Always; an item with the id is replaced.
    Always,
    /// Only if the item with the id has one of these tags (see [`etag`]); `*` matches any existing item.
    IfMatch(Vec<String>),
}

/// Outcome of writing an item.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PutOutcome {
    /// The item was created.
    Created,
    /// An item with the same id was replaced.
    Replaced,
    /// Not written, since an item with the id exists ([`WriteCondition::IfAbsent`]).
    AlreadyExists,
    /// Not written, since the item with the id does not match ([`WriteCondition::IfMatch`]) or does not exist.
    PreconditionFailed,
    /// Not written, since its image file was deleted as unreferenced in the meantime; see [`Catalog::lock_if_unused`].
    ImageFileMissing,
}

/// Outcome of deleting an item.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DeleteOutcome {
    /// The item was deleted.
    Deleted,
    /// There is no such item.
    NotFound,
    /// Not deleted, since the item does not match the given tags or does not exist.
    PreconditionFailed,
}

/// Entity tag that identifies a state of an item, from the hash of its record.
pub fn etag(record_hash: &[u8]) -> String {
    hex::encode(&record_hash[..record_hash.len().min(16)])
}

/// Whether an item, given by the hash of its record, has one of some tags; `*` matches any existing item.
pub fn etag_matches(tags: &[String], known: Option<&[u8]>) -> bool {
    known.is_some_and(|hash| tags.iter().any(|tag| tag == "*" || *tag == etag(hash)))
}

impl Catalog {
    /// Writes one item as [`Self::put_items`] does.
    #[cfg(test)]
    pub(crate) async fn put_item(
        &self,
        item: &NewItem,
        features: &NewFeatures,
        condition: &WriteCondition,
    ) -> Result<PutOutcome, CatalogError> {
        Ok(self.put_items(&[(item, features, condition)]).await?[0])
    }

    /// Writes items with their features, in order and in one transaction. Returns the outcome of each, up to the first
    /// [`PutOutcome::ImageFileMissing`]: items after that one are not written.
    ///
    /// # Errors
    /// If the database fails; then nothing is written.
    pub async fn put_items(
        &self,
        writes: &[(&NewItem, &NewFeatures, &WriteCondition)],
    ) -> Result<Vec<PutOutcome>, CatalogError> {
        let mut tx = self.writer.begin_with("begin immediate").await?;
        let mut outcomes = Vec::with_capacity(writes.len());
        for (item, features, condition) in writes {
            outcomes.push(Self::put_one(&mut tx, item, features, condition).await?);
            if outcomes.last() == Some(&PutOutcome::ImageFileMissing) {
                break;
            }
        }
        tx.commit().await?;
        Ok(outcomes)
    }

    async fn put_one(
        tx: &mut Transaction<'_, Sqlite>,
        item: &NewItem,
        features: &NewFeatures,
        condition: &WriteCondition,
    ) -> Result<PutOutcome, CatalogError> {
        let known: Option<Vec<u8>> = sqlx::query_scalar("select record_hash from items where id = ?")
            .bind(&item.id)
            .fetch_optional(&mut **tx)
            .await?;
        match condition {
            WriteCondition::IfAbsent if known.is_some() => return Ok(PutOutcome::AlreadyExists),
            WriteCondition::IfMatch(tags) if !etag_matches(tags, known.as_deref()) => {
                return Ok(PutOutcome::PreconditionFailed);
            }
            WriteCondition::IfAbsent | WriteCondition::Always | WriteCondition::IfMatch(_) => {}
        }
        // A posted image is in the data folder, where files are deleted only under this transaction's lock: a file that
        // exists now still exists when the row is committed.
        let posted = item.image.as_ref().filter(|_| features.image.is_some());
        if posted.is_some_and(|image| !Path::new(&image.path).exists()) {
            return Ok(PutOutcome::ImageFileMissing);
        }
        let images = features.image.iter().map(|feature| (&features.image_encoder, feature));
        for (encoder, (hash, vector)) in images.chain(features.texts.iter().map(|f| (&features.text_encoder, f))) {
            put_feature(tx, encoder, hash, vector).await?;
        }
        upsert_item(tx, item, UnspecifiedFields::Keep, now_ms()).await?;
        Ok(if known.is_some() { PutOutcome::Replaced } else { PutOutcome::Created })
    }

    /// Deletes an item with its captions and labels; with `tags`, only if it has one of them.
    ///
    /// # Errors
    /// If the database fails.
    pub async fn delete_item(&self, id: &str, tags: Option<&[String]>) -> Result<DeleteOutcome, CatalogError> {
        let mut tx = self.writer.begin_with("begin immediate").await?;
        let known: Option<Vec<u8>> =
            sqlx::query_scalar("select record_hash from items where id = ?").bind(id).fetch_optional(&mut *tx).await?;
        if tags.is_some_and(|tags| !etag_matches(tags, known.as_deref())) {
            return Ok(DeleteOutcome::PreconditionFailed);
        }
        sqlx::query("delete from items where id = ?").bind(id).execute(&mut *tx).await?;
        tx.commit().await?;
        Ok(if known.is_some() { DeleteOutcome::Deleted } else { DeleteOutcome::NotFound })
    }

    /// Deletes items in one transaction. Returns how many existed.
    ///
    /// # Errors
    /// If the database fails.
    pub async fn delete_items(&self, keys: &[i64]) -> Result<u64, CatalogError> {
        let done = sqlx::query("delete from items where key in (select value from json_each(?))")
            .bind(json_list(keys))
            .execute(&self.writer)
            .await?;
        Ok(done.rows_affected())
    }
}

/// What happens to the fields of an existing item that a write does not specify: its split, and the hash of the record
/// that it was imported from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum UnspecifiedFields {
    /// They are cleared: an imported record is complete.
    Clear,
    /// They are kept: a client that posts an item cannot specify them.
    Keep,
}

/// Inserts an item with its captions and labels, or replaces the one with its id.
pub(super) async fn upsert_item(
    tx: &mut Transaction<'_, Sqlite>,
    item: &NewItem,
    unspecified: UnspecifiedFields,
    now: i64,
) -> Result<(), CatalogError> {
    let mut arguments = arguments(item)?;
    arguments.add(now).map_err(sqlx::Error::Encode)?;
    arguments.add(unspecified == UnspecifiedFields::Keep).map_err(sqlx::Error::Encode)?;
    let key: i64 = sqlx::query_scalar_with(UPSERT.as_str(), arguments).fetch_one(&mut **tx).await?;

    // Unchanged captions keep their keys, by which indexes and cursors refer to them.
    let known: Vec<String> = sqlx::query_scalar("select text from captions where item = ? order by position")
        .bind(key)
        .fetch_all(&mut **tx)
        .await?;
    let same = known.iter().zip(&item.captions).take_while(|(known, new)| known == new).count();
    sqlx::query("delete from captions where item = ? and position >= ?")
        .bind(key)
        .bind(same as i64)
        .execute(&mut **tx)
        .await?;
    for (position, text) in (0i64..).zip(&item.captions).skip(same) {
        sqlx::query("insert into captions (item, position, text, text_hash) values (?, ?, ?, ?)")
            .bind(key)
            .bind(position)
            .bind(text)
            .bind(blake3::hash(text.as_bytes()).as_bytes().as_slice())
            .execute(&mut **tx)
            .await?;
    }

    sqlx::query(
        "delete from item_labels where item = ?
         and label not in (select key from labels where name in (select value from json_each(?)))",
    )
    .bind(key)
    .bind(serde_json::json!(item.labels).to_string())
    .execute(&mut **tx)
    .await?;
    for label in &item.labels {
        sqlx::query("insert into labels (name) values (?) on conflict do nothing")
            .bind(label)
            .execute(&mut **tx)
            .await?;
        sqlx::query(
            "insert into item_labels (item, label) select ?, key from labels where name = ? on conflict do nothing",
        )
        .bind(key)
        .bind(label)
        .execute(&mut **tx)
        .await?;
    }

    // Last, because a trigger on this column updates the full-text index: see the migration 0004.
    sqlx::query("update items set updated_at = ? where key = ?").bind(now).bind(key).execute(&mut **tx).await?;
    Ok(())
}
