//! Import of records: writing of items in batches, and rejected records.

use std::collections::HashMap;

use super::write::{UnspecifiedFields, upsert_item};
use crate::catalog::{Catalog, CatalogError, NewItem, now_ms};

/// A record that an import rejected.
#[derive(Debug, Clone)]
pub struct NewRejection {
    /// File that contains the record.
    pub file: String,
    /// Line of the record, or `None` if it is the whole file.
    pub line: Option<u64>,
    /// Why it was rejected.
    pub reason: String,
}

impl Catalog {
    /// Hashes of the records that the existing items among `ids` were imported from, by id.
    ///
    /// # Errors
    /// If the database fails.
    pub async fn known_records(&self, ids: &[&str]) -> Result<HashMap<String, Vec<u8>>, CatalogError> {
        let rows: Vec<(String, Vec<u8>)> = sqlx::query_as(
            "select id, coalesce(imported_hash, record_hash) from items where id in (select value from json_each(?))",
        )
        .bind(serde_json::Value::from(ids).to_string())
        .fetch_all(&self.readers)
        .await?;
        Ok(rows.into_iter().collect())
    }

    /// Writes items and rejections in one transaction. An item whose id exists is replaced.
    ///
    /// # Errors
    /// If the database fails; then nothing is written.
    pub async fn import_batch(&self, items: &[NewItem], rejections: &[NewRejection]) -> Result<(), CatalogError> {
        let mut tx = self.writer.begin_with("begin immediate").await?;
        let now = now_ms();
        for item in items {
            upsert_item(&mut tx, item, UnspecifiedFields::Clear, now).await?;
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

    /// Deletes the rejections of records that were accepted later.
    ///
    /// # Errors
    /// If the database fails.
    pub async fn delete_rejections(&self, origins: &[(String, Option<u64>)]) -> Result<(), CatalogError> {
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

    /// Rejected records, ordered by file and line: at most `limit`.
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

/// Line number as stored: 0 where the record is the whole file.
fn line_key(line: Option<u64>) -> i64 {
    line.and_then(|l| i64::try_from(l).ok()).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::{NewFeatures, NewImage, PutOutcome, WriteCondition};

    #[tokio::test]
    async fn replacing_an_item_keeps_its_split_and_the_keys_of_equal_captions() {
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
        catalog.import_batch(&[item(&["red", "old"], Some("test"))], &[]).await.expect("imported");
        let first = known().await;
        let again = item(&["red", "new"], None);
        let outcome =
            catalog.put_item(&again, &NewFeatures::default(), &WriteCondition::Always).await.expect("written");
        let second = known().await;
        assert_eq!((outcome, second.given_split.as_deref()), (PutOutcome::Replaced, Some("test")));
        assert_eq!(second.captions[0], first.captions[0], "an unchanged caption keeps its key");
        assert_ne!(second.captions[1], first.captions[1]);
        catalog.import_batch(&[item(&["red"], None)], &[]).await.expect("imported");
        assert_eq!(known().await.given_split, None, "an import clears it");
    }

    #[tokio::test]
    async fn an_unchanged_record_is_recognised_after_its_item_was_edited() {
        let folder = tempfile::tempdir().expect("a folder");
        let catalog = Catalog::open(folder.path()).await.expect("a catalog");
        let item =
            |label: &str, hash: u8| NewItem { record_hash: [hash; 32], ..NewItem::captioned("barn", "a barn", label) };
        let known = async || catalog.known_records(&["barn"]).await.expect("read").remove("barn");
        catalog.import_batch(&[item("fields", 1)], &[]).await.expect("imported");
        for hash in [2, 3] {
            let edited = item("barns", hash);
            catalog.put_item(&edited, &NewFeatures::default(), &WriteCondition::Always).await.expect("written");
            assert_eq!(known().await, Some(vec![1; 32]), "the record that was imported");
        }
        catalog.import_batch(&[item("sheds", 4)], &[]).await.expect("imported");
        assert_eq!(known().await, Some(vec![4; 32]));
    }
}
