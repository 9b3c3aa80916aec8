//! Responses with models.

use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use super::timestamp::timestamp;
use crate::catalog::ModelRecord;

/// A model.
#[derive(Serialize, ToSchema)]
pub(crate) struct ModelResponse {
    version: String,
    /// Whether it answers queries.
    active: bool,
    #[schema(format = DateTime)]
    created_at: String,
    image_encoder: String,
    text_encoder: String,
    /// Duration of its training.
    seconds: f64,
    /// Evaluation on the test split.
    #[schema(value_type = Object)]
    report: Value,
    /// Measurements that decided whether it was activated.
    #[schema(value_type = Option<Object>)]
    gate: Value,
}

/// All models, newest first.
#[derive(Serialize, ToSchema)]
pub(crate) struct ModelList {
    /// The active model.
    pub(crate) active: Option<String>,
    /// The previously active model, to which a rollback goes.
    pub(crate) before: Option<String>,
    pub(crate) models: Vec<ModelResponse>,
}

/// Evaluation of a model.
#[derive(Serialize, ToSchema)]
pub(crate) struct ModelReport {
    pub(crate) version: String,
    /// Evaluation on the test split.
    #[schema(value_type = Object)]
    pub(crate) report: Value,
    /// Measurements that decided whether the model was activated.
    #[schema(value_type = Option<Object>)]
    pub(crate) gate: Value,
    /// Settings of its training.
    #[schema(value_type = Object)]
    pub(crate) settings: Value,
    /// Data of the plots: confusion as (true label, predicted label, images), precision at 21 recalls, and calibrated
    /// relevance against observed relevance. Null until an evaluation has computed them.
    #[schema(value_type = Option<Object>)]
    pub(crate) curves: Value,
}

impl ModelResponse {
    /// `active` is the version of the active model.
    pub(crate) fn new(model: ModelRecord, active: Option<&str>) -> Self {
        let ModelRecord {
            version,
            created_at,
            image_encoder,
            text_encoder,
            report,
            seconds,
            promotion: gate,
            settings: _,
        } = model;
        Self {
            active: active == Some(version.as_str()),
            created_at: timestamp(created_at),
            version,
            image_encoder,
            text_encoder,
            seconds,
            report,
            gate,
        }
    }
}
