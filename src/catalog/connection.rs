//! Connections to the catalog's database: one writer, many readers.

use std::{path::Path, sync::Arc, time::Duration};

use sqlx::{
    SqlitePool,
    sqlite::{SqliteAutoVacuum, SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous},
};

use super::{error::CatalogError, version::Version};

/// Name of the catalog's file in the data folder.
pub const FILE: &str = "catalog.sqlite3";

/// The catalog of a data folder. Cheap to clone; clones share the connections.
#[derive(Clone, Debug)]
pub struct Catalog {
    pub(super) readers: SqlitePool,
    pub(super) writer: SqlitePool,
    version: Arc<Version>,
}

impl Catalog {
    /// Opens `catalog.sqlite3` in `folder`, creating both if needed, and migrates the schema.
    ///
    /// # Errors
    /// If the file cannot be opened, is not a database, or was written by a newer version.
    pub async fn open(folder: &Path) -> Result<Self, CatalogError> {
        let file = folder.join(FILE);
        // Incremental vacuum returns disk space in small steps, without blocking writers. Only a new file can be given
        // it.
        let new = std::fs::metadata(&file).map_or(true, |metadata| metadata.len() == 0);
        let options = SqliteConnectOptions::new()
            .filename(file)
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal)
            // FULL: acknowledged writes survive a power failure. NORMAL would only survive the death of the process.
            .synchronous(SqliteSynchronous::Full)
            .busy_timeout(Duration::from_secs(30))
            // A connection's thread blocks when this many rows are buffered: large enough for all candidates of a
            // query.
            .row_buffer_size(1024)
            .foreign_keys(true);
        // A connection to a file does not break by itself, so it needs no test before use.
        let pool = || SqlitePoolOptions::new().test_before_acquire(false);
        let first = if new { options.clone().auto_vacuum(SqliteAutoVacuum::Incremental) } else { options.clone() };
        let version = Version::new(options.clone().read_only(true));
        let writer = version.writer(pool(), first).await?;
        // Applied migrations are known by number and checksum; see migrations/README.md.
        sqlx::migrate!("./migrations").run(&writer).await?;
        let readers = pool().max_connections(8).connect_with(options.read_only(true)).await?;
        Ok(Self { readers, writer, version })
    }

    /// Opens `catalog.sqlite3` in `folder` without migrating or changing it; `None` if there is none. Its schema may be
    /// that of an older version.
    ///
    /// # Errors
    /// If the file cannot be opened or is not a database.
    pub async fn open_read_only(folder: &Path) -> Result<Option<Self>, CatalogError> {
        let file = folder.join(FILE);
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

    /// A number that changes with every write. Data read after this call is valid until a later call returns another
    /// number or `None`, which means that a write is in progress.
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
    use crate::catalog::version::CHECK_INTERVAL;

    #[tokio::test]
    async fn version_changes_at_once_after_own_writes_and_soon_after_those_of_another_process() {
        let folder = tempfile::tempdir().expect("a folder");
        let catalog = Catalog::open(folder.path()).await.expect("a catalog");
        let quiet = async || loop {
            if let Some(version) = catalog.version().await.expect("a version") {
                return version;
            }
            tokio::task::yield_now().await;
        };
        tokio::time::sleep(2 * CHECK_INTERVAL).await;
        let before = quiet().await;
        tokio::time::sleep(2 * CHECK_INTERVAL).await;
        assert_eq!(catalog.version().await.expect("a version"), Some(before), "reading changes nothing");
        for round in 0..100 {
            let before = quiet().await;
            catalog.set_property("round", &round.to_string()).await.expect("written");
            assert_ne!(catalog.version().await.expect("a version"), Some(before), "round {round}, acknowledged");
        }
        let mut out = catalog.writer.begin().await.expect("the writer");
        assert_eq!(catalog.version().await.expect("a version"), None, "a write is in progress");
        sqlx::query("delete from facts where name = 'round'").execute(&mut *out).await.expect("written");
        out.rollback().await.expect("rolled back");

        // Let the watch connection see all writes so far.
        tokio::time::sleep(2 * CHECK_INTERVAL).await;
        let before = quiet().await;
        let other = Catalog::open(folder.path()).await.expect("a second catalog, as another process has it");
        tokio::time::sleep(2 * CHECK_INTERVAL).await;
        let opened = quiet().await;
        other.set_property("round", "another").await.expect("written");
        tokio::time::sleep(2 * CHECK_INTERVAL).await;
        assert_ne!(quiet().await, opened);
        assert!(opened >= before);
        other.close().await;
        catalog.close().await;
    }
}
