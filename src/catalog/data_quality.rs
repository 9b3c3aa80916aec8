//! Quality of the collection's data: missing fields, duplicate and unreadable images, rejected records.

use sqlx::FromRow;

use super::{connection::Catalog, error::CatalogError, items::NewRejection};

/// Maximum number of duplicate images listed, and of ids listed for each.
const MAX_GROUPS: i64 = 50;
const MAX_IDS_PER_GROUP: i64 = 20;

/// Numbers of items that lack a field.
#[derive(Debug, Clone, PartialEq, Eq, FromRow)]
pub struct MissingFields {
    /// Items without an image.
    pub image: i64,
    /// Items without a caption.
    pub caption: i64,
    /// Items without a label; they do not train the space of classes.
    pub label: i64,
    /// Items whose image could be read when it was added and no longer can.
    pub readable_image: i64,
}

/// An image that more than one item has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DuplicateImage {
    /// Number of items.
    pub items: i64,
    /// Ids of the first twenty items, oldest first.
    pub ids: Vec<String>,
}

/// Images that more than one item has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Duplicates {
    /// Number of such images.
    pub images: i64,
    /// Number of items that could be deleted without losing an image.
    pub redundant_items: i64,
    /// The fifty most frequent.
    pub groups: Vec<DuplicateImage>,
}

/// An image that could be read when it was added and no longer can.
#[derive(Debug, Clone, PartialEq, Eq, FromRow)]
pub struct UnreadableImage {
    /// The id of its item.
    pub id: String,
    /// Why it cannot be read.
    pub reason: String,
}

/// Quality of the collection's data.
#[derive(Debug, Clone)]
pub struct DataQuality {
    /// Numbers of items that lack a field.
    pub missing: MissingFields,
    /// Images that more than one item has.
    pub duplicates: Duplicates,
    /// Images that can no longer be read, up to the requested number.
    pub unreadable: Vec<UnreadableImage>,
    /// Rejected records, up to the requested number.
    pub rejections: Vec<NewRejection>,
}

impl Catalog {
    /// Data quality, listing at most `limit` unreadable images and rejected records.
    ///
    /// # Errors
    /// If the database fails.
    pub async fn data_quality(&self, limit: u32) -> Result<DataQuality, CatalogError> {
        let missing = sqlx::query_as(
            "select count(*) filter (where content_hash is null) as image,
                    count(*) filter (where not exists (select 1 from captions where item = items.key)) as caption,
                    count(*) filter (where not exists (select 1 from item_labels where item = items.key)) as label,
                    count(*) filter (where image_error is not null) as readable_image
             from items",
        )
        .fetch_one(&self.readers)
        .await?;
        let unreadable = sqlx::query_as(
            "select id, image_error as reason from items where image_error is not null order by key limit ?",
        )
        .bind(limit)
        .fetch_all(&self.readers)
        .await?;
        let (duplicates, rejections) = (self.duplicates().await?, self.rejections(limit).await?);
        Ok(DataQuality { missing, duplicates, unreadable, rejections })
    }

    async fn duplicates(&self) -> Result<Duplicates, CatalogError> {
        let (images, redundant_items) = sqlx::query_as(
            "select count(*), coalesce(sum(n - 1), 0) from (
                select count(*) as n from items where content_hash is not null group by content_hash having n > 1)",
        )
        .fetch_one(&self.readers)
        .await?;
        let most: Vec<(Vec<u8>, i64)> = sqlx::query_as(
            "select content_hash, count(*) as n from items where content_hash is not null
             group by content_hash having n > 1 order by n desc, min(key) limit ?",
        )
        .bind(MAX_GROUPS)
        .fetch_all(&self.readers)
        .await?;
        let mut groups = Vec::with_capacity(most.len());
        for (hash, items) in most {
            let ids = sqlx::query_scalar("select id from items where content_hash = ? order by key limit ?")
                .bind(hash)
                .bind(MAX_IDS_PER_GROUP)
                .fetch_all(&self.readers)
                .await?;
            groups.push(DuplicateImage { items, ids });
        }
        Ok(Duplicates { images, redundant_items, groups })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::{NewImage, NewItem};

    #[tokio::test]
    async fn data_quality_lists_missing_duplicate_unreadable_and_rejected() {
        let folder = tempfile::tempdir().expect("a folder");
        let catalog = Catalog::open(folder.path()).await.expect("a catalog");
        let item = |id: &str, image: Option<u8>, texts: &[&str]| NewItem {
            id: id.into(),
            image: image.map(|n| NewImage { content_hash: [n; 32], ..NewImage::default() }),
            captions: texts.iter().map(|&text| text.into()).collect(),
            labels: texts.iter().map(|&text| text.into()).collect(),
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
        let rejected = |line| NewRejection { file: "data.jsonl".into(), line, reason: "no picture".into() };
        catalog.import_batch(&items, &[rejected(Some(3)), rejected(None)]).await.expect("imported");
        catalog.put_features("i", &[], &[(vec![3; 32], "it is cut off".into())]).await.expect("marked");

        let quality = catalog.data_quality(1).await.expect("read");
        assert_eq!(quality.missing, MissingFields { image: 1, caption: 1, label: 1, readable_image: 1 });
        let group = |items, ids: &[&str]| DuplicateImage { items, ids: ids.iter().map(|&id| id.into()).collect() };
        let groups = vec![group(3, &["a", "e", "f"]), group(2, &["b", "c"])];
        assert_eq!(quality.duplicates, Duplicates { images: 2, redundant_items: 3, groups });
        assert_eq!(quality.unreadable, [UnreadableImage { id: "g".into(), reason: "it is cut off".into() }]);
        assert_eq!(quality.rejections.len(), 1, "no more than requested");
    }
}
