//! Which of the trained models answers.

use crate::{
    catalog::ModelRecord,
    collection::{Encoders, Library, SearchError, blocking},
    dscmr::Model,
};

/// Makes a model that was trained before the one that answers. A service that runs takes it up with its next index.
///
/// # Errors
/// [`SearchError::NoSuchModel`]; [`SearchError::OtherEncoder`] if it learned from other features than `encoders` give; or if
/// its files cannot be read.
pub async fn activate(library: &Library, encoders: &Encoders, version: &str) -> Result<ModelRecord, SearchError> {
    let record = library.catalog.model(version).await?;
    let record = record.ok_or_else(|| SearchError::NoSuchModel(version.to_owned()))?;
    load(library, encoders, &record).await?;
    library.catalog.activate_model(version).await?;
    Ok(record)
}

/// Makes the model that answered before the one that answers again. Gives it.
///
/// # Errors
/// [`SearchError::NoModel`]; [`SearchError::NoModelBefore`]; or as [`activate`]: then the one that answers stays.
pub async fn roll_back(library: &Library, encoders: &Encoders) -> Result<ModelRecord, SearchError> {
    let active = library.catalog.active_model().await?.ok_or(SearchError::NoModel)?;
    let before = library.catalog.model_before().await?.ok_or(SearchError::NoModelBefore(active.version))?;
    load(library, encoders, &before).await?;
    library.catalog.deactivate_model().await?;
    Ok(before)
}

/// Loads a model, if it learned from what these encoders give.
pub(crate) async fn load(library: &Library, encoders: &Encoders, record: &ModelRecord) -> Result<Model, SearchError> {
    let pairs =
        [("picture", &record.image_encoder, encoders.image.id()), ("text", &record.text_encoder, encoders.text.id())];
    if let Some((kind, trained, given)) = pairs.into_iter().find(|(_, trained, given)| trained != given) {
        return Err(SearchError::OtherEncoder {
            version: record.version.clone(),
            kind,
            trained: trained.clone(),
            given: given.to_owned(),
        });
    }
    let folder = library.folder.model(&record.version);
    Ok(blocking(move || Model::load(&folder)).await??)
}
