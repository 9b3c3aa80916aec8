//! How are items inserted, changed and deleted while the service runs?
//!
//! Contract: an acknowledged change is on disk (fsync) and visible to the next query. If the process is killed, the
//! next start applies the changes that the index lacks from the catalog. An item is first encoded, outside of all
//! locks, and its picture is written. Then items that arrive at the same time are written together: rows are inserted,
//! the catalog commits, and the live snapshot applies the changes before any request is acknowledged.

mod bulk;
mod draft;
mod encode;
mod group_commit;
mod service;

pub(super) use bulk::WRITTEN_TOGETHER;

pub use bulk::{BulkLine, LineResult};
pub use draft::{ItemChange, ItemDraft};
pub use service::IngestService;
