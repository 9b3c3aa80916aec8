//! A copy of the catalog for a backup, and what a backup and a restore have to know of its pictures.

use std::{
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use sqlx::{Connection, SqliteConnection};

use super::{
    connection::{Catalog, FILE},
    error::CatalogError,
    values::from_json,
};

/// Steps of SQLite's machine between two looks at whether the work is to stop: less than a millisecond.
const LOOK_EVERY: i32 = 10_000;

/// Items of which the pictures are placed in one transaction.
const AT_ONCE: u32 = 5_000;

/// A picture and where it lies.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredPicture {
    /// blake3 of its bytes.
    pub content_hash: Vec<u8>,
    /// Media type of its bytes.
    pub mime: String,
    /// All places where items say that it lies.
    pub paths: Vec<String>,
}

impl Catalog {
    /// Writes all of the catalog, as it is at one moment, into a new file. Others read and write meanwhile.
    ///
    /// # Errors
    /// If the database or the file system fails, or soon after `stop` is set; then what is there of the file is worth nothing.
    pub async fn copy_to(&self, file: &Path, stop: Arc<AtomicBool>) -> Result<(), CatalogError> {
        let file = file.to_str().ok_or_else(|| CatalogError::Damaged {
            place: "the copy's path",
            reason: format!("{} is not UTF-8", file.display()),
        })?;
        let options = self.readers.connect_options();
        let mut connection = SqliteConnection::connect_with(&options).await?;
        connection.lock_handle().await?.set_progress_handler(LOOK_EVERY, move || !stop.load(Ordering::Relaxed));
        // A catalog from before gives back what is deleted only when it is written anew, as it is here.
        let mode: i64 = sqlx::query_scalar("pragma auto_vacuum").fetch_one(&mut connection).await?;
        if mode == 0 {
            sqlx::query("pragma auto_vacuum = incremental").execute(&mut connection).await?;
        }
        sqlx::query("vacuum into ?").bind(file).execute(&mut connection).await?;
        connection.close().await?;
        Ok(())
    }

    /// Bytes of the catalog, without its log.
    ///
    /// # Errors
    /// If the database fails.
    pub async fn bytes(&self) -> Result<u64, CatalogError> {
        let (pages, size): (i64, i64) =
            sqlx::query_as("select * from pragma_page_count, pragma_page_size").fetch_one(&self.readers).await?;
        Ok(pages.unsigned_abs() * size.unsigned_abs())
    }

    /// Holds that the database's own structure is whole.
    ///
    /// # Errors
    /// [`CatalogError::Damaged`] with what is wrong.
    pub async fn check(&self) -> Result<(), CatalogError> {
        let said: Vec<String> = sqlx::query_scalar("pragma quick_check(3)").fetch_all(&self.readers).await?;
        if said == ["ok"] {
            return Ok(());
        }
        Err(CatalogError::Damaged { place: FILE, reason: said.join("; ") })
    }

    /// Pictures, each content once, by content hash: at most `limit` of those after `after` (empty for the first page).
    ///
    /// # Errors
    /// If the database fails.
    pub async fn stored_pictures(&self, after: &[u8], limit: u32) -> Result<Vec<StoredPicture>, CatalogError> {
        let rows: Vec<(Vec<u8>, Option<String>, String)> = sqlx::query_as(
            "select content_hash, min(image_mime), json_group_array(distinct image_path) from items
             where content_hash > ? group by content_hash order by content_hash limit ?",
        )
        .bind(after)
        .bind(limit)
        .fetch_all(&self.readers)
        .await?;
        let picture = |(content_hash, mime, paths): (Vec<u8>, Option<String>, String)| {
            let paths: Vec<Option<String>> = from_json("items.image_path", &paths)?;
            let paths = paths.into_iter().flatten().collect();
            Ok(StoredPicture { content_hash, mime: mime.unwrap_or_default(), paths })
        };
        rows.into_iter().map(picture).collect()
    }

    /// How many different pictures there are.
    ///
    /// # Errors
    /// If the database fails.
    pub async fn count_pictures(&self) -> Result<u64, CatalogError> {
        let count: i64 =
            sqlx::query_scalar("select count(distinct content_hash) from items").fetch_one(&self.readers).await?;
        Ok(count.unsigned_abs())
    }

    /// Says of every picture where it lies from now on: where `place` says, by content hash and media type.
    ///
    /// # Errors
    /// If the database fails.
    pub async fn place_pictures(&self, place: &(dyn Fn(&[u8], &str) -> String + Sync)) -> Result<(), CatalogError> {
        let mut after = 0;
        loop {
            let mut tx = self.writer.begin_with("begin immediate").await?;
            let rows: Vec<(i64, Option<Vec<u8>>, Option<String>)> =
                sqlx::query_as("select key, content_hash, image_mime from items where key > ? order by key limit ?")
                    .bind(after)
                    .bind(AT_ONCE)
                    .fetch_all(&mut *tx)
                    .await?;
            let Some((last, ..)) = rows.last() else { return Ok(()) };
            after = *last;
            for (key, content, mime) in rows {
                let path = content.map(|content| place(&content, mime.as_deref().unwrap_or_default()));
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
    async fn a_copy_holds_all_and_stops_when_it_is_asked_to() {
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
        copy.check().await.expect("it is whole");
        assert_eq!(copy.last_feature().await.expect("a row"), 30_000);
        assert_eq!(copy.collection_name().await.expect("a name"), catalog.collection_name().await.expect("a name"));
        assert!(catalog.copy_to(&file, Arc::default()).await.is_err(), "what is there is not overwritten");
    }
}
