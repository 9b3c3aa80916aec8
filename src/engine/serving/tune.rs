//! Tunes the index parameters to the collection and the machine.

use super::{CAPTIONS, PICTURES};
use crate::{
    collection::{Collection, CollectionError, Encoders, Job, blocking},
    engine::{IndexMode, Kind, ServingSnapshot},
    index::{IndexParameters, Tuning, VectorIndex},
};

/// Number of query vectors, of the other modality, in a tuning.
const SAMPLE: usize = 200;

/// Measures index parameters on the active model's vectors and stores the best for the collection's next index. Returns
/// them with the measurements of each index that has enough vectors.
///
/// # Errors
/// Same as [`ServingSnapshot::build`].
pub async fn tune_index(
    collection: &Collection,
    encoders: &Encoders,
    job: &Job,
) -> Result<(IndexParameters, [(&'static str, Option<Tuning>); 2]), CollectionError> {
    let before = collection.index_parameters().await?;
    let scanned = ServingSnapshot::build(collection, encoders, IndexMode::InMemoryScan, job).await?;
    let job = job.clone();
    let tunings = blocking(move || {
        let (images, texts) = (scanned.indexes.snapshot(Kind::Image), scanned.indexes.snapshot(Kind::Text));
        let mut measured = [(PICTURES, None), (CAPTIONS, None)];
        for ((name, tuning), (index, other)) in measured.iter_mut().zip([(&images, &texts), (&texts, &images)]) {
            job.progress.begin(&format!("try {name}"), "point", Some(index.len() as u64));
            let advance = |done| job.progress.advance(done as u64);
            let queries = other.sample(SAMPLE);
            *tuning = Tuning::measure(index.dims(), index.points(), &queries, &before.graph, &advance, &job.stop)?;
        }
        Ok::<_, CollectionError>(measured)
    })
    .await??;
    let parameters = Tuning::combine(tunings.iter().filter_map(|(_, tuning)| tuning.as_ref()), before);
    collection.set_index_parameters(&parameters).await?;
    Ok((parameters, tunings))
}
