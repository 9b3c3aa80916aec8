//! Encodes pictures and captions that have no features yet. Features are keyed by content, so nothing is encoded twice,
//! and a killed run loses at most the current batch.

use std::{path::Path, sync::Arc};

use rayon::prelude::*;

use crate::{
    catalog::MissingImage,
    collection::{Collection, CollectionError, Encoders, Job, blocking, encode_one},
    core::Picture,
    dataset::{self, PictureLimits},
};

/// The number of pictures in a batch.
const PICTURES: u32 = 32;
/// The number of captions in a batch. It is large, because captions are sorted by length before they are split into
/// batches of the network.
const TEXTS: u32 = 512;

/// Result of an encoding.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct EncodeSummary {
    /// Encoded pictures.
    pub pictures: u64,
    /// Pictures that could not be read any more; the catalog has the reasons.
    pub unreadable: u64,
    /// Encoded captions.
    pub texts: u64,
    /// Whether it was cancelled.
    pub stopped: bool,
}

/// Encodes every picture and caption that has no features of these encoders yet.
///
/// # Errors
/// If the catalog or an encoder fails. A picture that cannot be read any more is not an error; its item has
/// the reason.
pub async fn encode_missing(
    collection: &Collection,
    encoders: &Encoders,
    job: &Job,
) -> Result<EncodeSummary, CollectionError> {
    let mut summary = EncodeSummary::default();
    let (pictures, texts) = collection.catalog.missing_features(encoders.image.id(), encoders.text.id()).await?;
    encode_pictures(collection, encoders, pictures, job, &mut summary).await?;
    encode_texts(collection, encoders, texts, job, &mut summary).await?;
    Ok(summary)
}

async fn encode_pictures(
    collection: &Collection,
    encoders: &Encoders,
    total: u64,
    job: &Job,
    summary: &mut EncodeSummary,
) -> Result<(), CollectionError> {
    job.progress.begin("encode pictures", "picture", Some(total));
    let mut after = Vec::new();
    loop {
        if job.is_cancelled() {
            summary.stopped = true;
            return Ok(());
        }
        let missing = collection.catalog.images_without_features(encoders.image.id(), &after, PICTURES).await?;
        let Some(last) = missing.last() else { return Ok(()) };
        after.clone_from(&last.content_hash);
        let (encoder, limits) = (Arc::clone(&encoders.image), collection.limits);
        let (features, failures) = blocking(move || {
            // Each core decodes and encodes one picture at a time: a batch of large decoded pictures would not fit in
            // memory.
            let done: Vec<_> = missing
                .into_par_iter()
                .map(|picture| match read_again(&picture, &limits) {
                    Ok(decoded) => Ok((picture.content_hash, Ok(encode_one(encoder.as_ref(), decoded)?))),
                    Err(reason) => Ok((picture.content_hash, Err(reason))),
                })
                .collect::<Result<_, CollectionError>>()?;
            let mut features = Vec::new();
            let mut failures = Vec::new();
            for (hash, outcome) in done {
                match outcome {
                    Ok(vector) => features.push((hash, vector)),
                    Err(reason) => failures.push((hash, reason)),
                }
            }
            Ok::<_, CollectionError>((features, failures))
        })
        .await??;
        collection.catalog.put_features(encoders.image.id(), &features, &failures).await?;
        summary.pictures += features.len() as u64;
        summary.unreadable += failures.len() as u64;
        job.progress.advance(summary.pictures + summary.unreadable);
    }
}

/// Reads an imported picture again, and checks that it has not changed.
fn read_again(missing: &MissingImage, limits: &PictureLimits) -> Result<Picture, String> {
    let bytes = dataset::read_file(Path::new(&missing.path), limits).map_err(|e| e.to_string())?;
    if blake3::hash(&bytes).as_bytes().as_slice() != missing.content_hash {
        return Err(format!("{} changed since it was imported; import it again", missing.path));
    }
    Ok(dataset::decode(&bytes, limits).map_err(|e| e.to_string())?.picture)
}

async fn encode_texts(
    collection: &Collection,
    encoders: &Encoders,
    total: u64,
    job: &Job,
    summary: &mut EncodeSummary,
) -> Result<(), CollectionError> {
    job.progress.begin("encode captions", "caption", Some(total));
    let mut after = Vec::new();
    loop {
        if job.is_cancelled() {
            summary.stopped = true;
            return Ok(());
        }
        let missing = collection.catalog.texts_without_features(encoders.text.id(), &after, TEXTS).await?;
        let Some(last) = missing.last() else { return Ok(()) };
        after.clone_from(&last.text_hash);
        let encoder = Arc::clone(&encoders.text);
        let features = blocking(move || {
            let texts: Vec<&str> = missing.iter().map(|m| m.text.as_str()).collect();
            let features = encoder.encode(&texts)?;
            let hashes = missing.iter().map(|m| m.text_hash.clone());
            Ok::<_, CollectionError>(hashes.zip(features).collect::<Vec<_>>())
        })
        .await??;
        collection.catalog.put_features(encoders.text.id(), &features, &[]).await?;
        summary.texts += features.len() as u64;
        job.progress.advance(summary.texts);
    }
}
