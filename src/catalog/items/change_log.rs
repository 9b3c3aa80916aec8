//! Change log, from which indexes are brought up to date: all features at one watermark, and the changes since another.
//!
//! A watermark is a number in the order of changes, which triggers record (see `migrations/0002_change_log.sql`).
//! Images and captions are identified by key. Keys are never reused, so a change of a key that does not exist is a
//! removal.

use std::{collections::BTreeSet, ops::RangeInclusive};

use sqlx::{Sqlite, SqliteConnection, Transaction};

use super::features::from_bytes;
use crate::catalog::{connection::Catalog, error::CatalogError, values::json_list};

/// Number of the last change that a state of the catalog includes.
pub type Watermark = i64;

/// Encoders whose features are read, with the lengths of these.
#[derive(Debug, Clone, Copy)]
pub struct FeatureKinds<'a> {
    /// Id of the image encoder, and the length of its features.
    pub image: (&'a str, usize),
    /// Id of the text encoder, and the length of its features.
    pub text: (&'a str, usize),
}

/// Features of images and of captions, by key.
#[derive(Debug, Clone, Default)]
pub struct KeyedFeatures {
    /// (key of an item, features of its image), ordered by key.
    pub images: Vec<(i64, Vec<f32>)>,
    /// (key of a caption, its features), ordered by key.
    pub texts: Vec<(i64, Vec<f32>)>,
}

/// Changes since a watermark.
#[derive(Debug, Clone, Default)]
pub struct Changes {
    /// Watermark up to which the changes are complete.
    pub watermark: Watermark,
    /// Keys of items whose image was added, changed or removed.
    pub images: BTreeSet<i64>,
    /// Keys of captions that were added, changed or removed.
    pub texts: BTreeSet<i64>,
    /// Features of those that exist.
    pub features: KeyedFeatures,
}

/// Property with the number of the last truncated change.
const TRUNCATED_UNTIL: &str = "changes_forgotten";

impl Catalog {
    /// All features, and the watermark at which they are complete.
    ///
    /// # Errors
    /// If the database fails, or stored features have another length.
    pub async fn all_features(&self, kinds: FeatureKinds<'_>) -> Result<(Watermark, KeyedFeatures), CatalogError> {
        // A transaction reads from one snapshot.
        let mut tx = self.readers.begin().await?;
        let watermark = watermark(&mut tx).await?;
        let features = KeyedFeatures {
            images: features(&mut tx, IMAGES, kinds.image, None).await?,
            texts: features(&mut tx, TEXTS, kinds.text, None).await?,
        };
        tx.commit().await?;
        Ok((watermark, features))
    }

    /// Changes after the watermark `since`. `None` if the log does not reach back that far, so that an index of that
    /// watermark has to be rebuilt.
    ///
    /// # Errors
    /// If the database fails, or stored features have another length.
    pub async fn changes_since(
        &self,
        since: Watermark,
        kinds: FeatureKinds<'_>,
    ) -> Result<Option<Changes>, CatalogError> {
        let mut tx = self.readers.begin().await?;
        let watermark = watermark(&mut tx).await?;
        let truncated = truncated_until(&mut tx).await?;
        // `since` lies in the future if the catalog was restored to an older state.
        if since < truncated || since > watermark {
            return Ok(None);
        }
        let mut changes = Changes { watermark, ..Changes::default() };
        if since == watermark {
            return Ok(Some(changes));
        }
        let rows: Vec<(String, i64)> = sqlx::query_as("select distinct kind, key from changes where number > ?")
            .bind(since)
            .fetch_all(&mut *tx)
            .await?;
        for (kind, key) in rows {
            if kind == "picture" { &mut changes.images } else { &mut changes.texts }.insert(key);
        }
        changes.features.images = features(&mut tx, IMAGES, kinds.image, Some(&changes.images)).await?;
        changes.features.texts = features(&mut tx, TEXTS, kinds.text, Some(&changes.texts)).await?;
        tx.commit().await?;
        Ok(Some(changes))
    }

    /// Watermark of the present state.
    ///
    /// # Errors
    /// If the database fails.
    pub async fn latest_watermark(&self) -> Result<Watermark, CatalogError> {
        watermark(&mut *self.readers.acquire().await?).await
    }

    /// Watermarks from which an index can be brought up to date.
    ///
    /// # Errors
    /// If the database fails.
    pub async fn change_log_range(&self) -> Result<RangeInclusive<Watermark>, CatalogError> {
        let mut tx = self.readers.begin().await?;
        let range = truncated_until(&mut tx).await?..=watermark(&mut tx).await?;
        tx.commit().await?;
        Ok(range)
    }

    /// Deletes the changes up to `until`, which every stored index must include.
    ///
    /// # Errors
    /// If the database fails.
    pub async fn truncate_change_log(&self, until: Watermark) -> Result<(), CatalogError> {
        let mut tx = self.writer.begin_with("begin immediate").await?;
        sqlx::query("delete from changes where number <= ?").bind(until).execute(&mut *tx).await?;
        sqlx::query(
            "insert into facts (name, value) values (?, ?) on conflict do update set value = excluded.value
             where cast(excluded.value as integer) > cast(facts.value as integer)",
        )
        .bind(TRUNCATED_UNTIL)
        .bind(until.to_string())
        .execute(&mut *tx)
        .await?;
        tx.commit().await?;
        Ok(())
    }

    /// Unique name of this collection.
    ///
    /// # Errors
    /// If the database fails.
    pub async fn collection_name(&self) -> Result<String, CatalogError> {
        Ok(sqlx::query_scalar("select value from facts where name = 'collection'").fetch_one(&self.readers).await?)
    }
}

/// Number of the last change; it does not decrease when the log is truncated.
async fn watermark(connection: &mut SqliteConnection) -> Result<Watermark, CatalogError> {
    let last: Option<i64> =
        sqlx::query_scalar("select seq from sqlite_sequence where name = 'changes'").fetch_optional(connection).await?;
    Ok(last.unwrap_or(0))
}

/// Number of the last truncated change; 0 if there is none.
async fn truncated_until(tx: &mut Transaction<'_, Sqlite>) -> Result<Watermark, CatalogError> {
    let number: Option<String> = sqlx::query_scalar("select value from facts where name = ?")
        .bind(TRUNCATED_UNTIL)
        .fetch_optional(&mut **tx)
        .await?;
    Ok(number.and_then(|number| number.parse().ok()).unwrap_or(0))
}

/// Selects (key, features of an encoder) of all items with an image, or of those in a list of keys, ordered by key.
const IMAGES: &str = "select i.key, f.vector from items i join features f on f.encoder = ?1 and f.hash = i.content_hash
     where ?2 is null or i.key in (select value from json_each(?2)) order by i.key";

/// Selects the same of captions.
const TEXTS: &str = "select c.key, f.vector from captions c join features f on f.encoder = ?1 and f.hash = c.text_hash
     where ?2 is null or c.key in (select value from json_each(?2)) order by c.key";

async fn features(
    tx: &mut Transaction<'_, Sqlite>,
    query: &'static str,
    (encoder, dims): (&str, usize),
    keys: Option<&BTreeSet<i64>>,
) -> Result<Vec<(i64, Vec<f32>)>, CatalogError> {
    let keys = keys.map(|keys| json_list(&keys.iter().copied().collect::<Vec<_>>()));
    let rows: Vec<(i64, Vec<u8>)> = sqlx::query_as(query).bind(encoder).bind(keys).fetch_all(&mut **tx).await?;
    rows.into_iter().map(|(key, bytes)| Ok((key, from_bytes(&bytes, dims)?))).collect()
}
