//! How do items come and go while the service answers?
//!
//! Contract: when a change is acknowledged, it is on disk (fsync) and the next query sees it; whenever the process is
//! killed, the next start reads from the catalog what the index missed. An item is encoded first, outside all locks,
//! and its picture is written. Then items that arrive at the same time are written together: rows are inserted, the
//! catalog commits, and the live snapshot applies the changes before anyone is answered.

mod bulk;
mod draft;
mod encode;
mod group_commit;
mod service;

pub(super) use bulk::WRITTEN_TOGETHER;

pub use bulk::{BulkLine, LineResult};
pub use draft::{ItemChange, ItemDraft};
pub use service::IngestService;
