//! Trained models with their reports, and which of them is active.

use sqlx::{FromRow, QueryBuilder, Sqlite};

use super::{Catalog, CatalogError, now_ms};

/// A trained model. Its weights are in `models/<version>/` of the data folder.
#[derive(Debug, Clone, FromRow)]
pub struct ModelRecord {
    /// Its name, such as `m-20250131-1`.
    pub version: String,
    /// Time of its training, in Unix milliseconds.
    pub created_at: i64,
    /// Id of the encoder whose image features it was trained on.
    pub image_encoder: String,
    /// Id of the encoder whose text features it was trained on.
    pub text_encoder: String,
    /// Settings of the training.
    #[sqlx(json)]
    pub settings: serde_json::Value,
    /// Evaluation on the test split.
    #[sqlx(json)]
    pub report: serde_json::Value,
    /// Duration of the training.
    pub seconds: f64,
    /// Decision whether to promote it, with its measurements; null for a model that predates these decisions.
    #[sqlx(json, rename = "gate")]
    pub promotion: serde_json::Value,
}

/// Version of the active model.
const ACTIVE: &str = "select version from activations order by number desc limit 1";

/// Activates a version.
const ACTIVATE: &str = "insert into activations (version, at) values (?, ?)";

/// Selects the columns of a [`ModelRecord`].
const COLUMNS: &str = "select version, created_at, image_encoder, text_encoder, settings, report, seconds,
                              coalesce(gate, 'null') as gate from models m ";

impl Catalog {
    /// Adds a model and, if `active`, activates it, in one transaction.
    ///
    /// # Errors
    /// If the database fails.
    pub async fn add_model(&self, model: &ModelRecord, active: bool) -> Result<(), CatalogError> {
        let mut tx = self.writer.begin_with("begin immediate").await?;
        sqlx::query(
            "insert into models
                 (version, created_at, image_encoder, text_encoder, settings, report, seconds, gate)
             values (?, ?, ?, ?, ?, ?, ?, ?)",
        )
        .bind(&model.version)
        .bind(model.created_at)
        .bind(&model.image_encoder)
        .bind(&model.text_encoder)
        .bind(model.settings.to_string())
        .bind(model.report.to_string())
        .bind(model.seconds)
        .bind(model.promotion.to_string())
        .execute(&mut *tx)
        .await?;
        if active {
            sqlx::query(ACTIVATE).bind(&model.version).bind(now_ms()).execute(&mut *tx).await?;
        }
        tx.commit().await?;
        Ok(())
    }

    /// Activates a model, unless it is active already.
    ///
    /// # Errors
    /// If the database fails, or the model does not exist.
    pub async fn activate_model(&self, version: &str) -> Result<(), CatalogError> {
        let mut tx = self.writer.begin_with("begin immediate").await?;
        let active: Option<String> = sqlx::query_scalar(ACTIVE).fetch_optional(&mut *tx).await?;
        if active.as_deref() != Some(version) {
            sqlx::query(ACTIVATE).bind(version).bind(now_ms()).execute(&mut *tx).await?;
        }
        tx.commit().await?;
        Ok(())
    }

    /// Undoes the last activation, so that the model before it is active again; does nothing if there is only one.
    ///
    /// # Errors
    /// If the database fails.
    pub async fn pop_activation(&self) -> Result<(), CatalogError> {
        sqlx::query(
            "delete from activations where number = (select max(number) from activations)
                                       and (select count(*) from activations) > 1",
        )
        .execute(&self.writer)
        .await?;
        Ok(())
    }

    /// Replaces the report of a model.
    ///
    /// # Errors
    /// If the database fails.
    pub async fn set_report(&self, version: &str, report: &serde_json::Value) -> Result<(), CatalogError> {
        sqlx::query("update models set report = ? where version = ?")
            .bind(report.to_string())
            .bind(version)
            .execute(&self.writer)
            .await?;
        Ok(())
    }

    /// The active model, if there is one.
    ///
    /// # Errors
    /// If the database fails.
    pub async fn active_model(&self) -> Result<Option<ModelRecord>, CatalogError> {
        self.activated(0).await
    }

    /// The model that was active before the active one.
    ///
    /// # Errors
    /// If the database fails.
    pub async fn previous_model(&self) -> Result<Option<ModelRecord>, CatalogError> {
        self.activated(1).await
    }

    /// The model of the activation `back` steps before the last one.
    async fn activated(&self, back: i64) -> Result<Option<ModelRecord>, CatalogError> {
        Ok(QueryBuilder::<Sqlite>::new(COLUMNS)
            .push("where version = (select version from activations order by number desc limit 1 offset ")
            .push_bind(back)
            .push(")")
            .build_query_as()
            .fetch_optional(&self.readers)
            .await?)
    }

    /// A model by its name.
    ///
    /// # Errors
    /// If the database fails.
    pub async fn model(&self, version: &str) -> Result<Option<ModelRecord>, CatalogError> {
        Ok(QueryBuilder::<Sqlite>::new(COLUMNS)
            .push("where version = ")
            .push_bind(version)
            .build_query_as()
            .fetch_optional(&self.readers)
            .await?)
    }

    /// All models, oldest first.
    ///
    /// # Errors
    /// If the database fails.
    pub async fn models(&self) -> Result<Vec<ModelRecord>, CatalogError> {
        Ok(QueryBuilder::<Sqlite>::new(COLUMNS)
            .push("order by created_at, version")
            .build_query_as()
            .fetch_all(&self.readers)
            .await?)
    }

    /// An unused version name: today's date and a number.
    ///
    /// # Errors
    /// If the database fails.
    pub async fn next_model_version(&self) -> Result<String, CatalogError> {
        let today = time::OffsetDateTime::from_unix_timestamp(now_ms() / 1000)
            .unwrap_or(time::OffsetDateTime::UNIX_EPOCH)
            .date();
        let day = format!("m-{:04}{:02}{:02}-", today.year(), u8::from(today.month()), today.day());
        let taken: Vec<String> = sqlx::query_scalar("select version from models where version glob ? || '*'")
            .bind(&day)
            .fetch_all(&self.readers)
            .await?;
        let last = taken.iter().filter_map(|v| v.strip_prefix(&day)?.parse::<u32>().ok()).max().unwrap_or(0);
        Ok(format!("{day}{}", last + 1))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    #[tokio::test]
    async fn models_are_read_back_as_they_were_added() {
        let folder = tempfile::tempdir().expect("a folder");
        let catalog = Catalog::open(folder.path()).await.expect("a catalog");
        let model = ModelRecord {
            version: "m-20261124-1".into(),
            created_at: 7,
            image_encoder: "an image encoder".into(),
            text_encoder: "a text encoder".into(),
            settings: json!({"seed": 1}),
            report: json!({"map": 0.5}),
            seconds: 1.5,
            promotion: json!({"promoted": true}),
        };
        catalog.add_model(&model, true).await.expect("added");
        let found = catalog.active_model().await.expect("read").expect("a model");
        assert_eq!(format!("{found:?}"), format!("{model:?}"));
        sqlx::query("update models set gate = null").execute(&catalog.writer).await.expect("as an old version has it");
        assert_eq!(catalog.models().await.expect("read")[0].promotion, Value::Null);
    }
}
