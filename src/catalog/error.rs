//! Errors of the catalog.

/// Error of the catalog.
#[derive(Debug, thiserror::Error)]
pub enum CatalogError {
    /// The database failed.
    #[error("the catalog failed: {0}")]
    Database(#[from] sqlx::Error),
    /// The database was written by a newer version of diptych, or is damaged.
    #[error("the catalog could not be migrated to this version's schema: {0}")]
    Migration(#[from] sqlx::migrate::MigrateError),
    /// A stored value is not one that this version writes.
    #[error("the catalog holds a damaged value in {place}: {reason}")]
    Damaged {
        /// Table and column.
        place: &'static str,
        /// What is wrong with it.
        reason: String,
    },
}
