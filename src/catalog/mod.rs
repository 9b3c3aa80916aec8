//! SQLite, the one truth: what is not here does not exist, and whatever else lies in the data folder can be rebuilt.
//!
//! One writer and many readers. The writer pool holds a single connection, and everything that reads before it writes
//! begins with `begin immediate`, because a deferred transaction that upgrades later fails at once when another process
//! (an import beside a running service) holds the lock. No transaction is held while an encoder works.

mod api_keys;
mod data_quality;
mod idempotency;
mod items;
mod label_issues;
mod maintenance;
mod models;
mod snapshot;
mod tasks;
mod version;

use std::{path::Path, sync::Arc, time::Duration};

use sqlx::{
    SqlitePool,
    sqlite::{SqliteAutoVacuum, SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous},
};

pub use api_keys::{ApiKey, Scope};
pub use data_quality::{Health, Lacking, Repeated, Repetitions, Unreadable};
pub use idempotency::{Begun, KeptAnswer};
pub use items::{
    Bound, Caption, Changes, Clause, Counts, FeatureKinds, Field, Filter, Gone, Item, Kept, KeyedFeatures, KnownRecord,
    LabelCount, MissingPicture, MissingText, NewFeatures, NewItem, NewPicture, NewRejection, Put, Sampled, Scalar,
    Test, TrainingItem, Watermark, etag, matches, words,
};
pub use label_issues::{Doubt, Review, ReviewEntry};
pub use maintenance::Vacuum;
pub use models::ModelRecord;
pub use snapshot::StoredPicture;
pub use tasks::{Step, Task, TaskStatus};

/// Name of the catalog's file in its folder.
pub const FILE: &str = "catalog.sqlite3";
use version::Version;

/// Why the catalog could not answer.
#[derive(Debug, thiserror::Error)]
pub enum CatalogError {
    /// The database refused or failed.
    #[error("the catalog failed: {0}")]
    Database(#[from] sqlx::Error),
    /// The database was written by another version of diptych, or is damaged.
    #[error("the catalog could not be brought to this version's form: {0}")]
    Migration(#[from] sqlx::migrate::MigrateError),
    /// A stored value is not what this version writes.
    #[error("the catalog holds a damaged value in {place}: {reason}")]
    Damaged {
        /// Table and column.
        place: &'static str,
        /// What was wrong with it.
        reason: String,
    },
}

/// The catalog of one data folder. Cheap to clone; clones share the connections.
#[derive(Clone, Debug)]
pub struct Catalog {
    readers: SqlitePool,
    writer: SqlitePool,
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

    /// A small fact by name.
    ///
    /// # Errors
    /// If the database fails.
    pub async fn fact(&self, name: &str) -> Result<Option<String>, CatalogError> {
        Ok(sqlx::query_scalar("select value from facts where name = ?")
            .bind(name)
            .fetch_optional(&self.readers)
            .await?)
    }

    /// Sets a small fact.
    ///
    /// # Errors
    /// If the database fails.
    pub async fn set_fact(&self, name: &str, value: &str) -> Result<(), CatalogError> {
        put_fact(&self.writer, name, value).await
    }

    /// A cheap read that fails when the database does; for readiness probes.
    ///
    /// # Errors
    /// If the database fails.
    pub async fn ping(&self) -> Result<(), CatalogError> {
        sqlx::query("select 1 from facts").fetch_optional(&self.readers).await?;
        Ok(())
    }
}

/// Sets a small fact, within a transaction or by itself.
async fn put_fact(to: impl sqlx::SqliteExecutor<'_>, name: &str, value: &str) -> Result<(), CatalogError> {
    sqlx::query("insert into facts (name, value) values (?, ?) on conflict do update set value = excluded.value")
        .bind(name)
        .bind(value)
        .execute(to)
        .await?;
    Ok(())
}

/// Milliseconds since the Unix epoch.
pub fn now_ms() -> i64 {
    let elapsed = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    i64::try_from(elapsed.as_millis()).unwrap_or(i64::MAX)
}

/// A list for `json_each(?)`, which unlike `in (…)` has no limit on its length.
fn json_list(keys: &[i64]) -> String {
    serde_json::Value::from(keys).to_string()
}

/// Parses a JSON column that this room wrote itself.
fn from_json<T: serde::de::DeserializeOwned>(place: &'static str, text: &str) -> Result<T, CatalogError> {
    serde_json::from_str(text).map_err(|e| CatalogError::Damaged { place, reason: e.to_string() })
}
