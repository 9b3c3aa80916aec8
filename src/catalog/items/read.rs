//! Reading of items, captions and labels.

use std::collections::{HashMap, HashSet};

use sqlx::FromRow;

use super::item::{Caption, Item, SELECT_BY_KEYS};
use crate::catalog::{connection::Catalog, error::CatalogError, values::json_list};

/// A label and the number of items that have it.
#[derive(Debug, Clone, PartialEq, Eq, FromRow)]
pub struct LabelCount {
    /// The label.
    pub label: String,
    /// Number of items.
    pub count: i64,
}

/// Size of the collection.
#[derive(Debug, Clone, PartialEq, Eq, FromRow)]
pub struct Counts {
    /// Items.
    pub items: i64,
    /// Items with a readable image.
    pub images: i64,
    /// Captions.
    pub captions: i64,
    /// Labels that items have.
    pub labels: i64,
    /// Rejected records.
    pub rejections: i64,
}

/// What training needs to know of an item besides its features.
#[derive(Debug, Clone)]
pub struct TrainingItem {
    /// Key in the catalog and in the index of images.
    pub key: i64,
    /// Its id, chosen by the client or the record.
    pub id: String,
    /// blake3 of the image's bytes.
    pub content_hash: Vec<u8>,
    /// `train`, `validation` or `test`, if its record names a split.
    pub given_split: Option<String>,
    /// Labels, in alphabetical order; may be empty.
    pub labels: Vec<String>,
    /// Keys of the captions, in order.
    pub captions: Vec<i64>,
}

impl Catalog {
    /// The item with an id.
    ///
    /// # Errors
    /// If the database fails.
    pub async fn item(&self, id: &str) -> Result<Option<Item>, CatalogError> {
        Ok(self.items_by_id(&[id]).await?.remove(id))
    }

    /// The items among `ids` that exist, by id.
    ///
    /// # Errors
    /// If the database fails.
    pub async fn items_by_id(&self, ids: &[&str]) -> Result<HashMap<String, Item>, CatalogError> {
        let keys: Vec<i64> = sqlx::query_scalar("select key from items where id in (select value from json_each(?))")
            .bind(serde_json::Value::from(ids).to_string())
            .fetch_all(&self.readers)
            .await?;
        Ok(self.items_by_key(&keys).await?.into_values().map(|item| (item.id.clone(), item)).collect())
    }

    /// The items among `keys` that exist, by key.
    ///
    /// # Errors
    /// If the database fails.
    pub async fn items_by_key(&self, keys: &[i64]) -> Result<HashMap<i64, Item>, CatalogError> {
        let rows = sqlx::query(SELECT_BY_KEYS.as_str()).bind(json_list(keys)).fetch_all(&self.readers).await?;
        rows.iter().map(|row| Item::from_row(row).map(|item| (item.key, item))).collect()
    }

    /// The subset of `keys` that does not belong to an item with an image, such as keys in an index that is behind the
    /// catalog.
    ///
    /// # Errors
    /// If the database fails.
    pub async fn keys_without_image(&self, keys: &[i64]) -> Result<HashSet<i64>, CatalogError> {
        if keys.is_empty() {
            return Ok(HashSet::new());
        }
        let rows: Vec<i64> = sqlx::query_scalar(
            "select value from json_each(?)
             where not exists (select 1 from items where key = value and content_hash is not null)",
        )
        .bind(json_list(keys))
        .fetch_all(&self.readers)
        .await?;
        Ok(rows.into_iter().collect())
    }

    /// The captions among `keys` that exist, by key.
    ///
    /// # Errors
    /// If the database fails.
    pub async fn captions_by_key(&self, keys: &[i64]) -> Result<HashMap<i64, Caption>, CatalogError> {
        if keys.is_empty() {
            return Ok(HashMap::new());
        }
        let rows: Vec<Caption> = sqlx::query_as(
            "select key, item, position, text from captions where key in (select value from json_each(?))",
        )
        .bind(json_list(keys))
        .fetch_all(&self.readers)
        .await?;
        Ok(rows.into_iter().map(|caption| (caption.key, caption)).collect())
    }

    /// Labels of items, by key, in alphabetical order; items without labels are left out.
    ///
    /// # Errors
    /// If the database fails.
    pub async fn labels_by_item(&self, items: &[i64]) -> Result<HashMap<i64, Vec<String>>, CatalogError> {
        let rows: Vec<(i64, String)> = sqlx::query_as(
            "select il.item, l.name from item_labels il join labels l on l.key = il.label
             where il.item in (select value from json_each(?)) order by l.name",
        )
        .bind(json_list(items))
        .fetch_all(&self.readers)
        .await?;
        Ok(grouped(rows))
    }

    /// Whether any item has exactly this caption, ignoring the case of ASCII letters.
    ///
    /// # Errors
    /// If the database fails.
    pub async fn has_caption(&self, text: &str) -> Result<bool, CatalogError> {
        Ok(sqlx::query_scalar("select exists (select 1 from captions where lower(text) = lower(?))")
            .bind(text)
            .fetch_one(&self.readers)
            .await?)
    }

    /// Items that can be trained on, ordered by id: those with a readable image and a caption. Items without a label
    /// only train the pairing of images and captions.
    ///
    /// # Errors
    /// If the database fails.
    pub async fn training_items(&self) -> Result<Vec<TrainingItem>, CatalogError> {
        let rows: Vec<(i64, String, Vec<u8>, Option<String>)> = sqlx::query_as(
            "select key, id, content_hash, given_split from items
             where content_hash is not null and image_error is null
               and exists (select 1 from captions where item = items.key)
             order by id",
        )
        .fetch_all(&self.readers)
        .await?;
        let labels: Vec<(i64, String)> = sqlx::query_as(
            "select il.item, l.name from item_labels il join labels l on l.key = il.label order by l.name",
        )
        .fetch_all(&self.readers)
        .await?;
        let captions: Vec<(i64, i64)> =
            sqlx::query_as("select item, key from captions order by item, position").fetch_all(&self.readers).await?;
        let (mut labels, mut captions) = (grouped(labels), grouped(captions));
        Ok(rows
            .into_iter()
            .map(|(key, id, content_hash, given_split)| TrainingItem {
                key,
                id,
                content_hash,
                given_split,
                labels: labels.remove(&key).unwrap_or_default(),
                captions: captions.remove(&key).unwrap_or_default(),
            })
            .collect())
    }

    /// Size of the collection.
    ///
    /// # Errors
    /// If the database fails.
    pub async fn counts(&self) -> Result<Counts, CatalogError> {
        Ok(sqlx::query_as(
            "select (select count(*) from items) as items,
                    (select count(*) from items where content_hash is not null and image_error is null) as images,
                    (select count(*) from captions) as captions,
                    (select count(distinct label) from item_labels) as labels,
                    (select count(*) from rejections) as rejections",
        )
        .fetch_one(&self.readers)
        .await?)
    }
}

/// The values of each item, in their order.
fn grouped<T>(rows: Vec<(i64, T)>) -> HashMap<i64, Vec<T>> {
    let mut groups: HashMap<i64, Vec<T>> = HashMap::new();
    for (item, value) in rows {
        groups.entry(item).or_default().push(value);
    }
    groups
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::{NewImage, NewItem};

    #[tokio::test]
    async fn items_are_read_back_as_written_including_unusual_text() {
        let folder = tempfile::tempdir().expect("a folder");
        let catalog = Catalog::open(folder.path()).await.expect("a catalog");
        let captions =
            ["\"quoted\" \\ and\nbroken\t", "nul \0 inside", "", "🐦 \u{7f} \u{2028}", "[1,2]"].map(str::to_owned);
        let labels = ["a, b", "\"x\"", "z\u{1}", "ä"].map(str::to_owned);
        let image = |n: u8| NewImage { content_hash: [n; 32], width: 2, height: 3, ..NewImage::default() };
        let item = |id: &str, image: Option<NewImage>, captions: &[String], labels: &[String]| NewItem {
            id: id.into(),
            image,
            captions: captions.to_vec(),
            labels: labels.to_vec(),
            meta: r#"{"year": 1990}"#.into(),
            ..NewItem::default()
        };
        let items = [
            item("whole", Some(image(1)), &captions, &labels),
            item("bare", Some(image(2)), &[], &[]),
            item("text only", None, &captions[..1], &labels[..1]),
        ];
        catalog.import_batch(&items, &[]).await.expect("imported");

        let whole = catalog.item("whole").await.expect("read").expect("an item");
        let texts = whole.captions.iter().map(|caption| &caption.text);
        assert!(texts.eq(&captions), "in their order: {:?}", whole.captions);
        assert!(whole.captions.iter().zip(0..).all(|(c, at)| c.position == at && c.item == whole.key && c.key > 0));
        assert_eq!(whole.labels, ["\"x\"", "a, b", "z\u{1}", "ä"], "in alphabetical order");
        assert_eq!((whole.width, whole.height, &whole.meta["year"]), (Some(2), Some(3), &1990.into()));
        let bare = catalog.item("bare").await.expect("read").expect("an item");
        assert!(bare.captions.is_empty() && bare.labels.is_empty());
        let text_only = catalog.item("text only").await.expect("read").expect("an item");

        let keys = [whole.key, 99, bare.key, text_only.key];
        assert_eq!(catalog.items_by_key(&keys).await.expect("read").len(), 3);
        let without_image = async || catalog.keys_without_image(&keys).await.expect("read");
        assert_eq!(without_image().await, HashSet::from([99, text_only.key]));
        let before = catalog.latest_watermark().await.expect("read");
        catalog.delete_items(&[bare.key]).await.expect("deleted");
        assert_eq!(without_image().await, HashSet::from([99, bare.key, text_only.key]));
        assert!(catalog.latest_watermark().await.expect("read") > before);
    }
}
