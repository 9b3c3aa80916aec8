//! Lock that allows one backup or compaction at a time.

use std::{fs::File, time::Duration};

use crate::{
    collection::{Collection, CollectionError, Job},
    util::fs::try_lock_file,
};

/// Interval between attempts to acquire the lock.
const TRY_EVERY: Duration = Duration::from_millis(100);

/// Excludes other backups and compactions of the collection, in any process, until it is dropped: compaction might
/// remove files that a backup reads.
#[derive(Debug)]
pub(crate) struct MaintenanceLock {
    _lock: File,
}

impl MaintenanceLock {
    /// Waits for the lock.
    pub(crate) async fn acquire(collection: &Collection, job: &Job) -> Result<Self, CollectionError> {
        let path = collection.data_dir.root().join("upkeep.lock");
        let mut noted = false;
        loop {
            let lock = try_lock_file(&path).map_err(CollectionError::io("the lock could not be acquired:", &path))?;
            if let Some(lock) = lock {
                return Ok(Self { _lock: lock });
            }
            job.check_cancelled()?;
            if !noted {
                job.progress.note("waiting for the end of another backup or compaction");
                noted = true;
            }
            tokio::time::sleep(TRY_EVERY).await;
        }
    }
}
