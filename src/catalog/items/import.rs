//! Writing what an import found.

use std::collections::HashMap;

use sqlx::FromRow;

use super::{
    item::NewItem,
    write::{Unsaid, put_row},
};
use crate::catalog::{connection::Catalog, error::CatalogError, values::now_ms};

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

impl Catalog {
    /// What is known of the records of those of `ids` that are there, as an import took them last.
    ///
    /// # Errors
    /// If the database fails.
    pub async fn known_records(&self, ids: &[&str]) -> Result<HashMap<String, KnownRecord>, CatalogError> {
        let rows: Vec<KnownRow> = sqlx::query_as(
            "select id, coalesce(imported_hash, record_hash) as record_hash from items
                 where id in (select value from json_each(?))",
        )
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
            put_row(&mut tx, item, Unsaid::Goes, now).await?;
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::{Kept, NewFeatures, NewImage, Put};

    #[tokio::test]
    async fn a_split_and_equal_captions_stay_when_an_item_is_put_again() {
        let folder = tempfile::tempdir().expect("a folder");
        let catalog = Catalog::open(folder.path()).await.expect("a catalog");
        let item = |captions: &[&str], given_split| NewItem {
            id: "barn".into(),
            image: Some(NewImage { content_hash: [1; 32], ..NewImage::default() }),
            captions: captions.iter().map(|&text| text.to_owned()).collect(),
            labels: vec!["barns".into()],
            given_split,
            ..NewItem::default()
        };
        let known = async || catalog.training_items().await.expect("items").remove(0);
        catalog.import_batch(&[item(&["red", "old"], Some("test"))], &[]).await.expect("taken");
        let first = known().await;
        let again = item(&["red", "new"], None);
        let kept = catalog.put_item(&again, &NewFeatures::default(), &Put::Replace).await.expect("kept");
        let second = known().await;
        assert_eq!((kept, second.given_split.as_deref()), (Kept::Replaced, Some("test")));
        assert_eq!(second.captions[0], first.captions[0], "what stays keeps its key");
        assert_ne!(second.captions[1], first.captions[1]);
        catalog.import_batch(&[item(&["red"], None)], &[]).await.expect("taken");
        assert_eq!(known().await.given_split, None, "a record says all that there is to say");
    }

    #[tokio::test]
    async fn a_record_that_says_the_same_again_is_known_whatever_became_of_its_item() {
        let folder = tempfile::tempdir().expect("a folder");
        let catalog = Catalog::open(folder.path()).await.expect("a catalog");
        let item =
            |label: &str, hash: u8| NewItem { record_hash: [hash; 32], ..NewItem::captioned("barn", "a barn", label) };
        let known =
            async || catalog.known_records(&["barn"]).await.expect("read").remove("barn").map(|r| r.record_hash);
        catalog.import_batch(&[item("fields", 1)], &[]).await.expect("taken");
        for hash in [2, 3] {
            let mended = item("barns", hash);
            catalog.put_item(&mended, &NewFeatures::default(), &Put::Replace).await.expect("kept");
            assert_eq!(known().await, Some(vec![1; 32]), "the import took this one");
        }
        catalog.import_batch(&[item("sheds", 4)], &[]).await.expect("taken");
        assert_eq!(known().await, Some(vec![4; 32]));
    }
}
