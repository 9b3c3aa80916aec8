//! Which of the trained models answers.

use super::{Encoders, Library, SearchError, blocking};
use crate::{catalog::ModelRecord, dscmr::Model};

/// Makes a model that was trained before the one that answers. A service that runs takes it up with its next index.
///
/// # Errors
/// [`SearchError::NoSuchModel`]; [`SearchError::OtherEncoder`] if it learned from other features than `encoders` give; or if
/// its files cannot be read.
pub async fn activate(library: &Library, encoders: &Encoders, version: &str) -> Result<ModelRecord, SearchError> {
    let record = library.catalog.model(version).await?;
    let record = record.ok_or_else(|| SearchError::NoSuchModel(version.to_owned()))?;
    usable(library, encoders, &record).await?;
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
    usable(library, encoders, &before).await?;
    library.catalog.deactivate_model().await?;
    Ok(before)
}

/// Whether a model can answer, with these encoders; else why not.
async fn usable(library: &Library, encoders: &Encoders, record: &ModelRecord) -> Result<(), SearchError> {
    check_encoders(encoders, record)?;
    let folder = library.folder.model(&record.version);
    blocking(move || Model::load(&folder)).await??;
    Ok(())
}

/// Whether a model learned from what these encoders give.
pub(super) fn check_encoders(encoders: &Encoders, record: &ModelRecord) -> Result<(), SearchError> {
    let pairs =
        [("picture", &record.image_encoder, encoders.image.id()), ("text", &record.text_encoder, encoders.text.id())];
    match pairs.into_iter().find(|(_, trained, given)| trained != given) {
        None => Ok(()),
        Some((kind, trained, given)) => Err(SearchError::OtherEncoder {
            version: record.version.clone(),
            kind,
            trained: trained.clone(),
            given: given.to_owned(),
        }),
    }
}
