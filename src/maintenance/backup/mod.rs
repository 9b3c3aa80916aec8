//! The whole collection as one file, taken while it is asked and changed.
//!
//! What has to fit together is the catalog, and it decides: it is copied as it is at one moment, and with it go the models and
//! the pictures that the copy names, and an index that the copy can bring up to date. Models and pictures never change under
//! their names, and a compaction waits, so what the copy names is there. The index's files are opened before that moment, so
//! that they can be read whatever is built meanwhile; it is the one that answers that goes along, for a graph that is built anew
//! may find other neighbours.
//!
//! Pictures lie in the backup by their content, also those that were imported from elsewhere and are only referred to: a
//! restore needs nothing else. One that can no longer be read, or is not what was imported, is named as missing and keeps no
//! backup from being made.

mod writer;

use std::{
    fs::File,
    io::BufWriter,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use serde::Serialize;
use time::{OffsetDateTime, format_description::well_known::Rfc3339};

pub(crate) use self::writer::ending;
use self::writer::{BackupWriter, Writer};
use crate::{
    archive::{About, Absent, Counts, Written},
    catalog::{self, Catalog},
    collection::{Collection, CollectionError, Progress, base_watermark, blocking},
    index::PinnedGeneration,
    maintenance::staging::{MaintenanceLock, StagingDir, tidy},
};

/// How often an index and a copy of the catalog are tried to be got that fit together.
const TRIES: usize = 3;

/// How often the copy of the catalog is looked at to say how far it is.
const LOOK_EVERY: Duration = Duration::from_millis(250);

/// Pictures that are looked up together.
const PICTURES: u32 = 256;

/// Bytes that are written at once.
const BUFFER: usize = 1 << 20;

/// Missing files that a summary names.
const SHOWN: usize = 20;

/// What a backup made.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct BackupSummary {
    /// Where it lies; below the data folder, if it is there.
    pub file: PathBuf,
    /// Its length.
    pub bytes: u64,
    /// SHA-256 of the whole file.
    pub sha256: String,
    /// Items in it.
    pub items: u64,
    /// Different pictures in it.
    pub pictures: u64,
    /// Files that should be in it and could not be read.
    pub missing: u64,
    /// The first of them.
    pub missing_files: Vec<Absent>,
    /// The model that answers.
    pub model: Option<String>,
    /// The generation of the index that is with it.
    pub index_generation: Option<u64>,
    /// How long it took.
    pub seconds: f64,
}

/// Where a backup goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BackupTo<'a> {
    /// A file, or a folder in which it gets the name of the moment; without one, that of the collection's backups.
    pub path: Option<&'a Path>,
    /// Whether it may take the place of a file that is there.
    pub replace: bool,
}

/// Takes a backup. It gets its name when it is whole and on the disk.
///
/// # Errors
/// [`CollectionError::BadOutput`] if there is a file already that is not to be replaced; [`CollectionError::Cancelled`] soon after `stop` is
/// set; or if the catalog or the file system fails. Then what was there before is there still, and nothing else.
pub async fn backup(
    collection: &Collection,
    to: BackupTo<'_>,
    progress: Arc<dyn Progress>,
    stop: Arc<AtomicBool>,
) -> Result<BackupSummary, CollectionError> {
    let began = Instant::now();
    let _alone = MaintenanceLock::with(collection, progress.as_ref(), &stop).await?;
    let now = OffsetDateTime::now_utc();
    let file = file_for(collection, to, now)?;
    let parent = file.parent().unwrap_or(Path::new("/")).to_owned();
    let workplace = StagingDir::make(&parent).map_err(CollectionError::io("nothing can be made in", &parent))?;
    let unnamed = workplace.path().join("archive.tar");

    let (copy, index) = moment(collection, workplace.path(), progress.as_ref(), &stop).await?;
    let out = File::create_new(&unnamed).map_err(CollectionError::io("a file could not be made:", &unnamed))?;
    let seconds = now.unix_timestamp().max(0).unsigned_abs();
    let writer = Writer::new(BufWriter::with_capacity(BUFFER, out), seconds, Arc::clone(&stop));
    let packing = BackupWriter::new(writer, collection, progress);
    let (written, about) = pack(packing, copy, index, &workplace.path().join(catalog::FILE), now).await?;
    if stop.load(Ordering::Relaxed) {
        return Err(CollectionError::Cancelled);
    }
    // Somebody may have put another file there meanwhile.
    refuse_taken(&file, to)?;
    workplace.put(&unnamed, &file)?;

    let Written { bytes, sha256 } = written;
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

/// Removes what backups left in the collection's folder that were cut off. For a service that starts; the next backup does it too.
pub fn remove_stale_backups(collection: &Collection) {
    let (count, bytes) = tidy(&collection.data_dir.backups());
    if count > 0 {
        tracing::warn!(bytes, "{count} backups were cut off; what was left of them is removed");
    }
}

/// The file that the backup becomes.
fn file_for(collection: &Collection, to: BackupTo<'_>, now: OffsetDateTime) -> Result<PathBuf, CollectionError> {
    let folder = match to.path {
        None => collection.data_dir.backups(),
        Some(path) => {
            let path = std::path::absolute(path).map_err(CollectionError::io("there is no such place:", path))?;
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
    // Two of one second are told apart by a number.
    let names =
        (1..).map(|n| if n == 1 { format!("diptych-{moment}.tar") } else { format!("diptych-{moment}-{n}.tar") });
    let mut files = names.map(|name| folder.join(name));
    Ok(files.find(|file| !file.exists()).unwrap_or(folder))
}

fn refuse_taken(file: &Path, to: BackupTo<'_>) -> Result<(), CollectionError> {
    if !to.replace && file.symlink_metadata().is_ok() {
        let file = file.display();
        return Err(CollectionError::BadOutput(format!(
            "{file} is there already; name another file, or say --replace"
        )));
    }
    Ok(())
}

/// A copy of the catalog in `folder`, and the generation of the index that answers, if it is one that the copy can bring up to
/// date.
async fn moment(
    collection: &Collection,
    folder: &Path,
    progress: &dyn Progress,
    stop: &Arc<AtomicBool>,
) -> Result<(Catalog, Option<PinnedGeneration>), CollectionError> {
    let file = folder.join(catalog::FILE);
    for last in (0..TRIES).rev().map(|left| left == 0) {
        // First what is older: the catalog knows what has changed since.
        let store = collection.index_store();
        let held = blocking(move || store.pin()).await?.unwrap_or_else(|error| {
            tracing::warn!(%error, "the backup goes without the index, which a restored service then builds");
            Vec::new()
        });
        copy_catalog(collection, &file, progress, stop).await?;
        let copy = Catalog::open(folder).await?;
        let (collection_name, known) = (copy.collection_name().await?, copy.change_log_range().await?);
        let active = copy.active_model().await?.map(|model| model.version);
        let mut own = held.into_iter().filter(|held| active.as_ref() == Some(&held.model)).peekable();
        let none = own.peek().is_none();
        let fits =
            own.find(|held| base_watermark(&held.watermark, &collection_name).is_some_and(|at| known.contains(&at)));
        // Two newer ones may have come in between, and the catalog has forgotten what changed before them.
        if fits.is_some() || none || last {
            return Ok((copy, fits));
        }
        copy.close().await;
        std::fs::remove_file(&file).map_err(CollectionError::io("a file could not be removed:", &file))?;
    }
    Err(CollectionError::Internal("a moment for the backup could not be found".into()))
}

async fn copy_catalog(
    collection: &Collection,
    file: &Path,
    progress: &dyn Progress,
    stop: &Arc<AtomicBool>,
) -> Result<(), CollectionError> {
    let total = collection.catalog.size_bytes().await?;
    progress.begin("copy the catalog", "byte", Some(total));
    let mut copying = std::pin::pin!(collection.catalog.copy_to(file, Arc::clone(stop)));
    let mut tick = tokio::time::interval(LOOK_EVERY);
    let copied = loop {
        tokio::select! {
            copied = &mut copying => break copied,
            _ = tick.tick() => progress.advance(file.metadata().map_or(0, |metadata| metadata.len()).min(total)),
        }
    };
    if stop.load(Ordering::Relaxed) {
        return Err(CollectionError::Cancelled);
    }
    copied?;
    progress.advance(total);
    Ok(())
}

/// Puts all that the copy of the catalog names into the archive, then the copy itself, which lies in `file`.
async fn pack(
    mut packing: BackupWriter,
    copy: Catalog,
    index: Option<PinnedGeneration>,
    file: &Path,
    now: OffsetDateTime,
) -> Result<(Written, About), CollectionError> {
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
    packing = blocking(move || {
        packing.models(&versions, active.as_deref())?;
        packing.index(index)?;
        packing.begin_pictures(pictures);
        Ok::<_, CollectionError>(packing)
    })
    .await??;
    let mut after = Vec::new();
    loop {
        let some = copy.stored_images(&after, PICTURES).await?;
        let Some(last) = some.last() else { break };
        after.clone_from(&last.content_hash);
        packing = blocking(move || {
            some.iter().try_for_each(|picture| packing.picture(picture))?;
            Ok::<_, CollectionError>(packing)
        })
        .await??;
    }
    // Closed, it is one file.
    copy.close().await;
    let file = file.to_owned();
    blocking(move || {
        packing.catalog(&file)?;
        let (pictures, missing, named) = packing.packed();
        about.counts = Counts { pictures, missing, ..about.counts };
        about.missing = named;
        Ok((packing.finish(about.clone())?, about))
    })
    .await?
}
