//! Giving back what is no longer needed, in steps so short that whoever else writes waits for none of them.

use std::{collections::HashSet, time::Duration};

use sqlx::{Connection, SqliteConnection};

use super::{connection::Catalog, error::CatalogError};

/// Rows of features that are looked at in one transaction.
const FEATURES: i64 = 2_000;

/// Pages of the words' index that are merged in one transaction.
const MERGED: i64 = 250;

/// Gives free pages back, so many in one transaction; a pragma takes no bound values.
const GIVE_BACK: &str = "pragma incremental_vacuum(500)";

/// How long the log's end waits for those who still read from it; whoever writes waits as long.
const PATIENCE: Duration = Duration::from_millis(500);

/// A catalog that cannot give back its pages one by one is written anew in one go, during which nobody else can write, if it has
/// at most so many bytes: some seconds on a slow disk, well below the patience of those who wait.
const AT_ONCE: u64 = 256 << 20;

/// How the catalog gives back its free pages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Vacuum {
    /// One by one, while others write.
    Stepwise,
    /// It was made by a version that could not; all of it has to be written anew first, which is soon done.
    Anew,
    /// The same, but it is too large for others to wait. What is free is used again by what comes.
    TooLarge,
}

impl Catalog {
    /// The number of the last row of features.
    ///
    /// # Errors
    /// If the database fails.
    pub async fn last_feature(&self) -> Result<i64, CatalogError> {
        let last: Option<i64> = sqlx::query_scalar("select max(rowid) from features").fetch_one(&self.readers).await?;
        Ok(last.unwrap_or(0))
    }

    /// Removes features behind the row `after` of which no item has the picture and none the caption. Gives the last row that was
    /// looked at, and how many went.
    ///
    /// # Errors
    /// If the database fails.
    pub async fn forget_features(&self, after: i64) -> Result<(i64, u64), CatalogError> {
        let last = after + FEATURES;
        let gone = sqlx::query(
            "delete from features where rowid > ? and rowid <= ?
                and not exists (select 1 from items where content_hash = features.hash)
                and not exists (select 1 from captions where text_hash = features.hash)",
        )
        .bind(after)
        .bind(last)
        .execute(&self.writer)
        .await?;
        Ok((last, gone.rows_affected()))
    }

    /// Those of `contents`, which are hashes of pictures in hex, that an item has.
    ///
    /// # Errors
    /// If the database fails.
    pub async fn contents_in_use(&self, contents: &[String]) -> Result<HashSet<String>, CatalogError> {
        in_use(&mut *self.readers.acquire().await?, contents).await
    }

    /// Hands those of `contents`, as [`Self::contents_in_use`] has them, that no item has to `work`, and lets no item come
    /// before it has ended. It has to be short: all who write wait for it.
    ///
    /// # Errors
    /// If the database fails.
    pub async fn while_unused<T: Send + 'static>(
        &self,
        contents: Vec<String>,
        work: impl FnOnce(Vec<String>) -> T + Send + 'static,
    ) -> Result<T, CatalogError> {
        let mut tx = self.writer.begin_with("begin immediate").await?;
        let used = in_use(&mut tx, &contents).await?;
        let unused: Vec<String> = contents.into_iter().filter(|content| !used.contains(content)).collect();
        let done = tokio::task::spawn_blocking(|| work(unused)).await;
        tx.rollback().await?;
        done.map_err(|e| CatalogError::Database(sqlx::Error::Io(std::io::Error::other(e))))
    }

    /// Merges a part of what keyword search reads, so that nothing of what was deleted is left in it. The first call begins;
    /// gives whether there is more to do.
    ///
    /// # Errors
    /// If the database fails.
    pub async fn merge_words(&self, first: bool) -> Result<bool, CatalogError> {
        let pages = if first { -MERGED } else { MERGED };
        let mut connection = self.writer.acquire().await?;
        let mut more = false;
        for merge in [
            "insert into item_words (item_words, rank) values ('merge', ?)",
            "insert into caption_words (caption_words, rank) values ('merge', ?)",
        ] {
            // As FTS5 has it: a merge that had nothing to do changes fewer than two rows.
            let before = changes(&mut connection).await?;
            sqlx::query(merge).bind(pages).execute(&mut *connection).await?;
            more |= changes(&mut connection).await? - before >= 2;
        }
        Ok(more)
    }

    /// How free pages can be given back.
    ///
    /// # Errors
    /// If the database fails.
    pub async fn vacuum_kind(&self) -> Result<Vacuum, CatalogError> {
        // Readers may not have heard yet that it was written anew.
        let mode: i64 = sqlx::query_scalar("pragma auto_vacuum").fetch_one(&self.writer).await?;
        Ok(match mode {
            0 if self.bytes().await? <= AT_ONCE => Vacuum::Anew,
            0 => Vacuum::TooLarge,
            _ => Vacuum::Stepwise,
        })
    }

    /// Writes the catalog anew without its free pages, so that from then on it can give them back one by one.
    ///
    /// # Errors
    /// If the database fails.
    pub async fn write_anew(&self) -> Result<(), CatalogError> {
        let mut connection = self.writer.acquire().await?;
        sqlx::query("pragma auto_vacuum = incremental").execute(&mut *connection).await?;
        sqlx::query("vacuum").execute(&mut *connection).await?;
        Ok(())
    }

    /// Free pages.
    ///
    /// # Errors
    /// If the database fails.
    pub async fn free_pages(&self) -> Result<u64, CatalogError> {
        let free: i64 = sqlx::query_scalar("pragma freelist_count").fetch_one(&self.readers).await?;
        Ok(free.unsigned_abs())
    }

    /// Gives some free pages back. Gives how many are left.
    ///
    /// # Errors
    /// If the database fails.
    pub async fn give_back_pages(&self) -> Result<u64, CatalogError> {
        sqlx::query(GIVE_BACK).fetch_all(&self.writer).await?;
        self.free_pages().await
    }

    /// Takes the log into the database and cuts it off, unless somebody reads from it all the while; and lets the database look
    /// again at how its rows are spread, where that has changed. Gives whether the log is cut off.
    ///
    /// # Errors
    /// If the database fails.
    pub async fn tidy_up(&self) -> Result<bool, CatalogError> {
        sqlx::query("pragma optimize").execute(&self.writer).await?;
        let options = self.writer.connect_options().as_ref().clone().busy_timeout(PATIENCE);
        let mut connection = SqliteConnection::connect_with(&options).await?;
        let (busy, ..): (i64, i64, i64) =
            sqlx::query_as("pragma wal_checkpoint(truncate)").fetch_one(&mut connection).await?;
        connection.close().await?;
        Ok(busy == 0)
    }
}

async fn in_use(connection: &mut SqliteConnection, contents: &[String]) -> Result<HashSet<String>, CatalogError> {
    let rows: Vec<String> = sqlx::query_scalar(
        "select value from json_each(?) where exists (select 1 from items where content_hash = unhex(value))",
    )
    .bind(serde_json::Value::from(contents).to_string())
    .fetch_all(connection)
    .await?;
    Ok(rows.into_iter().collect())
}

/// Rows that a connection has changed.
async fn changes(connection: &mut SqliteConnection) -> Result<i64, CatalogError> {
    Ok(sqlx::query_scalar("select total_changes()").fetch_one(connection).await?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::{FILE, Gone, Kept, NewFeatures, NewImage, NewItem, Put};

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
    async fn what_no_item_has_goes_and_what_one_has_stays() {
        let folder = tempfile::tempdir().expect("a folder");
        let catalog = Catalog::open(folder.path()).await.expect("a catalog");
        let path = folder.path().join("picture");
        let put = async |id: &str| {
            let (item, features) = item(id, &path);
            catalog.put_item(&item, &features, &Put::New).await.expect("an answer")
        };
        // Whoever posts a picture whose file went meanwhile hears of it, and nothing is kept.
        assert_eq!(put("barn").await, Kept::PictureGone);
        assert_eq!(
            (catalog.counts().await.expect("counts").items, catalog.last_feature().await.expect("a row")),
            (0, 0)
        );
        std::fs::write(&path, "a picture").expect("a file");
        for n in 0..300 {
            assert_eq!(put(&format!("barn {n}")).await, Kept::Created);
        }
        for n in (0..300).filter(|n| n % 3 != 0) {
            assert_eq!(catalog.delete_item(&format!("barn {n}"), None).await.expect("an answer"), Gone::Deleted);
        }
        let last = catalog.last_feature().await.expect("a row");
        let (mut at, mut gone) = (0, 0);
        while at < last {
            let (next, some) = catalog.forget_features(at).await.expect("features go");
            (at, gone) = (next, gone + some);
        }
        assert_eq!(gone, 400);
        let hex = |id: &str| blake3::hash(id.as_bytes()).to_hex().to_string();
        let contents = vec![hex("barn 0"), hex("barn 1"), hex("a house")];
        assert_eq!(catalog.contents_in_use(&contents).await.expect("an answer"), HashSet::from([hex("barn 0")]));
        let unused = catalog.while_unused(contents, |unused| unused).await.expect("an answer");
        assert_eq!(unused, [hex("barn 1"), hex("a house")]);

        let words = async |text: &str| catalog.pictures_with_words(text, None, 500).await.expect("keys");
        let before = (words("picture").await, words("3 barn").await);
        assert_eq!(before.0.len(), 100);
        let mut more = catalog.merge_words(true).await.expect("merged");
        while more {
            more = catalog.merge_words(false).await.expect("merged");
        }
        assert_eq!((words("picture").await, words("3 barn").await), before);
        assert_eq!(catalog.vacuum_kind().await.expect("a kind"), Vacuum::Stepwise);
        while catalog.free_pages().await.expect("a number") > 0 {
            catalog.give_back_pages().await.expect("given back");
        }
        assert!(catalog.tidy_up().await.expect("tidied"));
        assert_eq!(std::fs::metadata(folder.path().join("catalog.sqlite3-wal")).expect("a log").len(), 0);
        catalog.check().await.expect("it is whole");
    }

    #[tokio::test]
    async fn a_catalog_from_before_is_written_anew_once() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join(FILE);
        let before = sqlx::sqlite::SqliteConnectOptions::new().filename(&file).create_if_missing(true);
        let mut connection = SqliteConnection::connect_with(&before).await.expect("a database");
        sqlx::query("create table other (x)").execute(&mut connection).await.expect("a table");
        connection.close().await.expect("closed");
        let catalog = Catalog::open(folder.path()).await.expect("a catalog");
        assert_eq!(catalog.vacuum_kind().await.expect("a kind"), Vacuum::Anew);
        catalog.write_anew().await.expect("written");
        assert_eq!(catalog.vacuum_kind().await.expect("a kind"), Vacuum::Stepwise);
        catalog.set_fact("one", "more").await.expect("it can be written to");
        catalog.check().await.expect("it is whole");
    }
}
