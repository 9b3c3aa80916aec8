//! What is amiss with the collection: items that lack something, pictures that came more than once, records that were refused.

use sqlx::FromRow;

use super::{connection::Catalog, error::CatalogError, items::NewRejection};

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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::{NewImage, NewItem};

    #[tokio::test]
    async fn what_lacks_comes_twice_or_cannot_be_read_is_counted_and_named() {
        let folder = tempfile::tempdir().expect("a folder");
        let catalog = Catalog::open(folder.path()).await.expect("a catalog");
        let item = |id: &str, image: Option<u8>, words: &[&str]| NewItem {
            id: id.into(),
            image: image.map(|n| NewImage { content_hash: [n; 32], ..NewImage::default() }),
            captions: words.iter().map(|&word| word.into()).collect(),
            labels: words.iter().map(|&word| word.into()).collect(),
            ..NewItem::default()
        };
        let items = [
            item("a", Some(1), &["one"]),
            item("b", Some(2), &["two"]),
            item("c", Some(2), &[]),
            item("d", None, &["three"]),
            item("e", Some(1), &["one"]),
            item("f", Some(1), &["one", "two"]),
            item("g", Some(3), &["one"]),
        ];
        let refused = |line| NewRejection { file: "data.jsonl".into(), line, reason: "no picture".into() };
        catalog.import_batch(&items, &[refused(Some(3)), refused(None)]).await.expect("taken");
        catalog.put_features("i", &[], &[(vec![3; 32], "it is cut off".into())]).await.expect("marked");

        let health = catalog.health(1).await.expect("read");
        assert_eq!(health.lacking, Lacking { picture: 1, caption: 1, label: 1, readable: 1 });
        let group = |items, ids: &[&str]| Repeated { items, ids: ids.iter().map(|&id| id.into()).collect() };
        let groups = vec![group(3, &["a", "e", "f"]), group(2, &["b", "c"])];
        assert_eq!(health.repeated, Repetitions { pictures: 2, spare: 3, groups });
        assert_eq!(health.unreadable, [Unreadable { id: "g".into(), reason: "it is cut off".into() }]);
        assert_eq!(health.rejections.len(), 1, "no more than was asked for");
    }
}
