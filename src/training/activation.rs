//! Activation of trained models.

use crate::{
    catalog::ModelRecord,
    collection::{Collection, CollectionError, Encoders, blocking},
    model::Model,
};

/// Activates a model. A running service uses it after its next rebuild of the index.
///
/// # Errors
/// [`CollectionError::NoSuchModel`]; [`CollectionError::OtherEncoder`] if it was trained with other
/// encoders; or if its files cannot be read.
pub async fn activate(
    collection: &Collection,
    encoders: &Encoders,
    version: &str,
) -> Result<ModelRecord, CollectionError> {
    let record = collection.catalog.model(version).await?;
    let record = record.ok_or_else(|| CollectionError::NoSuchModel(version.to_owned()))?;
    load_model(collection, encoders, &record).await?;
    collection.catalog.activate_model(version).await?;
    Ok(record)
}

/// Activates the previous model again and returns it.
///
/// # Errors
/// [`CollectionError::NoModel`]; [`CollectionError::NoPreviousModel`]; or as [`activate`]: then the active model stays.
pub async fn roll_back(collection: &Collection, encoders: &Encoders) -> Result<ModelRecord, CollectionError> {
    let active = collection.catalog.active_model().await?.ok_or(CollectionError::NoModel)?;
    let before = collection.catalog.previous_model().await?.ok_or(CollectionError::NoPreviousModel(active.version))?;
    load_model(collection, encoders, &before).await?;
    collection.catalog.pop_activation().await?;
    Ok(before)
}

/// Loads a model, if it was trained with these encoders.
pub(crate) async fn load_model(
    collection: &Collection,
    encoders: &Encoders,
    record: &ModelRecord,
) -> Result<Model, CollectionError> {
    let pairs =
        [("picture", &record.image_encoder, encoders.image.id()), ("text", &record.text_encoder, encoders.text.id())];
    if let Some((kind, trained, given)) = pairs.into_iter().find(|(_, trained, given)| trained != given) {
        return Err(CollectionError::OtherEncoder {
            version: record.version.clone(),
            kind,
            trained: trained.clone(),
            given: given.to_owned(),
        });
    }
    let folder = collection.data_dir.model(&record.version);
    Ok(blocking(move || Model::load(&folder)).await??)
}
