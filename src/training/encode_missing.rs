//! Encodes pictures and captions that have no features yet. Features are keyed by content, so nothing is encoded twice,
//! and a killed run loses at most the current batch.

use std::{path::Path, sync::Arc};

use rayon::prelude::*;

use crate::{
    catalog::{Content, MissingFeature},
    collection::{Collection, CollectionError, Encoders, Job, blocking, encode_one},
    core::Picture,
    dataset::{self, PictureLimits},
    encoders::{ImageEncoder, TextEncoder},
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
    let (pictures, texts) = collection.catalog.missing_features(encoders.image.id(), encoders.text.id()).await?;
    job.progress.begin("encode pictures", "picture", Some(pictures));
    let (encoder, limits) = (Arc::clone(&encoders.image), collection.limits);
    let encode = move |missing| encode_pictures(encoder.as_ref(), missing, &limits);
    let (pictures, unreadable) =
        encode_batches(collection, job, (Content::Images, PICTURES), encoders.image.id(), encode).await?;
    job.progress.begin("encode captions", "caption", Some(texts));
    let encoder = Arc::clone(&encoders.text);
    let encode = move |missing| encode_texts(encoder.as_ref(), missing);
    let (texts, _) = encode_batches(collection, job, (Content::Captions, TEXTS), encoders.text.id(), encode).await?;
    Ok(EncodeSummary { pictures, unreadable, texts, stopped: job.is_cancelled() })
}

/// Features by hash, and why there are none, by hash.
type Encoded = (Vec<(Vec<u8>, Vec<f32>)>, Vec<(Vec<u8>, String)>);

/// Encodes batch after batch of a content, until nothing is missing or the job is cancelled. Returns how many were
/// encoded and how many could not be.
async fn encode_batches(
    collection: &Collection,
    job: &Job,
    (content, batch): (Content, u32),
    encoder: &str,
    encode: impl Fn(Vec<MissingFeature>) -> Result<Encoded, CollectionError> + Send + Sync + 'static,
) -> Result<(u64, u64), CollectionError> {
    let encode = Arc::new(encode);
    let (mut encoded, mut failed, mut after) = (0, 0, Vec::new());
    while !job.is_cancelled() {
        let missing = collection.catalog.content_without_features(content, encoder, &after, batch).await?;
        let Some(last) = missing.last() else { break };
        after.clone_from(&last.hash);
        let encode = Arc::clone(&encode);
        let (features, failures) = blocking(move || encode(missing)).await??;
        collection.catalog.put_features(encoder, &features, &failures).await?;
        encoded += features.len() as u64;
        failed += failures.len() as u64;
        job.progress.advance(encoded + failed);
    }
    Ok((encoded, failed))
}

fn encode_pictures(
    encoder: &dyn ImageEncoder,
    missing: Vec<MissingFeature>,
    limits: &PictureLimits,
) -> Result<Encoded, CollectionError> {
    // Each core decodes and encodes one picture at a time: a batch of large decoded pictures would not fit in memory.
    let encode = |picture: MissingFeature| match read_again(&picture, limits) {
        Ok(decoded) => Ok((picture.hash, Ok(encode_one(encoder, decoded)?))),
        Err(reason) => Ok((picture.hash, Err(reason))),
    };
    let outcomes: Vec<_> = missing.into_par_iter().map(encode).collect::<Result<_, CollectionError>>()?;
    let (mut features, mut failures) = (Vec::new(), Vec::new());
    for (hash, outcome) in outcomes {
        match outcome {
            Ok(vector) => features.push((hash, vector)),
            Err(reason) => failures.push((hash, reason)),
        }
    }
    Ok((features, failures))
}

/// Reads an imported picture again, and checks that it has not changed.
fn read_again(missing: &MissingFeature, limits: &PictureLimits) -> Result<Picture, String> {
    let bytes = dataset::read_file(Path::new(&missing.source), limits).map_err(|e| e.to_string())?;
    if blake3::hash(&bytes).as_bytes().as_slice() != missing.hash {
        return Err(format!("{} changed since it was imported; import it again", missing.source));
    }
    Ok(dataset::decode(&bytes, limits).map_err(|e| e.to_string())?.picture)
}

fn encode_texts(encoder: &dyn TextEncoder, missing: Vec<MissingFeature>) -> Result<Encoded, CollectionError> {
    let texts: Vec<&str> = missing.iter().map(|caption| caption.source.as_str()).collect();
    let features = encoder.encode(&texts)?;
    Ok((missing.into_iter().map(|caption| caption.hash).zip(features).collect(), Vec::new()))
}
