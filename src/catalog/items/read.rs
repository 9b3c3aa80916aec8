//! Reading what the collection holds.

use std::collections::{HashMap, HashSet};

use sqlx::{FromRow, QueryBuilder, sqlite::SqliteRow};

use super::item::{Caption, Item, SELECT};
use crate::catalog::{
    connection::Catalog,
    error::CatalogError,
    values::{from_json, json_list},
};

/// A class and how many items bear it.
#[derive(Debug, Clone, PartialEq, Eq, FromRow)]
pub struct LabelCount {
    /// The class.
    pub label: String,
    /// Items that bear it.
    pub count: i64,
}

/// How much there is of everything.
#[derive(Debug, Clone, PartialEq, Eq, FromRow)]
pub struct Counts {
    /// Items.
    pub items: i64,
    /// Items with a picture that can be read.
    pub pictures: i64,
    /// Captions.
    pub captions: i64,
    /// Classes that an item bears.
    pub labels: i64,
    /// Records that could not be taken.
    pub rejections: i64,
}

/// What the trainer needs to know of an item beside its features.
#[derive(Debug, Clone)]
pub struct TrainingItem {
    /// What the index calls it.
    pub key: i64,
    /// What its owner calls it.
    pub id: String,
    /// blake3 of the picture's bytes.
    pub content_hash: Vec<u8>,
    /// The split its owner gave it.
    pub given_split: Option<String>,
    /// Its class names, in alphabetical order; none if nobody labelled it.
    pub labels: Vec<String>,
    /// Keys of its captions, in order.
    pub captions: Vec<i64>,
}

impl Catalog {
    /// The item that its owner calls `id`.
    ///
    /// # Errors
    /// If the database fails.
    pub async fn item(&self, id: &str) -> Result<Option<Item>, CatalogError> {
        Ok(self.items_called(&[id]).await?.remove(id))
    }

    /// Those of `ids` that are there, by what their owner calls them.
    ///
    /// # Errors
    /// If the database fails.
    pub async fn items_called(&self, ids: &[&str]) -> Result<HashMap<String, Item>, CatalogError> {
        let keys: Vec<i64> = sqlx::query_scalar("select key from items where id in (select value from json_each(?))")
            .bind(serde_json::Value::from(ids).to_string())
            .fetch_all(&self.readers)
            .await?;
        Ok(self.items(&keys).await?.into_values().map(|item| (item.id.clone(), item)).collect())
    }

    /// Those of `keys` that are there, by key.
    ///
    /// # Errors
    /// If the database fails.
    pub async fn items(&self, keys: &[i64]) -> Result<HashMap<i64, Item>, CatalogError> {
        let mut query = QueryBuilder::new(SELECT.as_str());
        query.push(" where i.key in (select value from json_each(").push_bind(json_list(keys)).push("))");
        let rows: Vec<SqliteRow> = query.build().fetch_all(&self.readers).await?;
        let items = rows.iter().map(|row| Item::from_row(row).map(|item| (item.key, item)));
        items.collect()
    }

    /// Those of `keys` that are no item with a picture: what an index still holds and the catalog does not.
    ///
    /// # Errors
    /// If the database fails.
    pub async fn no_pictures_among(&self, keys: &[i64]) -> Result<HashSet<i64>, CatalogError> {
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

    /// Those of `keys` that are captions, by key.
    ///
    /// # Errors
    /// If the database fails.
    pub async fn captions_among(&self, keys: &[i64]) -> Result<HashMap<i64, Caption>, CatalogError> {
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

    /// Class names of those of `items` that bear any.
    ///
    /// # Errors
    /// If the database fails.
    pub async fn labels_of(&self, items: &[i64]) -> Result<HashMap<i64, Vec<String>>, CatalogError> {
        let rows: Vec<(i64, String)> = sqlx::query_as(
            "select il.item, l.name from item_labels il join labels l on l.key = il.label
             where il.item in (select value from json_each(?)) order by l.name",
        )
        .bind(json_list(items))
        .fetch_all(&self.readers)
        .await?;
        let mut labels: HashMap<i64, Vec<String>> = HashMap::new();
        for (item, label) in rows {
            labels.entry(item).or_default().push(label);
        }
        Ok(labels)
    }

    /// Whether an item has this caption, word for word, case aside.
    ///
    /// # Errors
    /// If the database fails.
    pub async fn has_caption(&self, text: &str) -> Result<bool, CatalogError> {
        Ok(sqlx::query_scalar("select exists (select 1 from captions where lower(text) = lower(?))")
            .bind(text)
            .fetch_one(&self.readers)
            .await?)
    }

    /// Everything that can be learned from: items with a readable picture and a caption, by owner's id. Those without a label
    /// teach which caption belongs to which picture, and nothing of classes.
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
        let mut labels: HashMap<i64, Vec<String>> = HashMap::new();
        let label_rows: Vec<(i64, String)> = sqlx::query_as(
            "select il.item, l.name from item_labels il join labels l on l.key = il.label order by l.name",
        )
        .fetch_all(&self.readers)
        .await?;
        for (item, label) in label_rows {
            labels.entry(item).or_default().push(label);
        }
        let mut captions: HashMap<i64, Vec<i64>> = HashMap::new();
        let caption_rows: Vec<(i64, i64)> =
            sqlx::query_as("select item, key from captions order by item, position").fetch_all(&self.readers).await?;
        for (item, key) in caption_rows {
            captions.entry(item).or_default().push(key);
        }
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

    /// How much there is of everything.
    ///
    /// # Errors
    /// If the database fails.
    pub async fn counts(&self) -> Result<Counts, CatalogError> {
        Ok(sqlx::query_as(
            "select (select count(*) from items) as items,
                    (select count(*) from items where content_hash is not null and image_error is null) as pictures,
                    (select count(*) from captions) as captions,
                    (select count(distinct label) from item_labels) as labels,
                    (select count(*) from rejections) as rejections",
        )
        .fetch_one(&self.readers)
        .await?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::{NewImage, NewItem};

    #[tokio::test]
    async fn items_are_read_as_they_were_written_whatever_they_say() {
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
            item("told", None, &captions[..1], &labels[..1]),
        ];
        catalog.import_batch(&items, &[]).await.expect("taken");

        let whole = catalog.item("whole").await.expect("read").expect("there");
        let texts = whole.captions.iter().map(|caption| &caption.text);
        assert!(texts.eq(&captions), "in their order: {:?}", whole.captions);
        assert!(whole.captions.iter().zip(0..).all(|(c, at)| c.position == at && c.item == whole.key && c.key > 0));
        assert_eq!(whole.labels, ["\"x\"", "a, b", "z\u{1}", "ä"], "in alphabetical order");
        assert_eq!((whole.width, whole.height, &whole.meta["year"]), (Some(2), Some(3), &1990.into()));
        let bare = catalog.item("bare").await.expect("read").expect("there");
        assert!(bare.captions.is_empty() && bare.labels.is_empty());
        let told = catalog.item("told").await.expect("read").expect("there");

        let keys = [whole.key, 99, bare.key, told.key];
        assert_eq!(catalog.items(&keys).await.expect("read").len(), 3);
        let gone = async || catalog.no_pictures_among(&keys).await.expect("read");
        assert_eq!(gone().await, HashSet::from([99, told.key]));
        let before = catalog.newest_change().await.expect("read");
        catalog.delete_items(&[bare.key]).await.expect("gone");
        assert_eq!(gone().await, HashSet::from([99, bare.key, told.key]));
        assert!(catalog.newest_change().await.expect("read") > before);
    }
}
