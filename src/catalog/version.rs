//! Version of the catalog's content, by which caches decide whether their entries are still valid.
//!
//! Reading twenty items costs more than everything else in a query except encoding, and responses show the same items
//! again and again, so items are cached. Writes of this process invalidate the cache before they begin: the writer's
//! pool reports when its only connection is taken and when it is returned. Writes of another process (such as an import
//! next to a running service) are detected within [`CHECK_INTERVAL`] through SQLite's `data_version`.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use sqlx::{
    ConnectOptions, Connection, SqliteConnection, SqlitePool,
    sqlite::{SqliteConnectOptions, SqlitePoolOptions},
};
use tokio::sync::Mutex;

use super::error::CatalogError;

/// Minimum interval between checks for writes by other processes.
pub(super) const CHECK_INTERVAL: Duration = Duration::from_millis(50);

/// Counter of writes by this and other processes.
#[derive(Debug)]
pub(super) struct Version {
    number: AtomicU64,
    /// Whether the writer's connection is in use.
    writing: AtomicBool,
    started: Instant,
    /// Time of the last check for other processes' writes, in milliseconds after `started`.
    checked: AtomicU64,
    options: SqliteConnectOptions,
    /// Connection for all checks and the `data_version` it saw last: the pragma's values compare within one connection
    /// only.
    watch: Mutex<Option<(SqliteConnection, i64)>>,
}

impl Version {
    pub(super) fn new(options: SqliteConnectOptions) -> Arc<Self> {
        Arc::new(Self {
            number: AtomicU64::new(0),
            writing: AtomicBool::new(false),
            started: Instant::now(),
            checked: AtomicU64::new(0),
            options,
            watch: Mutex::new(None),
        })
    }

    /// Opens the pool of the one writer, with hooks that record when its connection is taken and returned.
    pub(super) async fn writer(
        self: &Arc<Self>,
        pool: SqlitePoolOptions,
        options: SqliteConnectOptions,
    ) -> Result<SqlitePool, sqlx::Error> {
        let [opened, taken, returned] = [(); 3].map(|()| Arc::clone(self));
        pool.max_connections(1)
            // The pool calls no hook when it closes a connection for its age, so `writing` would stay set.
            .max_lifetime(None)
            .idle_timeout(None)
            .after_connect(move |_, _| {
                opened.writing.store(true, Ordering::SeqCst);
                Box::pin(std::future::ready(Ok(())))
            })
            .before_acquire(move |_, _| {
                taken.writing.store(true, Ordering::SeqCst);
                Box::pin(std::future::ready(Ok(true)))
            })
            .after_release(move |_, _| {
                returned.number.fetch_add(1, Ordering::SeqCst);
                returned.writing.store(false, Ordering::SeqCst);
                Box::pin(std::future::ready(Ok(true)))
            })
            .connect_with(options)
            .await
    }

    /// Checks whether another process has written, unless a check has just been done or is running.
    async fn check(&self) -> Result<(), CatalogError> {
        let now = u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX);
        let checked = self.checked.load(Ordering::SeqCst);
        if now.saturating_sub(checked) < CHECK_INTERVAL.as_millis() as u64 {
            return Ok(());
        }
        let Ok(mut watch) = self.watch.try_lock() else { return Ok(()) };
        // Taken out, so that a connection whose check failed or was cancelled is not used again.
        let (mut connection, seen) = match watch.take() {
            Some((connection, seen)) => (connection, Some(seen)),
            None => (self.options.connect().await?, None),
        };
        let found: i64 = sqlx::query_scalar("pragma data_version").fetch_one(&mut connection).await?;
        if seen != Some(found) {
            self.number.fetch_add(1, Ordering::SeqCst);
        }
        *watch = Some((connection, found));
        self.checked.store(now, Ordering::SeqCst);
        Ok(())
    }

    /// See [`super::Catalog::version`].
    pub(super) async fn current(&self) -> Result<Option<u64>, CatalogError> {
        self.check().await?;
        let number = self.number.load(Ordering::SeqCst);
        Ok((!self.writing.load(Ordering::SeqCst)).then_some(number))
    }

    pub(super) async fn close(&self) {
        if let Some((connection, _)) = self.watch.lock().await.take() {
            // The connection only reads, so an error on closing it loses nothing.
            let _ = connection.close().await;
        }
    }
}
