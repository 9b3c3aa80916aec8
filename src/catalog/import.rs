//! Writing what an import found.

use std::collections::HashMap;

use sqlx::{FromRow, Sqlite, Transaction};

use super::{Catalog, CatalogError, features::put_feature, now_ms};

/// An item as an import found it.
#[derive(Debug, Clone)]
pub struct NewItem {
    /// The owner's name for it.
    pub id: String,
    /// Its picture, if it has one.
    pub picture: Option<NewPicture>,
    /// Its captions, in order.
    pub captions: Vec<String>,
    /// Its class names.
    pub labels: Vec<String>,
    /// `train`, `validation` or `test`, where its owner said so.
    pub given_split: Option<&'static str>,
    /// A JSON object.
    pub meta: String,
    /// File and line that named it.
    pub source: String,
    /// Hash of all that the record said, the picture's content included.
    pub record_hash: [u8; 32],
}

/// A picture that was read and decoded.
#[derive(Debug, Clone)]
pub struct NewPicture {
    /// blake3 of its bytes.
    pub content_hash: [u8; 32],
    /// Where it lies.
    pub path: String,
    /// Media type of its bytes.
    pub mime: &'static str,
    /// Width in pixels, upright.
    pub width: u32,
    /// Height in pixels, upright.
    pub height: u32,
}

/// A record that could not be taken.
#[derive(Debug, Clone)]
pub struct NewRejection {
    /// The file that named it.
    pub file: String,
    /// The line, or `None` where the file is the record.
    pub line: Option<u64>,
    /// A sentence.
    pub reason: String,
}

/// What the catalog remembers of a record that it took before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KnownRecord {
    /// Hash of all that the record said.
    pub record_hash: Vec<u8>,
}

#[derive(FromRow)]
struct KnownRow {
    id: String,
    record_hash: Vec<u8>,
}

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

/// What is to happen to an item whose id is known already.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Put {
    /// It stays, and the new one is refused.
    New,
    /// The new one takes its place.
    Replace,
}

impl Catalog {
    /// Takes one item with its features, all of it or nothing; it is on disk when this returns. Says whether its id was new;
    /// `None` if it was not, and [`Put::New`] was asked for: then nothing is changed.
    ///
    /// # Errors
    /// If the database fails.
    pub async fn put_item(
        &self,
        item: &NewItem,
        features: &NewFeatures,
        put: Put,
    ) -> Result<Option<bool>, CatalogError> {
        let mut tx = self.writer.begin_with("begin immediate").await?;
        let known: bool = sqlx::query_scalar("select exists (select 1 from items where id = ?)")
            .bind(&item.id)
            .fetch_one(&mut *tx)
            .await?;
        if known && put == Put::New {
            return Ok(None);
        }
        let images = features.image.iter().map(|feature| (&features.image_encoder, feature));
        for (encoder, (hash, vector)) in images.chain(features.texts.iter().map(|f| (&features.text_encoder, f))) {
            put_feature(&mut tx, encoder, hash, vector).await?;
        }
        put_row(&mut tx, item, now_ms()).await?;
        tx.commit().await?;
        Ok(Some(!known))
    }

    /// Lets an item go with all that belongs to it. Says whether it was there.
    ///
    /// # Errors
    /// If the database fails.
    pub async fn delete_item(&self, id: &str) -> Result<bool, CatalogError> {
        let gone = sqlx::query("delete from items where id = ?").bind(id).execute(&self.writer).await?;
        Ok(gone.rows_affected() > 0)
    }

    /// What is known of those of `ids` that are there.
    ///
    /// # Errors
    /// If the database fails.
    pub async fn known_records(&self, ids: &[&str]) -> Result<HashMap<String, KnownRecord>, CatalogError> {
        let rows: Vec<KnownRow> =
            sqlx::query_as("select id, record_hash from items where id in (select value from json_each(?))")
                .bind(serde_json::Value::from(ids).to_string())
                .fetch_all(&self.readers)
                .await?;
        Ok(rows.into_iter().map(|r| (r.id, KnownRecord { record_hash: r.record_hash })).collect())
    }

    /// Takes a batch of items and rejections in one transaction: all of it is kept, or none. An item whose id is known
    /// is replaced; a rejection is forgotten when its record is taken later.
    ///
    /// # Errors
    /// If the database fails; then nothing of the batch is kept.
    pub async fn import_batch(&self, items: &[NewItem], rejections: &[NewRejection]) -> Result<(), CatalogError> {
        let mut tx = self.writer.begin_with("begin immediate").await?;
        let now = now_ms();
        for item in items {
            put_row(&mut tx, item, now).await?;
        }
        for rejection in rejections {
            sqlx::query(
                "insert into rejections (file, line, reason, at) values (?, ?, ?, ?)
                 on conflict do update set reason = excluded.reason, at = excluded.at",
            )
            .bind(&rejection.file)
            .bind(line_key(rejection.line))
            .bind(&rejection.reason)
            .bind(now)
            .execute(&mut *tx)
            .await?;
        }
        tx.commit().await?;
        Ok(())
    }

    /// Forgets rejections of records that were taken since.
    ///
    /// # Errors
    /// If the database fails.
    pub async fn forget_rejections(&self, origins: &[(String, Option<u64>)]) -> Result<(), CatalogError> {
        if origins.is_empty() {
            return Ok(());
        }
        let mut tx = self.writer.begin_with("begin immediate").await?;
        for (file, line) in origins {
            sqlx::query("delete from rejections where file = ? and line = ?")
                .bind(file)
                .bind(line_key(*line))
                .execute(&mut *tx)
                .await?;
        }
        tx.commit().await?;
        Ok(())
    }

    /// Rejected records, by file and line.
    ///
    /// # Errors
    /// If the database fails.
    pub async fn rejections(&self, limit: u32) -> Result<Vec<NewRejection>, CatalogError> {
        let rows: Vec<(String, i64, String)> =
            sqlx::query_as("select file, line, reason from rejections order by file, line limit ?")
                .bind(limit)
                .fetch_all(&self.readers)
                .await?;
        Ok(rows
            .into_iter()
            .map(|(file, line, reason)| NewRejection {
                file,
                line: u64::try_from(line).ok().filter(|&l| l > 0),
                reason,
            })
            .collect())
    }
}

fn line_key(line: Option<u64>) -> i64 {
    line.and_then(|l| i64::try_from(l).ok()).unwrap_or(0)
}

async fn put_row(tx: &mut Transaction<'_, Sqlite>, item: &NewItem, now: i64) -> Result<(), CatalogError> {
    let picture = item.picture.as_ref();
    let key: i64 = sqlx::query_scalar(
        "insert into items (id, content_hash, image_path, image_mime, width, height, given_split, meta, source,
                            record_hash, updated_at)
         values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
         on conflict (id) do update set
            content_hash = excluded.content_hash, image_path = excluded.image_path, image_mime = excluded.image_mime,
            width = excluded.width, height = excluded.height, image_error = null, given_split = excluded.given_split,
            meta = excluded.meta, source = excluded.source, record_hash = excluded.record_hash,
            updated_at = excluded.updated_at
         returning key",
    )
    .bind(&item.id)
    .bind(picture.map(|p| p.content_hash.to_vec()))
    .bind(picture.map(|p| p.path.as_str()))
    .bind(picture.map(|p| p.mime))
    .bind(picture.map(|p| p.width))
    .bind(picture.map(|p| p.height))
    .bind(item.given_split)
    .bind(&item.meta)
    .bind(&item.source)
    .bind(item.record_hash.as_slice())
    .bind(now)
    .fetch_one(&mut **tx)
    .await?;

    sqlx::query("delete from captions where item = ?").bind(key).execute(&mut **tx).await?;
    for (position, text) in (0i64..).zip(&item.captions) {
        sqlx::query("insert into captions (item, position, text, text_hash) values (?, ?, ?, ?)")
            .bind(key)
            .bind(position)
            .bind(text)
            .bind(blake3::hash(text.as_bytes()).as_bytes().as_slice())
            .execute(&mut **tx)
            .await?;
    }

    sqlx::query("delete from item_labels where item = ?").bind(key).execute(&mut **tx).await?;
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
    Ok(())
}
