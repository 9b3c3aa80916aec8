//! Connections to the catalog's database: one writer, many readers.

use std::{path::Path, sync::Arc, time::Duration};

use sqlx::{
    SqlitePool,
    sqlite::{SqliteAutoVacuum, SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous},
};

use super::{error::CatalogError, version::Version};

/// Name of the catalog's file in its folder.
pub const FILE: &str = "catalog.sqlite3";

/// The catalog of one data folder. Cheap to clone; clones share the connections.
#[derive(Clone, Debug)]
pub struct Catalog {
    pub(super) readers: SqlitePool,
    pub(super) writer: SqlitePool,
    version: Arc<Version>,
}

impl Catalog {
    /// Opens `catalog.sqlite3` in `folder`, creating both and bringing the schema up to date.
    ///
    /// # Errors
    /// If the file cannot be opened, is no database, or was written by a newer version.
    pub async fn open(folder: &Path) -> Result<Self, CatalogError> {
        let file = folder.join(FILE);
        // What is deleted later is given back in small steps, while others write. Only a new file can be made so.
        let new = std::fs::metadata(&file).map_or(true, |metadata| metadata.len() == 0);
        let options = SqliteConnectOptions::new()
            .filename(file)
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal)
            // What was acknowledged stays, also when the power fails: NORMAL would keep it through a kill alone.
            .synchronous(SqliteSynchronous::Full)
            .busy_timeout(Duration::from_secs(30))
            // A connection is a thread that waits whenever this many rows are on their way; a query's candidates go in one go.
            .row_buffer_size(1024)
            .foreign_keys(true);
        // A connection to a file does not go away by itself, so nothing is asked before it is asked for something.
        let pool = || SqlitePoolOptions::new().test_before_acquire(false);
        let first = if new { options.clone().auto_vacuum(SqliteAutoVacuum::Incremental) } else { options.clone() };
        let version = Version::new(options.clone().read_only(true));
        let writer = version.writer(pool(), first).await?;
        sqlx::migrate!("./migrations").run(&writer).await?;
        let readers = pool().max_connections(8).connect_with(options.read_only(true)).await?;
        Ok(Self { readers, writer, version })
    }

    /// Opens `catalog.sqlite3` in `folder` as it is, to look at it and no more; `None` if there is none. Its form may be that of
    /// an older version.
    ///
    /// # Errors
    /// If the file cannot be opened or is no database.
    pub async fn look(folder: &Path) -> Result<Option<Self>, CatalogError> {
        let file = folder.join("catalog.sqlite3");
        if !file.exists() {
            return Ok(None);
        }
        let options = SqliteConnectOptions::new().filename(file).read_only(true).busy_timeout(Duration::from_secs(30));
        let version = Version::new(options.clone());
        let readers = SqlitePoolOptions::new().max_connections(1).connect_with(options).await?;
        Ok(Some(Self { writer: readers.clone(), readers, version }))
    }

    /// Waits for running statements and closes all connections.
    pub async fn close(&self) {
        self.version.close().await;
        self.readers.close().await;
        self.writer.close().await;
    }

    /// A cheap read that fails when the database does; for readiness probes.
    ///
    /// # Errors
    /// If the database fails.
    pub async fn ping(&self) -> Result<(), CatalogError> {
        sqlx::query("select 1 from facts").fetch_optional(&self.readers).await?;
        Ok(())
    }

    /// A number that is another one after every change. What is read behind this call holds at least until the next call gives
    /// another number or none. None means that somebody is writing right now.
    ///
    /// # Errors
    /// If the database fails.
    pub async fn version(&self) -> Result<Option<u64>, CatalogError> {
        self.version.current().await
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::version::LOOK_EVERY;

    #[tokio::test]
    async fn every_write_shows_at_once_and_another_processs_soon() {
        let folder = tempfile::tempdir().expect("a folder");
        let catalog = Catalog::open(folder.path()).await.expect("a catalog");
        let quiet = async || loop {
            if let Some(version) = catalog.version().await.expect("a version") {
                return version;
            }
            tokio::task::yield_now().await;
        };
        tokio::time::sleep(2 * LOOK_EVERY).await;
        let before = quiet().await;
        tokio::time::sleep(2 * LOOK_EVERY).await;
        assert_eq!(catalog.version().await.expect("a version"), Some(before), "reading changes nothing");
        for round in 0..100 {
            let before = quiet().await;
            catalog.set_fact("round", &round.to_string()).await.expect("written");
            assert_ne!(catalog.version().await.expect("a version"), Some(before), "round {round}, acknowledged");
        }
        let mut out = catalog.writer.begin().await.expect("the writer");
        assert_eq!(catalog.version().await.expect("a version"), None, "somebody is writing");
        sqlx::query("delete from facts where name = 'round'").execute(&mut *out).await.expect("written");
        out.rollback().await.expect("rolled back");

        // The watch has seen all that was until now.
        tokio::time::sleep(2 * LOOK_EVERY).await;
        let before = quiet().await;
        let other = Catalog::open(folder.path()).await.expect("as another process has it");
        tokio::time::sleep(2 * LOOK_EVERY).await;
        let opened = quiet().await;
        other.set_fact("round", "another").await.expect("written");
        tokio::time::sleep(2 * LOOK_EVERY).await;
        assert_ne!(quiet().await, opened);
        assert!(opened >= before);
        other.close().await;
        catalog.close().await;
    }
}
