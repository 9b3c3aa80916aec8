//! Fitting the index to this collection on this machine.

use std::sync::{Arc, atomic::AtomicBool};

use serde_json::json;

use crate::{
    collection::{Encoders, Library, Progress, SearchError, blocking},
    engine::serving::snapshot::{CAPTIONS, Generation, IndexKind, PICTURES},
    index::{IndexParameters, Tuning, VectorIndex},
};

/// Points of the other modality that a tuning asks with.
const SAMPLE: usize = 200;

/// Measures the active model's points, and keeps for this collection the parameters by which its next index is built. For
/// each index what was measured, if it has enough points.
///
/// # Errors
/// As [`Generation::build`].
pub async fn tune_index(
    library: &Library,
    encoders: &Encoders,
    progress: Arc<dyn Progress>,
    stop: Arc<AtomicBool>,
) -> Result<(IndexParameters, [(&'static str, Option<Tuning>); 2]), SearchError> {
    let before = library.index_parameters().await?;
    let scanned =
        Generation::build(library, encoders, IndexKind::Scanned, Arc::clone(&progress), Arc::clone(&stop)).await?;
    let tunings = blocking(move || {
        let (images, texts) = (scanned.images.snapshot(), scanned.texts.snapshot());
        let mut measured = [(PICTURES, None), (CAPTIONS, None)];
        for ((name, tuning), (index, other)) in measured.iter_mut().zip([(&images, &texts), (&texts, &images)]) {
            progress.begin(&format!("try {name}"), "point", Some(index.len() as u64));
            let advance = |done| progress.advance(done as u64);
            let queries = other.sample(SAMPLE);
            *tuning = Tuning::measure(index.dims(), index.points(), &queries, &before.graph, &advance, &stop)?;
        }
        Ok::<_, SearchError>(measured)
    })
    .await??;
    let parameters = Tuning::together(tunings.iter().filter_map(|(_, tuning)| tuning.as_ref()), before);
    library.set_index_parameters(&parameters).await?;
    Ok((parameters, tunings))
}
