//! Settings of a training as a request has them.

use serde_json::{Map, Value};

use crate::{collection::CollectionError, model::TrainSettings};

/// The defaults with what a request says in their place, by the names of a settings file.
///
/// # Errors
/// [`CollectionError::Settings`] with the name that is not known, or with what is allowed.
pub fn train_settings(given: Map<String, Value>) -> Result<TrainSettings, CollectionError> {
    let table = toml::Table::try_from(given).map_err(|e| CollectionError::Settings(e.to_string()))?;
    Ok(TrainSettings::from_tables([table])?)
}
