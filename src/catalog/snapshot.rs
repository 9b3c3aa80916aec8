//! Consistent copy of the catalog for a backup, and the images that backup and restore have to copy.

use std::{
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use sqlx::{Connection, SqliteConnection};

use super::{Catalog, CatalogError, FILE, values::from_json};

/// Instructions of SQLite's virtual machine between two checks of the stop flag: less than a millisecond.
const CHECK_STOP_EVERY: i32 = 10_000;

/// Items whose image paths are rewritten in one transaction.
const ITEMS_PER_TRANSACTION: u32 = 5_000;

/// An image and its files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredImage {
    /// blake3 of its bytes.
    pub content_hash: Vec<u8>,
    /// Media type of its bytes.
    pub mime: String,
    /// Paths that items have for it.
    pub paths: Vec<String>,
}

impl Catalog {
    /// Writes a consistent copy of the catalog to a new file, while others read and write.
    ///
    /// # Errors
    /// If the database or the file system fails, or soon after `stop` is set; then the file, if there is one, is
    /// incomplete.
    pub async fn copy_to(&self, file: &Path, stop: Arc<AtomicBool>) -> Result<(), CatalogError> {
        let file = file.to_str().ok_or_else(|| CatalogError::Damaged {
            place: "path of the copy",
            reason: format!("{} is not UTF-8", file.display()),
        })?;
        let options = self.readers.connect_options();
        let mut connection = SqliteConnection::connect_with(&options).await?;
        connection.lock_handle().await?.set_progress_handler(CHECK_STOP_EVERY, move || !stop.load(Ordering::Relaxed));
        // A database that predates incremental vacuum is given it here, since all of it is rewritten anyway.
        let mode: i64 = sqlx::query_scalar("pragma auto_vacuum").fetch_one(&mut connection).await?;
        if mode == 0 {
            sqlx::query("pragma auto_vacuum = incremental").execute(&mut connection).await?;
        }
        sqlx::query("vacuum into ?").bind(file).execute(&mut connection).await?;
        connection.close().await?;
        Ok(())
    }

    /// Size of the catalog in bytes, without the WAL.
    ///
    /// # Errors
    /// If the database fails.
    pub async fn size_bytes(&self) -> Result<u64, CatalogError> {
        let (pages, size): (i64, i64) =
            sqlx::query_as("select * from pragma_page_count, pragma_page_size").fetch_one(&self.readers).await?;
        Ok(pages.unsigned_abs() * size.unsigned_abs())
    }

    /// Checks the structure of the database.
    ///
    /// # Errors
    /// [`CatalogError::Damaged`] with SQLite's findings.
    pub async fn integrity_check(&self) -> Result<(), CatalogError> {
        let findings: Vec<String> = sqlx::query_scalar("pragma quick_check(3)").fetch_all(&self.readers).await?;
        if findings == ["ok"] {
            return Ok(());
        }
        Err(CatalogError::Damaged { place: FILE, reason: findings.join("; ") })
    }

    /// Images, each content once, ordered by content hash: at most `limit` of those after `after` (empty for the first
    /// page).
    ///
    /// # Errors
    /// If the database fails.
    pub async fn stored_images(&self, after: &[u8], limit: u32) -> Result<Vec<StoredImage>, CatalogError> {
        let rows: Vec<(Vec<u8>, Option<String>, String)> = sqlx::query_as(
            "select content_hash, min(image_mime), json_group_array(distinct image_path) from items
             where content_hash > ? group by content_hash order by content_hash limit ?",
        )
        .bind(after)
        .bind(limit)
        .fetch_all(&self.readers)
        .await?;
        let image = |(content_hash, mime, paths): (Vec<u8>, Option<String>, String)| {
            let paths: Vec<Option<String>> = from_json("items.image_path", &paths)?;
            let paths = paths.into_iter().flatten().collect();
            Ok(StoredImage { content_hash, mime: mime.unwrap_or_default(), paths })
        };
        rows.into_iter().map(image).collect()
    }

    /// Number of distinct images.
    ///
    /// # Errors
    /// If the database fails.
    pub async fn count_images(&self) -> Result<u64, CatalogError> {
        let count: i64 =
            sqlx::query_scalar("select count(distinct content_hash) from items").fetch_one(&self.readers).await?;
        Ok(count.unsigned_abs())
    }

    /// Sets the path of every image to what `path_of` returns for its content hash and media type.
    ///
    /// # Errors
    /// If the database fails.
    pub async fn rewrite_image_paths(
        &self,
        path_of: &(dyn Fn(&[u8], &str) -> String + Sync),
    ) -> Result<(), CatalogError> {
        let mut after = 0;
        loop {
            let mut tx = self.writer.begin_with("begin immediate").await?;
            let rows: Vec<(i64, Option<Vec<u8>>, Option<String>)> =
                sqlx::query_as("select key, content_hash, image_mime from items where key > ? order by key limit ?")
                    .bind(after)
                    .bind(ITEMS_PER_TRANSACTION)
                    .fetch_all(&mut *tx)
                    .await?;
            let Some((last, ..)) = rows.last() else { return Ok(()) };
            after = *last;
            for (key, content, mime) in rows {
                let path = content.map(|content| path_of(&content, mime.as_deref().unwrap_or_default()));
                sqlx::query("update items set image_path = ? where key = ?")
                    .bind(path)
                    .bind(key)
                    .execute(&mut *tx)
                    .await?;
            }
            tx.commit().await?;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn copy_is_complete_and_stops_on_request() {
        let folder = tempfile::tempdir().expect("a folder");
        let catalog = Catalog::open(folder.path()).await.expect("a catalog");
        let features: Vec<(Vec<u8>, Vec<f32>)> =
            (0..30_000u32).map(|n| (n.to_le_bytes().to_vec(), vec![n as f32; 4])).collect();
        catalog.put_features("some", &features, &[]).await.expect("kept");
        let elsewhere = folder.path().join("elsewhere");
        std::fs::create_dir(&elsewhere).expect("a folder");
        let stopped = catalog.copy_to(&elsewhere.join("stopped"), Arc::new(AtomicBool::new(true))).await;
        assert!(stopped.is_err_and(|e| e.to_string().contains("interrupted")));
        let file = elsewhere.join(FILE);
        catalog.copy_to(&file, Arc::new(AtomicBool::new(false))).await.expect("copied");
        let copy = Catalog::open(&elsewhere).await.expect("a catalog");
        copy.integrity_check().await.expect("it is intact");
        assert_eq!(copy.max_feature_rowid().await.expect("a row"), 30_000);
        assert_eq!(copy.collection_name().await.expect("a name"), catalog.collection_name().await.expect("a name"));
        assert!(catalog.copy_to(&file, Arc::default()).await.is_err(), "an existing file is not overwritten");
    }
}
