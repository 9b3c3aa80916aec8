//! Errors of the catalog.

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
