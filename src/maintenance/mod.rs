//! How is a collection backed up, restored and compacted?

mod backup;
mod compact;
mod lock;
mod restore;
mod staging;

pub use backup::{BackupSummary, BackupTo, backup, remove_stale_backups};
pub use compact::{CompactSummary, Removed, compact};
pub use restore::{RestoreSummary, restore};
