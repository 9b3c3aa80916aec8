//! Training settings in a request.

use serde_json::{Map, Value};

use crate::{collection::CollectionError, model::TrainSettings};

/// The defaults, overridden by the fields of a request, which are named as in a settings file.
///
/// # Errors
/// [`CollectionError::Settings`] with the unknown name, or with what is allowed.
pub fn train_settings(given: Map<String, Value>) -> Result<TrainSettings, CollectionError> {
    let table = toml::Table::try_from(given).map_err(|e| CollectionError::Settings(e.to_string()))?;
    Ok(TrainSettings::from_tables([table])?)
}
