//! A pseudo-random sample of images or captions that stays the same.

use sqlx::FromRow;

use crate::catalog::{connection::Catalog, error::CatalogError};

/// An image or a caption of a sample.
#[derive(Debug, Clone, PartialEq, Eq, FromRow)]
pub struct Sample {
    /// Key of an item (for an image) or of a caption.
    pub key: i64,
    /// Id of its item.
    pub id: String,
    /// Position of a caption among those of its item; `None` for an image.
    pub position: Option<i64>,
    /// Alphabetically first label of its item.
    pub label: Option<String>,
}

/// Order of keys that is fixed and unrelated to their age (Knuth's multiplicative hash).
const PSEUDO_RANDOM_ORDER: &str = "(key * 2654435761) % 4294967296";

impl Catalog {
    /// At most `limit` images, the same ones for the same collection.
    ///
    /// # Errors
    /// If the database fails.
    pub async fn sample_images(&self, limit: u32) -> Result<Vec<Sample>, CatalogError> {
        let from = "select key, id, null as position, key as item from items where content_hash is not null";
        self.sample(from, limit).await
    }

    /// At most `limit` captions, the same ones for the same collection.
    ///
    /// # Errors
    /// If the database fails.
    pub async fn sample_captions(&self, limit: u32) -> Result<Vec<Sample>, CatalogError> {
        let from = "select captions.key, items.id, position, items.key as item
                    from captions join items on items.key = captions.item";
        self.sample(from, limit).await
    }

    async fn sample(&self, from: &str, limit: u32) -> Result<Vec<Sample>, CatalogError> {
        let query = format!(
            "with chosen as (select * from ({from}) order by {PSEUDO_RANDOM_ORDER} limit ?)
             select key, id, position, (select min(name) from item_labels join labels on labels.key = label
                                        where item_labels.item = chosen.item) as label
             from chosen"
        );
        Ok(sqlx::query_as(sqlx::AssertSqlSafe(query)).bind(limit).fetch_all(&self.readers).await?)
    }
}
