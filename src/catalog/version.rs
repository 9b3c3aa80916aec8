//! Whether anything was written: what was read can be kept for as long as nothing was.
//!
//! Reading twenty items takes a thread's wake-up, a statement and rows, more than all else that a query takes beside its encoder; and
//! answers show the same items again and again. So whoever keeps what he read asks here whether it still holds. This process's own
//! writes count from before they begin: the writer's pool says when its one connection goes out and when it has come back. Those of
//! another process (an import beside a running service) are seen within [`LOOK_EVERY`], by SQLite's `data_version`.

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

/// How often it is looked whether another process has written, while somebody wants to know.
pub(super) const LOOK_EVERY: Duration = Duration::from_millis(50);

/// What was written, in numbers.
#[derive(Debug)]
pub(super) struct Version {
    number: AtomicU64,
    /// Whether the writer's connection is out.
    writing: AtomicBool,
    began: Instant,
    /// Milliseconds behind `began` at which it was looked last.
    looked: AtomicU64,
    options: SqliteConnectOptions,
    /// One connection for all looks, because `data_version` compares what one connection has seen.
    watch: Mutex<Option<(SqliteConnection, i64)>>,
}

impl Version {
    pub(super) fn new(options: SqliteConnectOptions) -> Arc<Self> {
        Arc::new(Self {
            number: AtomicU64::new(0),
            writing: AtomicBool::new(false),
            began: Instant::now(),
            looked: AtomicU64::new(0),
            options,
            watch: Mutex::new(None),
        })
    }

    /// The pool of the one writer, which says when it is out.
    pub(super) async fn writer(
        self: &Arc<Self>,
        pool: SqlitePoolOptions,
        options: SqliteConnectOptions,
    ) -> Result<SqlitePool, sqlx::Error> {
        let [made, taken, back] = [(); 3].map(|()| Arc::clone(self));
        pool.max_connections(1)
            // One that ends of old age would not say that it has come back.
            .max_lifetime(None)
            .idle_timeout(None)
            .after_connect(move |_, _| {
                made.writing.store(true, Ordering::SeqCst);
                Box::pin(std::future::ready(Ok(())))
            })
            .before_acquire(move |_, _| {
                taken.writing.store(true, Ordering::SeqCst);
                Box::pin(std::future::ready(Ok(true)))
            })
            .after_release(move |_, _| {
                back.number.fetch_add(1, Ordering::SeqCst);
                back.writing.store(false, Ordering::SeqCst);
                Box::pin(std::future::ready(Ok(true)))
            })
            .connect_with(options)
            .await
    }

    /// Looks whether another process has written, unless somebody has just looked or is looking.
    async fn look(&self) -> Result<(), CatalogError> {
        let now = u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX);
        let looked = self.looked.load(Ordering::SeqCst);
        if now.saturating_sub(looked) < LOOK_EVERY.as_millis() as u64 {
            return Ok(());
        }
        let Ok(mut watch) = self.watch.try_lock() else { return Ok(()) };
        // Taken out, so that a connection that failed, or whose look was cut off, is not asked again.
        let (mut connection, seen) = match watch.take() {
            Some((connection, seen)) => (connection, Some(seen)),
            None => (self.options.connect().await?, None),
        };
        let found: i64 = sqlx::query_scalar("pragma data_version").fetch_one(&mut connection).await?;
        if seen != Some(found) {
            self.number.fetch_add(1, Ordering::SeqCst);
        }
        *watch = Some((connection, found));
        self.looked.store(now, Ordering::SeqCst);
        Ok(())
    }

    /// See [`super::Catalog::version`].
    pub(super) async fn current(&self) -> Result<Option<u64>, CatalogError> {
        self.look().await?;
        let number = self.number.load(Ordering::SeqCst);
        Ok((!self.writing.load(Ordering::SeqCst)).then_some(number))
    }

    pub(super) async fn close(&self) {
        if let Some((connection, _)) = self.watch.lock().await.take() {
            // It only read, so that it ends is all that matters.
            let _ = connection.close().await;
        }
    }
}
