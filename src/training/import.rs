//! Imports records into the catalog: reads, hashes and compares them, decodes pictures, and stores rows and thumbnails.
//!
//! Records come in batches. Each batch is one transaction, so a killed import loses at most the current batch, and the
//! next import skips everything that has not changed. Every picture is decoded once, so that a damaged one is reported
//! by the import and not by a later training; its thumbnail is created from the decoded picture.

use std::{path::Path, sync::Arc};

use rayon::prelude::*;

use crate::{
    catalog::{NewImage, NewItem, NewRejection},
    collection::{Collection, CollectionError, DataDir, Job, THUMBNAIL_SIDE, blocking},
    dataset::{self, Decoded, PictureLimits, Record, Rejection, Split},
    util::fs::write_atomic_unsynced,
};

/// The number of records in a batch: enough to keep all cores busy, and few enough to lose little when killed.
const BATCH: usize = 64;

/// The maximum number of rejections in a summary; the catalog has all of them.
const NAMED_REJECTIONS: usize = 20;

/// Result of an import.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ImportSummary {
    /// New and replaced records.
    pub taken: u64,
    /// Records that have not changed.
    pub unchanged: u64,
    /// Rejected records.
    pub rejected: u64,
    /// The first rejections, one line each.
    pub rejections: Vec<String>,
    /// Whether it was cancelled.
    pub stopped: bool,
}

/// A stream of records, as [`dataset`] reads them.
pub type Records = Box<dyn Iterator<Item = Result<Record, Rejection>> + Send>;

enum Outcome {
    Accepted(Box<NewItem>),
    Unchanged,
    Rejected(NewRejection),
}

/// Imports all records into the catalog. `total` is their number, if it is known.
///
/// # Errors
/// If the catalog fails. Bad records are not an error; they are in the summary.
pub async fn import(
    collection: &Collection,
    mut records: Records,
    total: Option<u64>,
    job: &Job,
) -> Result<ImportSummary, CollectionError> {
    let mut summary = ImportSummary::default();
    job.progress.begin("import", "record", total);
    loop {
        if job.is_cancelled() {
            summary.stopped = true;
            break;
        }
        let (rest, batch) = blocking(move || {
            let batch: Vec<_> = records.by_ref().take(BATCH).collect();
            (records, batch)
        })
        .await?;
        records = rest;
        if batch.is_empty() {
            break;
        }
        import_batch(collection, batch, &mut summary).await?;
        job.progress.advance(summary.taken + summary.unchanged + summary.rejected);
    }
    Ok(summary)
}

async fn import_batch(
    collection: &Collection,
    batch: Vec<Result<Record, Rejection>>,
    summary: &mut ImportSummary,
) -> Result<(), CollectionError> {
    let ids: Vec<&str> = batch.iter().filter_map(|r| r.as_ref().ok()).map(|r| r.id.as_str()).collect();
    let known = collection.catalog.known_records(&ids).await?;
    let origins: Vec<(String, Option<u64>)> = batch
        .iter()
        .filter_map(|r| r.as_ref().ok())
        .map(|r| (r.origin.file.display().to_string(), r.origin.line))
        .collect();
    let (folder, limits) = (collection.data_dir.clone(), collection.limits);
    let known = Arc::new(known);
    let outcomes: Vec<Outcome> = blocking(move || {
        batch
            .into_par_iter()
            .map(|record| match record {
                Ok(record) => {
                    let before = known.get(&record.id).map(Vec::as_slice);
                    accept(&folder, record, before, &limits)
                }
                Err(rejection) => Outcome::Rejected(reject(&rejection)),
            })
            .collect()
    })
    .await?;

    let mut items = Vec::new();
    let mut rejections = Vec::new();
    for outcome in outcomes {
        match outcome {
            Outcome::Accepted(item) => items.push(*item),
            Outcome::Unchanged => summary.unchanged += 1,
            Outcome::Rejected(rejection) => rejections.push(rejection),
        }
    }
    collection.catalog.delete_rejections(&origins).await?;
    collection.catalog.import_batch(&items, &rejections).await?;
    summary.taken += items.len() as u64;
    summary.rejected += rejections.len() as u64;
    for rejection in rejections.iter().take(NAMED_REJECTIONS.saturating_sub(summary.rejections.len())) {
        let line = rejection.line.map(|l| format!(":{l}")).unwrap_or_default();
        summary.rejections.push(format!("{}{line}: {}", rejection.file, rejection.reason));
    }
    Ok(())
}

/// Reads and decodes the picture of a record, unless the record has the hash `before`.
fn accept(folder: &DataDir, record: Record, before: Option<&[u8]>, limits: &PictureLimits) -> Outcome {
    let bytes = match &record.image {
        Some(path) => match dataset::read_file(path, limits) {
            Ok(bytes) => Some(bytes),
            Err(error) => return reject_picture(&record, path, &error.to_string()),
        },
        None => None,
    };
    let content_hash = bytes.as_deref().map(blake3::hash);
    let record_hash = hash_record(&record, content_hash.as_ref());
    if before == Some(record_hash.as_bytes().as_slice()) {
        return Outcome::Unchanged;
    }
    let picture = match (&record.image, bytes, content_hash) {
        (Some(path), Some(bytes), Some(hash)) => match store_image(folder, path, &bytes, &hash, limits) {
            Ok(picture) => Some(picture),
            Err(reason) => return reject_picture(&record, path, &reason),
        },
        _ => None,
    };
    let mut item = NewItem {
        id: record.id,
        captions: record.captions,
        labels: record.labels,
        given_split: record.split.map(Split::name),
        meta: serde_json::Value::Object(record.meta).to_string(),
        source: record.origin.to_string(),
        record_hash: *record_hash.as_bytes(),
        ..NewItem::default()
    };
    item.image = picture;
    Outcome::Accepted(Box::new(item))
}

fn store_image(
    folder: &DataDir,
    path: &Path,
    bytes: &[u8],
    hash: &blake3::Hash,
    limits: &PictureLimits,
) -> Result<NewImage, String> {
    let decoded = dataset::decode(bytes, limits).map_err(|e| e.to_string())?;
    new_picture(folder, path, hash, &decoded).map_err(|e| format!("its thumbnail could not be written: {e}"))
}

/// The catalog row of a decoded picture. Creates its thumbnail if it is missing.
pub(crate) fn new_picture(
    folder: &DataDir,
    path: &Path,
    hash: &blake3::Hash,
    decoded: &Decoded,
) -> std::io::Result<NewImage> {
    let thumbnail = folder.thumbnail(hash.as_bytes(), THUMBNAIL_SIDE);
    if !thumbnail.exists() {
        write_atomic_unsynced(&thumbnail, &dataset::thumbnail(&decoded.picture, THUMBNAIL_SIDE))?;
    }
    Ok(NewImage {
        content_hash: *hash.as_bytes(),
        path: path.display().to_string(),
        mime: decoded.format.mime().into(),
        width: decoded.picture.width(),
        height: decoded.picture.height(),
    })
}

/// A hash of everything in the catalog's row, so that an unchanged record is recognised without decoding its picture.
fn hash_record(record: &Record, content: Option<&blake3::Hash>) -> blake3::Hash {
    let fields = serde_json::json!({
        "id": record.id,
        "image": record.image,
        "captions": record.captions,
        "labels": record.labels,
        "split": record.split,
        "meta": record.meta,
        "source": record.origin.to_string(),
        "content": content.map(|c| c.to_hex().to_string()),
    });
    blake3::hash(fields.to_string().as_bytes())
}

fn reject(rejection: &Rejection) -> NewRejection {
    NewRejection {
        file: rejection.origin.file.display().to_string(),
        line: rejection.origin.line,
        reason: rejection.reason.clone(),
    }
}

fn reject_picture(record: &Record, path: &Path, reason: &str) -> Outcome {
    // If the record consists of the picture, the origin already has its path.
    let reason = if record.origin.file == path { reason.to_owned() } else { format!("{}: {reason}", path.display()) };
    Outcome::Rejected(reject(&Rejection { origin: record.origin.clone(), reason }))
}
