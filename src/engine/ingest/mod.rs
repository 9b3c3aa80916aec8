//! How do items come and go while the service answers?

pub(in crate::engine) mod bulk;
pub(in crate::engine) mod group_commit;
pub(in crate::engine) mod items;

pub use bulk::{BulkLine, LineResult};
pub use items::{ItemChange, ItemDraft};
