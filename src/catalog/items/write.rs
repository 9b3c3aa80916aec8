//! Items that come with their features and go by themselves, while a service answers.

use sqlx::{Arguments, Sqlite, Transaction};

use super::{
    features::put_feature,
    item::{NewItem, UPSERT, arguments},
};
use crate::catalog::{
    connection::Catalog,
    error::CatalogError,
    values::{json_list, now_ms},
};

/// What encoders made of an item that is put in by itself.
#[derive(Debug, Clone, Default)]
pub struct NewFeatures {
    /// Id of the encoder of the picture.
    pub image_encoder: String,
    /// Id of the encoder of the captions.
    pub text_encoder: String,
    /// (hash of the picture's bytes, features).
    pub image: Option<([u8; 32], Vec<f32>)>,
    /// (hash of a caption, features).
    pub texts: Vec<([u8; 32], Vec<f32>)>,
}

/// What is to happen where an item's id is known already.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Put {
    /// Nothing: the item is to be new.
    New,
    /// It is replaced.
    Replace,
    /// It is replaced if it is as one of these tags says (see [`etag`]); `*` stands for any item that is there.
    IfMatch(Vec<String>),
}

/// What became of an item that was put.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kept {
    /// It is new.
    Created,
    /// It took the place of the one of its id.
    Replaced,
    /// It was to be new, and is not kept.
    Exists,
    /// The one of its id is another than was said, or there is none; it is not kept.
    Changed,
    /// Its picture's file went before the item came, because nobody had it; it is not kept. See [`Catalog::while_unused`].
    PictureGone,
}

/// What became of an item that was to go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Gone {
    /// It is gone.
    Deleted,
    /// It was not there.
    Absent,
    /// It is another than was said, or not there.
    Changed,
}

/// What tells one state of an item from another.
pub fn etag(record_hash: &[u8]) -> String {
    record_hash.iter().take(16).map(|byte| format!("{byte:02x}")).collect()
}

/// Whether an item, by its record's hash, is as one of some tags says; `*` stands for any item that is there.
pub fn matches(tags: &[String], known: Option<&[u8]>) -> bool {
    known.is_some_and(|hash| tags.iter().any(|tag| tag == "*" || *tag == etag(hash)))
}

impl Catalog {
    /// Takes an item as [`Self::put_items`] does.
    #[cfg(test)]
    pub(crate) async fn put_item(
        &self,
        item: &NewItem,
        features: &NewFeatures,
        put: &Put,
    ) -> Result<Kept, CatalogError> {
        let kept = self.put_items(&[(item, features, put)]).await?;
        Ok(kept[0])
    }

    /// Takes items with their features in one transaction and in order, so that they are searchable as soon as they are there. Says
    /// what became of each, up to the first one whose picture is gone: that one and those behind it are not kept.
    ///
    /// # Errors
    /// If the database fails; then nothing is kept.
    pub async fn put_items(&self, puts: &[(&NewItem, &NewFeatures, &Put)]) -> Result<Vec<Kept>, CatalogError> {
        let mut tx = self.writer.begin_with("begin immediate").await?;
        let mut kept = Vec::with_capacity(puts.len());
        for (item, features, put) in puts {
            kept.push(Self::put_one(&mut tx, item, features, put).await?);
            if kept.last() == Some(&Kept::PictureGone) {
                break;
            }
        }
        tx.commit().await?;
        Ok(kept)
    }

    async fn put_one(
        tx: &mut Transaction<'_, Sqlite>,
        item: &NewItem,
        features: &NewFeatures,
        put: &Put,
    ) -> Result<Kept, CatalogError> {
        let known: Option<Vec<u8>> = sqlx::query_scalar("select record_hash from items where id = ?")
            .bind(&item.id)
            .fetch_optional(&mut **tx)
            .await?;
        match put {
            Put::New if known.is_some() => return Ok(Kept::Exists),
            Put::IfMatch(tags) if !matches(tags, known.as_deref()) => return Ok(Kept::Changed),
            _ => {}
        }
        // A picture of which the service was given the bytes lies in its own folder. Who removes files there holds the same lock,
        // so what is there now is there when the row is.
        let posted = item.image.as_ref().filter(|_| features.image.is_some());
        if posted.is_some_and(|picture| !std::path::Path::new(&picture.path).exists()) {
            return Ok(Kept::PictureGone);
        }
        let images = features.image.iter().map(|feature| (&features.image_encoder, feature));
        for (encoder, (hash, vector)) in images.chain(features.texts.iter().map(|f| (&features.text_encoder, f))) {
            put_feature(tx, encoder, hash, vector).await?;
        }
        put_row(tx, item, Unsaid::Stays, now_ms()).await?;
        Ok(if known.is_some() { Kept::Replaced } else { Kept::Created })
    }

    /// Lets an item go with all that belongs to it; with tags, only if it is as one of them says.
    ///
    /// # Errors
    /// If the database fails.
    pub async fn delete_item(&self, id: &str, tags: Option<&[String]>) -> Result<Gone, CatalogError> {
        let mut tx = self.writer.begin_with("begin immediate").await?;
        let known: Option<Vec<u8>> =
            sqlx::query_scalar("select record_hash from items where id = ?").bind(id).fetch_optional(&mut *tx).await?;
        if tags.is_some_and(|tags| !matches(tags, known.as_deref())) {
            return Ok(Gone::Changed);
        }
        sqlx::query("delete from items where id = ?").bind(id).execute(&mut *tx).await?;
        tx.commit().await?;
        Ok(if known.is_some() { Gone::Deleted } else { Gone::Absent })
    }

    /// Lets all of these items go, or none. Says how many were there.
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

/// What becomes of what an item does not name: its split, and the record that an import took.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Unsaid {
    /// It goes: a record says all that there is to say.
    Goes,
    /// It stays: nobody who posts an item can say it.
    Stays,
}

pub(super) async fn put_row(
    tx: &mut Transaction<'_, Sqlite>,
    item: &NewItem,
    split: Unsaid,
    now: i64,
) -> Result<(), CatalogError> {
    let mut arguments = arguments(item)?;
    arguments.add(now).map_err(sqlx::Error::Encode)?;
    arguments.add(split == Unsaid::Stays).map_err(sqlx::Error::Encode)?;
    let key: i64 = sqlx::query_scalar_with(UPSERT.as_str(), arguments).fetch_one(&mut **tx).await?;

    // What stays keeps its key: an index and a cursor know captions by theirs.
    let before: Vec<String> = sqlx::query_scalar("select text from captions where item = ? order by position")
        .bind(key)
        .fetch_all(&mut **tx)
        .await?;
    let same = before.iter().zip(&item.captions).take_while(|(before, now)| before == now).count();
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

    // Last, because it writes the item's words: see the migration.
    sqlx::query("update items set updated_at = ? where key = ?").bind(now).bind(key).execute(&mut **tx).await?;
    Ok(())
}
