//! What is amiss with the collection: items that lack something, pictures that came more than once, records that were refused.

use sqlx::FromRow;

use super::{Catalog, CatalogError, NewRejection};

/// Groups of items that hold the same picture, and of those the ids, that are named at most.
const NAMED_GROUPS: i64 = 50;
const NAMED_IN_GROUP: i64 = 20;

/// How many items lack what.
#[derive(Debug, Clone, PartialEq, Eq, FromRow)]
pub struct Lacking {
    /// Items that name no picture.
    pub picture: i64,
    /// Items without a caption.
    pub caption: i64,
    /// Items without a class; no training learns from them.
    pub label: i64,
    /// Items whose picture was once read and can no longer be.
    pub readable: i64,
}

/// Items that hold the very same picture.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Repeated {
    /// How many.
    pub items: i64,
    /// Their ids, the first twenty in the order in which they came.
    pub ids: Vec<String>,
}

/// Pictures that more than one item holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Repetitions {
    /// How many such pictures.
    pub pictures: i64,
    /// Items that could go without a picture being lost.
    pub spare: i64,
    /// The most frequent fifty.
    pub groups: Vec<Repeated>,
}

/// A picture that was once read and can no longer be.
#[derive(Debug, Clone, PartialEq, Eq, FromRow)]
pub struct Unreadable {
    /// The id of its item.
    pub id: String,
    /// A sentence.
    pub reason: String,
}

/// All of it.
#[derive(Debug, Clone)]
pub struct Health {
    /// Items that lack something.
    pub lacking: Lacking,
    /// Pictures that more than one item holds.
    pub repeated: Repetitions,
    /// Pictures that can no longer be read, as many as were asked for.
    pub unreadable: Vec<Unreadable>,
    /// Records that were refused, as many as were asked for.
    pub rejections: Vec<NewRejection>,
}

impl Catalog {
    /// What is amiss, with so many of what can be listed.
    ///
    /// # Errors
    /// If the database fails.
    pub async fn health(&self, listed: u32) -> Result<Health, CatalogError> {
        let lacking = sqlx::query_as(
            "select count(*) filter (where content_hash is null) as picture,
                    count(*) filter (where not exists (select 1 from captions where item = items.key)) as caption,
                    count(*) filter (where not exists (select 1 from item_labels where item = items.key)) as label,
                    count(*) filter (where image_error is not null) as readable
             from items",
        )
        .fetch_one(&self.readers)
        .await?;
        let unreadable = sqlx::query_as(
            "select id, image_error as reason from items where image_error is not null order by key limit ?",
        )
        .bind(listed)
        .fetch_all(&self.readers)
        .await?;
        let (repeated, rejections) = (self.repetitions().await?, self.rejections(listed).await?);
        Ok(Health { lacking, repeated, unreadable, rejections })
    }

    async fn repetitions(&self) -> Result<Repetitions, CatalogError> {
        let (pictures, spare) = sqlx::query_as(
            "select count(*), coalesce(sum(n - 1), 0) from (
                select count(*) as n from items where content_hash is not null group by content_hash having n > 1)",
        )
        .fetch_one(&self.readers)
        .await?;
        let most: Vec<(Vec<u8>, i64)> = sqlx::query_as(
            "select content_hash, count(*) as n from items where content_hash is not null
             group by content_hash having n > 1 order by n desc, min(key) limit ?",
        )
        .bind(NAMED_GROUPS)
        .fetch_all(&self.readers)
        .await?;
        let mut groups = Vec::with_capacity(most.len());
        for (hash, items) in most {
            let ids = sqlx::query_scalar("select id from items where content_hash = ? order by key limit ?")
                .bind(hash)
                .bind(NAMED_IN_GROUP)
                .fetch_all(&self.readers)
                .await?;
            groups.push(Repeated { items, ids });
        }
        Ok(Repetitions { pictures, spare, groups })
    }
}
