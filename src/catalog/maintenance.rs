//! Reclaiming of disk space, in steps so short that other writers do not have to wait.

use std::{collections::HashSet, time::Duration};

use sqlx::{Connection, SqliteConnection};

use super::{connection::Catalog, error::CatalogError};

/// Rows of `features` that one transaction examines.
const FEATURES_PER_STEP: i64 = 2_000;

/// Pages of a full-text index that one transaction merges.
const MERGE_PAGES: i64 = 250;

/// Truncates the file by some free pages in one transaction. The number is part of the text, as a pragma takes no bound
/// values.
const INCREMENTAL_VACUUM: &str = "pragma incremental_vacuum(500)";

/// How long a checkpoint waits for readers of the WAL, while writers wait for the checkpoint.
const CHECKPOINT_TIMEOUT: Duration = Duration::from_millis(500);

/// Databases created without incremental vacuum get a full `VACUUM`, but only up to this size in bytes: it blocks
/// writers for a few seconds on a slow disk.
const MAX_FULL_VACUUM: u64 = 256 << 20;

/// How free pages can be returned to the file system.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum VacuumMode {
    /// In small steps, while others write.
    Incremental,
    /// By a full `VACUUM`, after which incremental vacuum works: the database was created without it and is small.
    Full,
    /// Not at all: the database was created without incremental vacuum and is too large to block writers. Free pages
    /// are reused.
    TooLarge,
}

impl Catalog {
    /// Largest row id of the features; 0 if there are none.
    ///
    /// # Errors
    /// If the database fails.
    pub async fn max_feature_rowid(&self) -> Result<i64, CatalogError> {
        let last: Option<i64> = sqlx::query_scalar("select max(rowid) from features").fetch_one(&self.readers).await?;
        Ok(last.unwrap_or(0))
    }

    /// Deletes features whose image or caption no item has, among some rows after row id `after`. Returns the last row
    /// id that was examined, and the number of deleted rows.
    ///
    /// # Errors
    /// If the database fails.
    pub async fn delete_unused_features(&self, after: i64) -> Result<(i64, u64), CatalogError> {
        let last = after + FEATURES_PER_STEP;
        let deleted = sqlx::query(
            "delete from features where rowid > ? and rowid <= ?
                and not exists (select 1 from items where content_hash = features.hash)
                and not exists (select 1 from captions where text_hash = features.hash)",
        )
        .bind(after)
        .bind(last)
        .execute(&self.writer)
        .await?;
        Ok((last, deleted.rows_affected()))
    }

    /// The subset of `hashes` (content hashes of images in hex) that items have.
    ///
    /// # Errors
    /// If the database fails.
    pub async fn content_hashes_in_use(&self, hashes: &[String]) -> Result<HashSet<String>, CatalogError> {
        in_use(&mut *self.readers.acquire().await?, hashes).await
    }

    /// Calls `work` with the subset of `hashes` (as for [`Self::content_hashes_in_use`]) that no item has. Writes are
    /// locked out until it returns, so none of these images can come into use; `work` has to be short.
    ///
    /// # Errors
    /// If the database fails.
    pub async fn lock_if_unused<T: Send + 'static>(
        &self,
        hashes: Vec<String>,
        work: impl FnOnce(Vec<String>) -> T + Send + 'static,
    ) -> Result<T, CatalogError> {
        let mut tx = self.writer.begin_with("begin immediate").await?;
        let used = in_use(&mut tx, &hashes).await?;
        let unused: Vec<String> = hashes.into_iter().filter(|hash| !used.contains(hash)).collect();
        let done = tokio::task::spawn_blocking(|| work(unused)).await;
        tx.rollback().await?;
        done.map_err(|e| CatalogError::Database(sqlx::Error::Io(std::io::Error::other(e))))
    }

    /// Merges a part of the full-text indexes, which removes deleted entries from them. The first call of a series
    /// passes `first`. Returns whether there is more to merge.
    ///
    /// # Errors
    /// If the database fails.
    pub async fn merge_fts(&self, first: bool) -> Result<bool, CatalogError> {
        let pages = if first { -MERGE_PAGES } else { MERGE_PAGES };
        let mut connection = self.writer.acquire().await?;
        let mut more = false;
        for merge in [
            "insert into item_words (item_words, rank) values ('merge', ?)",
            "insert into caption_words (caption_words, rank) values ('merge', ?)",
        ] {
            // From FTS5's documentation: a merge with nothing to do changes fewer than two rows.
            let before = changes(&mut connection).await?;
            sqlx::query(merge).bind(pages).execute(&mut *connection).await?;
            more |= changes(&mut connection).await? - before >= 2;
        }
        Ok(more)
    }

    /// How free pages can be returned to the file system.
    ///
    /// # Errors
    /// If the database fails.
    pub async fn vacuum_mode(&self) -> Result<VacuumMode, CatalogError> {
        // Asked on the writer, since readers may not have noticed a full vacuum yet.
        let mode: i64 = sqlx::query_scalar("pragma auto_vacuum").fetch_one(&self.writer).await?;
        Ok(match mode {
            0 if self.size_bytes().await? <= MAX_FULL_VACUUM => VacuumMode::Full,
            0 => VacuumMode::TooLarge,
            _ => VacuumMode::Incremental,
        })
    }

    /// Rewrites the whole database without its free pages and enables incremental vacuum. Blocks writers meanwhile.
    ///
    /// # Errors
    /// If the database fails.
    pub async fn full_vacuum(&self) -> Result<(), CatalogError> {
        let mut connection = self.writer.acquire().await?;
        sqlx::query("pragma auto_vacuum = incremental").execute(&mut *connection).await?;
        sqlx::query("vacuum").execute(&mut *connection).await?;
        Ok(())
    }

    /// Number of free pages.
    ///
    /// # Errors
    /// If the database fails.
    pub async fn free_pages(&self) -> Result<u64, CatalogError> {
        let free: i64 = sqlx::query_scalar("pragma freelist_count").fetch_one(&self.readers).await?;
        Ok(free.unsigned_abs())
    }

    /// Returns some free pages to the file system. Returns how many are left.
    ///
    /// # Errors
    /// If the database fails.
    pub async fn incremental_vacuum(&self) -> Result<u64, CatalogError> {
        sqlx::query(INCREMENTAL_VACUUM).fetch_all(&self.writer).await?;
        self.free_pages().await
    }

    /// Runs `PRAGMA optimize`, then checkpoints and truncates the WAL. Returns `false` if readers prevented the
    /// truncation.
    ///
    /// # Errors
    /// If the database fails.
    pub async fn checkpoint_and_analyze(&self) -> Result<bool, CatalogError> {
        sqlx::query("pragma optimize").execute(&self.writer).await?;
        let options = self.writer.connect_options().as_ref().clone().busy_timeout(CHECKPOINT_TIMEOUT);
        let mut connection = SqliteConnection::connect_with(&options).await?;
        let (busy, ..): (i64, i64, i64) =
            sqlx::query_as("pragma wal_checkpoint(truncate)").fetch_one(&mut connection).await?;
        connection.close().await?;
        Ok(busy == 0)
    }
}

/// The subset of `hashes` that items have.
async fn in_use(connection: &mut SqliteConnection, hashes: &[String]) -> Result<HashSet<String>, CatalogError> {
    let rows: Vec<String> = sqlx::query_scalar(
        "select value from json_each(?) where exists (select 1 from items where content_hash = unhex(value))",
    )
    .bind(serde_json::Value::from(hashes).to_string())
    .fetch_all(connection)
    .await?;
    Ok(rows.into_iter().collect())
}

/// Number of rows that a connection has changed.
async fn changes(connection: &mut SqliteConnection) -> Result<i64, CatalogError> {
    Ok(sqlx::query_scalar("select total_changes()").fetch_one(connection).await?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::{DeleteOutcome, FILE, NewFeatures, NewImage, NewItem, PutOutcome, WriteCondition};

    fn item(id: &str, path: &std::path::Path) -> (NewItem, NewFeatures) {
        let content_hash = *blake3::hash(id.as_bytes()).as_bytes();
        let image = NewImage { content_hash, path: path.display().to_string(), ..NewImage::default() };
        let caption = format!("a picture of {id}");
        let features = NewFeatures {
            image_encoder: "pictures".into(),
            text_encoder: "texts".into(),
            image: Some((content_hash, vec![1.0; 8])),
            texts: vec![(*blake3::hash(caption.as_bytes()).as_bytes(), vec![1.0; 8])],
        };
        let item = NewItem {
            id: id.into(),
            image: Some(image),
            captions: vec![caption],
            labels: vec!["things".into()],
            ..NewItem::default()
        };
        (item, features)
    }

    #[tokio::test]
    async fn cleanup_deletes_only_what_no_item_uses() {
        let folder = tempfile::tempdir().expect("a folder");
        let catalog = Catalog::open(folder.path()).await.expect("a catalog");
        let path = folder.path().join("picture");
        let put = async |id: &str| {
            let (item, features) = item(id, &path);
            catalog.put_item(&item, &features, &WriteCondition::IfAbsent).await.expect("an answer")
        };
        // An item whose image file is missing is not stored, and neither are its features.
        assert_eq!(put("barn").await, PutOutcome::ImageFileMissing);
        assert_eq!(
            (catalog.counts().await.expect("counts").items, catalog.max_feature_rowid().await.expect("a row")),
            (0, 0)
        );
        std::fs::write(&path, "a picture").expect("a file");
        for n in 0..300 {
            assert_eq!(put(&format!("barn {n}")).await, PutOutcome::Created);
        }
        for n in (0..300).filter(|n| n % 3 != 0) {
            assert_eq!(
                catalog.delete_item(&format!("barn {n}"), None).await.expect("an answer"),
                DeleteOutcome::Deleted
            );
        }
        let last = catalog.max_feature_rowid().await.expect("a row");
        let (mut at, mut deleted) = (0, 0);
        while at < last {
            let (next, some) = catalog.delete_unused_features(at).await.expect("deleted");
            (at, deleted) = (next, deleted + some);
        }
        assert_eq!(deleted, 400);
        let hex = |id: &str| blake3::hash(id.as_bytes()).to_hex().to_string();
        let hashes = vec![hex("barn 0"), hex("barn 1"), hex("a house")];
        assert_eq!(catalog.content_hashes_in_use(&hashes).await.expect("an answer"), HashSet::from([hex("barn 0")]));
        let unused = catalog.lock_if_unused(hashes, |unused| unused).await.expect("an answer");
        assert_eq!(unused, [hex("barn 1"), hex("a house")]);

        let found = async |text: &str| catalog.search_items(text, None, 500).await.expect("keys");
        let before = (found("picture").await, found("3 barn").await);
        assert_eq!(before.0.len(), 100);
        let mut more = catalog.merge_fts(true).await.expect("merged");
        while more {
            more = catalog.merge_fts(false).await.expect("merged");
        }
        assert_eq!((found("picture").await, found("3 barn").await), before);
        assert_eq!(catalog.vacuum_mode().await.expect("a mode"), VacuumMode::Incremental);
        while catalog.free_pages().await.expect("a number") > 0 {
            catalog.incremental_vacuum().await.expect("vacuumed");
        }
        assert!(catalog.checkpoint_and_analyze().await.expect("truncated"));
        assert_eq!(std::fs::metadata(folder.path().join("catalog.sqlite3-wal")).expect("a log").len(), 0);
        catalog.integrity_check().await.expect("it is intact");
    }

    #[tokio::test]
    async fn a_database_without_incremental_vacuum_gets_it_by_a_full_vacuum() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join(FILE);
        let options = sqlx::sqlite::SqliteConnectOptions::new().filename(&file).create_if_missing(true);
        let mut connection = SqliteConnection::connect_with(&options).await.expect("a database");
        sqlx::query("create table other (x)").execute(&mut connection).await.expect("a table");
        connection.close().await.expect("closed");
        let catalog = Catalog::open(folder.path()).await.expect("a catalog");
        assert_eq!(catalog.vacuum_mode().await.expect("a mode"), VacuumMode::Full);
        catalog.full_vacuum().await.expect("written");
        assert_eq!(catalog.vacuum_mode().await.expect("a mode"), VacuumMode::Incremental);
        catalog.set_property("one", "more").await.expect("written");
        catalog.integrity_check().await.expect("it is intact");
    }
}
