//! A part of the collection that stands for all of it.

use sqlx::FromRow;

use crate::catalog::{connection::Catalog, error::CatalogError};

/// A picture or a caption of a sample.
#[derive(Debug, Clone, PartialEq, Eq, FromRow)]
pub struct Sampled {
    /// What the index calls it: the key of an item, or of a caption.
    pub key: i64,
    /// The id of its item.
    pub id: String,
    /// For a caption: its place among the item's captions.
    pub position: Option<i64>,
    /// The first class of its item, by alphabet.
    pub label: Option<String>,
}

/// Keys in an order that has nothing to do with when they came, and that stays the same (Knuth's multiplicative hash).
const SCATTERED: &str = "(key * 2654435761) % 4294967296";

impl Catalog {
    /// At most `limit` pictures, always the same ones of the same collection.
    ///
    /// # Errors
    /// If the database fails.
    pub async fn sample_pictures(&self, limit: u32) -> Result<Vec<Sampled>, CatalogError> {
        let from = "select key, id, null as position, key as item from items where content_hash is not null";
        self.sample(from, limit).await
    }

    /// At most `limit` captions, always the same ones of the same collection.
    ///
    /// # Errors
    /// If the database fails.
    pub async fn sample_captions(&self, limit: u32) -> Result<Vec<Sampled>, CatalogError> {
        let from = "select captions.key, items.id, position, items.key as item
                    from captions join items on items.key = captions.item";
        self.sample(from, limit).await
    }

    async fn sample(&self, from: &str, limit: u32) -> Result<Vec<Sampled>, CatalogError> {
        let query = format!(
            "with chosen as (select * from ({from}) order by {SCATTERED} limit ?)
             select key, id, position, (select min(name) from item_labels join labels on labels.key = label
                                        where item_labels.item = chosen.item) as label
             from chosen"
        );
        Ok(sqlx::query_as(sqlx::AssertSqlSafe(query)).bind(limit).fetch_all(&self.readers).await?)
    }
}
