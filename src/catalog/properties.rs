//! Small named values of the collection, such as when it was last evaluated.

use super::{connection::Catalog, error::CatalogError};

impl Catalog {
    /// A small fact by name.
    ///
    /// # Errors
    /// If the database fails.
    pub async fn fact(&self, name: &str) -> Result<Option<String>, CatalogError> {
        Ok(sqlx::query_scalar("select value from facts where name = ?")
            .bind(name)
            .fetch_optional(&self.readers)
            .await?)
    }

    /// Sets a small fact.
    ///
    /// # Errors
    /// If the database fails.
    pub async fn set_fact(&self, name: &str, value: &str) -> Result<(), CatalogError> {
        put_fact(&self.writer, name, value).await
    }
}

/// Sets a small fact, within a transaction or by itself.
pub(super) async fn put_fact(to: impl sqlx::SqliteExecutor<'_>, name: &str, value: &str) -> Result<(), CatalogError> {
    sqlx::query("insert into facts (name, value) values (?, ?) on conflict do update set value = excluded.value")
        .bind(name)
        .bind(value)
        .execute(to)
        .await?;
    Ok(())
}
