//! The index of a collection on disk, and its parameters.

use super::{Collection, CollectionError};
use crate::{
    catalog::Watermark,
    index::{GenerationStore, IndexParameters},
};

/// Property of the catalog with the index parameters of the collection, if they are not the defaults.
const PARAMETERS: &str = "index_parameters";

impl Collection {
    /// The folder of the index generations.
    pub(crate) fn index_store(&self) -> GenerationStore {
        GenerationStore::new(self.data_dir.index())
    }

    /// Index parameters of this collection, or the defaults.
    ///
    /// # Errors
    /// If the catalog fails.
    pub async fn index_parameters(&self) -> Result<IndexParameters, CollectionError> {
        let stored = self.catalog.property(PARAMETERS).await?;
        Ok(stored.and_then(|json| serde_json::from_str(&json).ok()).unwrap_or_default())
    }

    /// Stores the index parameters of this collection. The next generation is built with them.
    ///
    /// # Errors
    /// If the catalog fails.
    pub async fn set_index_parameters(&self, parameters: &IndexParameters) -> Result<(), CollectionError> {
        Ok(self.catalog.set_property(PARAMETERS, &serde_json::json!(parameters).to_string()).await?)
    }
}

/// The catalog's watermark at which a generation was built, from the text in its manifest. `None` if the generation
/// belongs to another collection.
pub(crate) fn base_watermark(watermark: &str, collection_name: &str) -> Option<Watermark> {
    let (name, number) = watermark.split_once(' ')?;
    number.parse().ok().filter(|_| name == collection_name)
}
