//! Which models were trained, how good they are, and which one answers.

use sqlx::FromRow;

use super::{Catalog, CatalogError, from_json, now_ms};

/// Name of the fact that says which model answers.
const ACTIVE_MODEL: &str = "active_model";

/// A trained model. Its weights lie in `models/<version>/` of the data folder.
#[derive(Debug, Clone)]
pub struct ModelRecord {
    /// Its name.
    pub version: String,
    /// Unix milliseconds.
    pub created_at: i64,
    /// Id of the encoder whose picture features it learned from.
    pub image_encoder: String,
    /// Id of the encoder whose sentence features it learned from.
    pub text_encoder: String,
    /// Settings of the training.
    pub settings: serde_json::Value,
    /// How good it is, on the test split.
    pub report: serde_json::Value,
    /// How long the training took.
    pub seconds: f64,
}

#[derive(FromRow)]
struct ModelRow {
    version: String,
    created_at: i64,
    image_encoder: String,
    text_encoder: String,
    settings: String,
    report: String,
    seconds: f64,
}

impl Catalog {
    /// Keeps a finished model and makes it the active one, both or neither.
    ///
    /// # Errors
    /// If the database fails.
    pub async fn add_model(&self, model: &ModelRecord) -> Result<(), CatalogError> {
        let mut tx = self.writer.begin_with("begin immediate").await?;
        sqlx::query(
            "insert into models (version, created_at, image_encoder, text_encoder, settings, report, seconds)
             values (?, ?, ?, ?, ?, ?, ?)",
        )
        .bind(&model.version)
        .bind(model.created_at)
        .bind(&model.image_encoder)
        .bind(&model.text_encoder)
        .bind(model.settings.to_string())
        .bind(model.report.to_string())
        .bind(model.seconds)
        .execute(&mut *tx)
        .await?;
        sqlx::query("insert into facts (name, value) values (?, ?) on conflict do update set value = excluded.value")
            .bind(ACTIVE_MODEL)
            .bind(&model.version)
            .execute(&mut *tx)
            .await?;
        tx.commit().await?;
        Ok(())
    }

    /// Replaces what is known of how good a model is.
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

    /// The model that answers, if one was trained.
    ///
    /// # Errors
    /// If the database fails.
    pub async fn active_model(&self) -> Result<Option<ModelRecord>, CatalogError> {
        let row: Option<ModelRow> = sqlx::query_as(
            "select version, created_at, image_encoder, text_encoder, settings, report, seconds from models
             where version = (select value from facts where name = ?)",
        )
        .bind(ACTIVE_MODEL)
        .fetch_optional(&self.readers)
        .await?;
        row.map(ModelRecord::try_from).transpose()
    }

    /// A version name that no model has: the day and a number.
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

impl TryFrom<ModelRow> for ModelRecord {
    type Error = CatalogError;

    fn try_from(row: ModelRow) -> Result<Self, CatalogError> {
        Ok(Self {
            version: row.version,
            created_at: row.created_at,
            image_encoder: row.image_encoder,
            text_encoder: row.text_encoder,
            settings: from_json("models.settings", &row.settings)?,
            report: from_json("models.report", &row.report)?,
            seconds: row.seconds,
        })
    }
}
