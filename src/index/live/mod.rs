//! How does an index change while it is searched?
//!
//! It is a pointer to a [`Snapshot`]: an immutable base, its deleted positions, and a delta of new points that are
//! scanned. A change builds the next snapshot and swaps the pointer, so searches never wait and see all of a change or
//! nothing of it. A snapshot that is held does not change.
//!
//! The delta consists of a few immutable segments. A change adds one, and segments that are not larger than the next
//! are merged, as in the logarithmic method (Bentley & Saxe 1980): a point is copied as often as the delta doubles, and
//! a snapshot has a dozen segments, not thousands.
//!
//! After many changes ([`LiveIndex::needs_rebuild`]) the owner builds a new base without deleted points and with those
//! of the delta, and replaces the index.

mod change;
mod live_index;
mod rebuild_thresholds;
mod snapshot;

pub use change::Change;
pub use live_index::LiveIndex;
pub use rebuild_thresholds::RebuildThresholds;
pub use snapshot::Snapshot;

#[cfg(test)]
mod tests;
