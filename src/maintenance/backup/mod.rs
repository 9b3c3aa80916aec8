//! How is a collection backed up to one file while it is in use?
//!
//! A consistent copy of the catalog determines the content of the backup: the models and pictures that it references,
//! and an index that it can bring up to date. Files of models and pictures are immutable, and compaction waits, so
//! everything that the copy references exists. The index files are opened before the catalog is copied, and stay
//! readable even if a new index replaces them. The index is included because a rebuilt graph may find other neighbours.
//!
//! Pictures are named after the hash of their content. Imported pictures outside of the data folder are included, so
//! that a restore needs nothing else. A picture that cannot be read any more, or has changed, is listed as missing and
//! does not fail the backup.

mod writer;

use std::{
    fs::File,
    io::BufWriter,
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, Instant},
};

use serde::Serialize;
use time::{OffsetDateTime, format_description::well_known::Rfc3339};

pub(crate) use self::writer::ending;
use self::writer::{BackupWriter, Writer};
use crate::{
    archive::{About, ArchiveDigest, Counts, MissingFile},
    catalog::{self, Catalog},
    collection::{Collection, CollectionError, Job, base_watermark, blocking},
    index::PinnedGeneration,
    maintenance::{
        lock::MaintenanceLock,
        staging::{StagingDir, remove_stale},
    },
};

/// Maximum number of attempts to get a consistent index and copy of the catalog.
const TRIES: usize = 3;

/// Interval between progress reports while the catalog is copied.
const LOOK_EVERY: Duration = Duration::from_millis(250);

/// The number of pictures per lookup in the catalog.
const PICTURES: u32 = 256;

/// Size of the write buffer in bytes.
const BUFFER: usize = 1 << 20;

/// The maximum number of missing files in a summary.
const SHOWN: usize = 20;

/// Result of a backup.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct BackupSummary {
    /// Its path, relative to the data folder if it is inside.
    pub file: PathBuf,
    /// Its length.
    pub bytes: u64,
    /// SHA-256 of the whole file.
    pub sha256: String,
    /// Items in it.
    pub items: u64,
    /// Distinct pictures in it.
    pub pictures: u64,
    /// Files that belong to it but could not be read.
    pub missing: u64,
    /// The first of them.
    pub missing_files: Vec<MissingFile>,
    /// The active model.
    pub model: Option<String>,
    /// The index generation in it.
    pub index_generation: Option<u64>,
    /// Its duration in seconds.
    pub seconds: f64,
}

/// Destination of a backup.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BackupTo<'a> {
    /// Output file, or a folder for a timestamped file; by default the collection's folder of backups.
    pub path: Option<&'a Path>,
    /// Whether an existing file may be replaced.
    pub replace: bool,
}

/// Writes a backup. The file is renamed to its final path when it is complete and synced.
///
/// # Errors
/// [`CollectionError::BadOutput`] if the file exists and may not be replaced; [`CollectionError::Cancelled`] soon after
/// the job is cancelled; or if the catalog or the file system fails. In these cases nothing is
/// changed.
pub async fn backup(collection: &Collection, to: BackupTo<'_>, job: &Job) -> Result<BackupSummary, CollectionError> {
    let began = Instant::now();
    let _lock = MaintenanceLock::acquire(collection, job).await?;
    let now = OffsetDateTime::now_utc();
    let file = file_for(collection, to, now)?;
    let parent = file.parent().unwrap_or(Path::new("/")).to_owned();
    let staging =
        StagingDir::create(&parent).map_err(CollectionError::io("cannot create a staging folder in", &parent))?;
    let unnamed = staging.path().join("archive.tar");

    let (copy, index) = consistent_snapshot(collection, staging.path(), job).await?;
    let out = File::create_new(&unnamed).map_err(CollectionError::io("a file could not be made:", &unnamed))?;
    let seconds = now.unix_timestamp().max(0).unsigned_abs();
    let archive = Writer::new(BufWriter::with_capacity(BUFFER, out), seconds, Arc::clone(&job.stop));
    let writer = BackupWriter::new(archive, collection, Arc::clone(&job.progress));
    let (written, about) = pack(writer, copy, index, &staging.path().join(catalog::FILE), now).await?;
    job.check_cancelled()?;
    // Another process may have created the file meanwhile.
    refuse_taken(&file, to)?;
    staging.publish(&unnamed, &file)?;

    let ArchiveDigest { bytes, sha256 } = written;
    let About { model, index_generation, counts, missing, .. } = about;
    Ok(BackupSummary {
        file: file.strip_prefix(collection.data_dir.root()).unwrap_or(&file).to_owned(),
        bytes,
        sha256,
        items: counts.items,
        pictures: counts.pictures,
        missing: counts.missing,
        missing_files: missing.into_iter().take(SHOWN).collect(),
        model,
        index_generation,
        seconds: began.elapsed().as_secs_f64(),
    })
}

/// Removes the leftovers of interrupted backups in the default folder. Called when a service starts and by every
/// backup.
pub fn remove_stale_backups(collection: &Collection) {
    let (count, bytes) = remove_stale(&collection.data_dir.backups());
    if count > 0 {
        tracing::warn!(bytes, "removed the leftovers of {count} interrupted backups");
    }
}

/// The path of the backup.
fn file_for(collection: &Collection, to: BackupTo<'_>, now: OffsetDateTime) -> Result<PathBuf, CollectionError> {
    let folder = match to.path {
        None => collection.data_dir.backups(),
        Some(path) => {
            let path = std::path::absolute(path).map_err(CollectionError::io("not a valid path:", path))?;
            if !path.is_dir() {
                refuse_taken(&path, to)?;
                return Ok(path);
            }
            path
        }
    };
    let (date, time) = (now.date(), now.time());
    let moment = format!(
        "{:04}{:02}{:02}T{:02}{:02}{:02}Z",
        date.year(),
        u8::from(date.month()),
        date.day(),
        time.hour(),
        time.minute(),
        time.second()
    );
    // A number distinguishes backups within the same second.
    let names =
        (1..).map(|n| if n == 1 { format!("diptych-{moment}.tar") } else { format!("diptych-{moment}-{n}.tar") });
    let mut files = names.map(|name| folder.join(name));
    Ok(files.find(|file| !file.exists()).unwrap_or(folder))
}

fn refuse_taken(file: &Path, to: BackupTo<'_>) -> Result<(), CollectionError> {
    if !to.replace && file.symlink_metadata().is_ok() {
        let file = file.display();
        return Err(CollectionError::BadOutput(format!("{file} exists; name another file, or pass --replace")));
    }
    Ok(())
}

/// A copy of the catalog in `folder`, and the live index generation if the copy can bring it up to date.
async fn consistent_snapshot(
    collection: &Collection,
    folder: &Path,
    job: &Job,
) -> Result<(Catalog, Option<PinnedGeneration>), CollectionError> {
    let file = folder.join(catalog::FILE);
    for last in (0..TRIES).rev().map(|left| left == 0) {
        // Pin the index first, because the catalog records the changes since.
        let store = collection.index_store();
        let held = blocking(move || store.pin()).await?.unwrap_or_else(|error| {
            tracing::warn!(%error, "the backup is written without an index; a restored service builds one");
            Vec::new()
        });
        copy_catalog(collection, &file, job).await?;
        let copy = Catalog::open(folder).await?;
        let (collection_name, known) = (copy.collection_name().await?, copy.change_log_range().await?);
        let active = copy.active_model().await?.map(|model| model.version);
        let mut own = held.into_iter().filter(|held| active.as_ref() == Some(&held.model)).peekable();
        let none = own.peek().is_none();
        let fits =
            own.find(|held| base_watermark(&held.watermark, &collection_name).is_some_and(|at| known.contains(&at)));
        // Newer generations may have been built in between, which truncates the change log.
        if fits.is_some() || none || last {
            return Ok((copy, fits));
        }
        copy.close().await;
        std::fs::remove_file(&file).map_err(CollectionError::io("a file could not be removed:", &file))?;
    }
    Err(CollectionError::Internal("no consistent snapshot for the backup was found".into()))
}

async fn copy_catalog(collection: &Collection, file: &Path, job: &Job) -> Result<(), CollectionError> {
    let total = collection.catalog.size_bytes().await?;
    job.progress.begin("copy the catalog", "byte", Some(total));
    let mut copying = std::pin::pin!(collection.catalog.copy_to(file, Arc::clone(&job.stop)));
    let mut tick = tokio::time::interval(LOOK_EVERY);
    let copied = loop {
        tokio::select! {
            copied = &mut copying => break copied,
            _ = tick.tick() => job.progress.advance(file.metadata().map_or(0, |metadata| metadata.len()).min(total)),
        }
    };
    job.check_cancelled()?;
    copied?;
    job.progress.advance(total);
    Ok(())
}

/// Writes everything that the copy of the catalog references into the archive, then the copy itself, which is `file`.
async fn pack(
    mut writer: BackupWriter,
    copy: Catalog,
    index: Option<PinnedGeneration>,
    file: &Path,
    now: OffsetDateTime,
) -> Result<(ArchiveDigest, About), CollectionError> {
    let active = copy.active_model().await?.map(|model| model.version);
    let versions: Vec<String> = copy.models().await?.into_iter().map(|model| model.version).collect();
    let (counts, pictures) = (copy.counts().await?, copy.count_images().await?);
    let mut about = About {
        program: concat!("diptych ", env!("CARGO_PKG_VERSION")).to_owned(),
        created_at: now.format(&Rfc3339).unwrap_or_default(),
        collection: copy.collection_name().await?,
        model: active.clone(),
        index_generation: index.as_ref().map(|held| held.number),
        counts: Counts {
            items: counts.items.unsigned_abs(),
            pictures: 0,
            captions: counts.captions.unsigned_abs(),
            models: versions.len() as u64,
            keys: copy.keys().await?.len() as u64,
            missing: 0,
        },
        missing: Vec::new(),
    };
    writer = blocking(move || {
        writer.models(&versions, active.as_deref())?;
        writer.index(index)?;
        writer.begin_pictures(pictures);
        Ok::<_, CollectionError>(writer)
    })
    .await??;
    let mut after = Vec::new();
    loop {
        let some = copy.stored_images(&after, PICTURES).await?;
        let Some(last) = some.last() else { break };
        after.clone_from(&last.content_hash);
        writer = blocking(move || {
            some.iter().try_for_each(|picture| writer.picture(picture))?;
            Ok::<_, CollectionError>(writer)
        })
        .await??;
    }
    // A closed catalog is a single file.
    copy.close().await;
    let file = file.to_owned();
    blocking(move || {
        writer.catalog(&file)?;
        let (pictures, missing, named) = writer.totals();
        about.counts = Counts { pictures, missing, ..about.counts };
        about.missing = named;
        Ok((writer.finish(about.clone())?, about))
    })
    .await?
}
