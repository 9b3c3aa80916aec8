//! Properties: single named values of the collection, such as when it was last evaluated (table `facts`).

use super::{connection::Catalog, error::CatalogError};

impl Catalog {
    /// A property by name.
    ///
    /// # Errors
    /// If the database fails.
    pub async fn property(&self, name: &str) -> Result<Option<String>, CatalogError> {
        Ok(sqlx::query_scalar("select value from facts where name = ?")
            .bind(name)
            .fetch_optional(&self.readers)
            .await?)
    }

    /// Sets a property.
    ///
    /// # Errors
    /// If the database fails.
    pub async fn set_property(&self, name: &str, value: &str) -> Result<(), CatalogError> {
        put_property(&self.writer, name, value).await
    }
}

/// Sets a property, within a transaction or by itself.
pub(super) async fn put_property(
    to: impl sqlx::SqliteExecutor<'_>,
    name: &str,
    value: &str,
) -> Result<(), CatalogError> {
    sqlx::query("insert into facts (name, value) values (?, ?) on conflict do update set value = excluded.value")
        .bind(name)
        .bind(value)
        .execute(to)
        .await?;
    Ok(())
}
