//! What an index has to know: all points' features at one moment, and what has changed since another.
//!
//! The moment is a number in the order of changes, which triggers count (see `migrations/0002_changes.sql`). A picture or a
//! caption is named by its key; keys are never used again, so a change of a key that is gone is a removal.

use std::{collections::BTreeSet, ops::RangeInclusive};

use sqlx::{Sqlite, SqliteConnection, Transaction};

use super::features::from_bytes;
use crate::catalog::{connection::Catalog, error::CatalogError, values::json_list};

/// How far the catalog has come: the number of its last change.
pub type Watermark = i64;

/// The encoders whose features are wanted, and how long these are.
#[derive(Debug, Clone, Copy)]
pub struct FeatureKinds<'a> {
    /// Id of the picture encoder, and the length of its features.
    pub image: (&'a str, usize),
    /// Id of the sentence encoder, and the length of its features.
    pub text: (&'a str, usize),
}

/// Features by key, of pictures and of captions.
#[derive(Debug, Clone, Default)]
pub struct KeyedFeatures {
    /// (item's key, features of its picture), by key.
    pub images: Vec<(i64, Vec<f32>)>,
    /// (caption's key, features), by key.
    pub texts: Vec<(i64, Vec<f32>)>,
}

/// What has changed since a moment.
#[derive(Debug, Clone, Default)]
pub struct Changes {
    /// The moment up to which this is all.
    pub watermark: Watermark,
    /// Keys of items whose picture came, changed or went.
    pub images: BTreeSet<i64>,
    /// Keys of captions that came, changed or went.
    pub texts: BTreeSet<i64>,
    /// Features of those of them that are there.
    pub features: KeyedFeatures,
}

/// Name of the fact up to which changes are forgotten.
const FORGOTTEN: &str = "changes_forgotten";

impl Catalog {
    /// The features of everything, and the moment at which they are everything.
    ///
    /// # Errors
    /// If the database fails or a row has another length.
    pub async fn all_features(&self, kinds: FeatureKinds<'_>) -> Result<(Watermark, KeyedFeatures), CatalogError> {
        // All that one transaction reads is of one moment.
        let mut tx = self.readers.begin().await?;
        let watermark = watermark(&mut tx).await?;
        let features = KeyedFeatures {
            images: features(&mut tx, IMAGES, kinds.image, None).await?,
            texts: features(&mut tx, TEXTS, kinds.text, None).await?,
        };
        tx.commit().await?;
        Ok((watermark, features))
    }

    /// What has changed since `since`. `None` if that is not known any more: then an index of that moment is worth nothing.
    ///
    /// # Errors
    /// If the database fails or a row has another length.
    pub async fn changes_since(
        &self,
        since: Watermark,
        kinds: FeatureKinds<'_>,
    ) -> Result<Option<Changes>, CatalogError> {
        let mut tx = self.readers.begin().await?;
        let watermark = watermark(&mut tx).await?;
        let forgotten = forgotten(&mut tx).await?;
        // An index from the catalog's future: the catalog was put back to an older state.
        if since < forgotten || since > watermark {
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

    /// How far the catalog has come.
    ///
    /// # Errors
    /// If the database fails.
    pub async fn newest_change(&self) -> Result<Watermark, CatalogError> {
        watermark(&mut *self.readers.acquire().await?).await
    }

    /// The moments from which on all changes are known: an index of one of them can be brought up to date.
    ///
    /// # Errors
    /// If the database fails.
    pub async fn remembered(&self) -> Result<RangeInclusive<Watermark>, CatalogError> {
        let mut tx = self.readers.begin().await?;
        let moments = forgotten(&mut tx).await?..=watermark(&mut tx).await?;
        tx.commit().await?;
        Ok(moments)
    }

    /// Forgets what changed up to `until`: every index that is kept has come further.
    ///
    /// # Errors
    /// If the database fails.
    pub async fn forget_changes(&self, until: Watermark) -> Result<(), CatalogError> {
        let mut tx = self.writer.begin_with("begin immediate").await?;
        sqlx::query("delete from changes where number <= ?").bind(until).execute(&mut *tx).await?;
        sqlx::query(
            "insert into facts (name, value) values (?, ?) on conflict do update set value = excluded.value
             where cast(excluded.value as integer) > cast(facts.value as integer)",
        )
        .bind(FORGOTTEN)
        .bind(until.to_string())
        .execute(&mut *tx)
        .await?;
        tx.commit().await?;
        Ok(())
    }

    /// A name of this collection that no other one has.
    ///
    /// # Errors
    /// If the database fails.
    pub async fn collection_name(&self) -> Result<String, CatalogError> {
        Ok(sqlx::query_scalar("select value from facts where name = 'collection'").fetch_one(&self.readers).await?)
    }
}

/// The number of the last change that was ever made; it does not fall when changes are forgotten.
async fn watermark(connection: &mut SqliteConnection) -> Result<Watermark, CatalogError> {
    let last: Option<i64> =
        sqlx::query_scalar("select seq from sqlite_sequence where name = 'changes'").fetch_optional(connection).await?;
    Ok(last.unwrap_or(0))
}

/// The number of the last change that is forgotten; 0 if none is.
async fn forgotten(tx: &mut Transaction<'_, Sqlite>) -> Result<Watermark, CatalogError> {
    let forgotten: Option<String> =
        sqlx::query_scalar("select value from facts where name = ?").bind(FORGOTTEN).fetch_optional(&mut **tx).await?;
    Ok(forgotten.and_then(|number| number.parse().ok()).unwrap_or(0))
}

/// (key, features of the encoder) of all items with a picture, or of those whose keys are in a list, by key.
const IMAGES: &str = "select i.key, f.vector from items i join features f on f.encoder = ?1 and f.hash = i.content_hash
     where ?2 is null or i.key in (select value from json_each(?2)) order by i.key";

/// The same of captions.
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
