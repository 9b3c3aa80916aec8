//! Writes the parts of a backup into its archive.

use std::{
    fs::{self, File},
    io::BufWriter,
    path::Path,
    sync::Arc,
};

use crate::{
    archive::{self, About, ArchiveDigest, MissingFile, is_segment},
    catalog::{self, StoredImage},
    collection::{Collection, CollectionError, DataDir, Progress},
    dataset::{self, PictureFormat, PictureLimits},
    index::PinnedGeneration,
};

/// The maximum number of missing files that the manifest lists; all of them are counted.
const NAMED: usize = 1_000;

pub(crate) type Writer = archive::Writer<BufWriter<File>>;

/// An archive that is being written.
pub(crate) struct BackupWriter {
    writer: Writer,
    data_dir: DataDir,
    limits: PictureLimits,
    progress: Arc<dyn Progress>,
    /// Pictures so far.
    pictures: u64,
    /// Files that could not be read.
    missing: u64,
    /// Of these, pictures.
    missing_pictures: u64,
    named: Vec<MissingFile>,
}

impl BackupWriter {
    pub(crate) fn new(writer: Writer, collection: &Collection, progress: Arc<dyn Progress>) -> Self {
        let (data_dir, limits) = (collection.data_dir.clone(), collection.limits);
        Self { writer, data_dir, limits, progress, pictures: 0, missing: 0, missing_pictures: 0, named: Vec::new() }
    }

    /// Writes the models. The active one must be readable; others may be missing.
    pub(crate) fn models(&mut self, versions: &[String], active: Option<&str>) -> Result<(), CollectionError> {
        self.progress.begin("pack models", "model", Some(versions.len() as u64));
        for (done, version) in (1..).zip(versions) {
            let folder = self.data_dir.model(version);
            let names = || -> std::io::Result<Vec<String>> {
                let names: std::io::Result<Vec<_>> =
                    fs::read_dir(&folder)?.map(|entry| Ok(entry?.file_name())).collect();
                let mut names: Vec<String> = names?.into_iter().filter_map(|name| name.into_string().ok()).collect();
                // A file with any other name is unrelated or incomplete.
                names.retain(|name| is_segment(name) && folder.join(name).is_file());
                names.sort_unstable();
                Ok(names)
            };
            match names() {
                Ok(names) => {
                    for name in names {
                        self.file(&format!("models/{version}/{name}"), &folder.join(&name))?;
                    }
                }
                Err(error) if active != Some(version.as_str()) => {
                    self.record_missing(format!("models/{version}"), format!("{}: {error}", folder.display()));
                }
                Err(error) => {
                    return Err(CollectionError::io("the active model cannot be read from", &folder)(error));
                }
            }
            self.progress.advance(done);
        }
        Ok(())
    }

    /// Writes the index generation, as the only one in the archive.
    pub(crate) fn index(&mut self, held: Option<PinnedGeneration>) -> Result<(), CollectionError> {
        let Some(held) = held else { return Ok(()) };
        self.progress.begin("pack the index", "file", Some(held.files.len() as u64));
        let current = held.current.as_bytes();
        self.writer.append(&format!("index/{}", PinnedGeneration::CURRENT), current.len() as u64, current)?;
        for (done, (name, file, bytes)) in (1..).zip(held.files) {
            self.writer.append(&format!("index/{name}"), bytes, file)?;
            self.progress.advance(done);
        }
        Ok(())
    }

    /// Begins the pictures, of which there are `count`.
    pub(crate) fn begin_pictures(&self, count: u64) {
        self.progress.begin("pack pictures", "picture", Some(count));
    }

    /// Writes a picture from the first of its paths at which it is unchanged.
    pub(crate) fn picture(&mut self, picture: &StoredImage) -> Result<(), CollectionError> {
        let ending = ending(&picture.mime);
        let name = DataDir::upload_name(&picture.content_hash, ending);
        let own = self.data_dir.upload(&picture.content_hash, ending);
        let mut reason = None;
        let mut found = None;
        for path in picture.paths.iter().map(Path::new).chain([own.as_path()]) {
            // Read completely, because it is verified before it is written.
            match dataset::read_file(path, &self.limits) {
                Ok(bytes) if blake3::hash(&bytes).as_bytes().as_slice() == picture.content_hash => {
                    found = Some(bytes);
                    break;
                }
                Ok(_) => reason = reason.or_else(|| Some(format!("{} changed since it was imported", path.display()))),
                Err(error) => reason = reason.or_else(|| Some(format!("{}: {error}", path.display()))),
            }
        }
        match found {
            Some(bytes) => self.writer.append(&name, bytes.len() as u64, bytes.as_slice())?,
            None => {
                self.missing_pictures += 1;
                self.record_missing(name, reason.unwrap_or_default());
            }
        }
        self.pictures += 1;
        self.progress.advance(self.pictures);
        Ok(())
    }

    /// Writes the catalog.
    pub(crate) fn catalog(&mut self, file: &Path) -> Result<(), CollectionError> {
        self.progress.begin("pack the catalog", "file", Some(1));
        self.file(catalog::FILE, file)?;
        self.progress.advance(1);
        Ok(())
    }

    /// The numbers of pictures written and of files missing, and the first missing ones.
    pub(crate) fn totals(&mut self) -> (u64, u64, Vec<MissingFile>) {
        (self.pictures - self.missing_pictures, self.missing, std::mem::take(&mut self.named))
    }

    /// Finishes the archive and syncs it.
    pub(crate) fn finish(self, about: About) -> Result<ArchiveDigest, CollectionError> {
        let (out, written) = self.writer.finish(about)?;
        let synced = out.into_inner().map_err(std::io::IntoInnerError::into_error).and_then(|file| file.sync_all());
        synced.map_err(|source| CollectionError::Io { what: "the backup could not be synced".into(), source })?;
        Ok(written)
    }

    fn file(&mut self, name: &str, path: &Path) -> Result<(), CollectionError> {
        let unreadable = || CollectionError::io("a file could not be read:", path);
        let file = File::open(path).map_err(unreadable())?;
        let bytes = file.metadata().map_err(unreadable())?.len();
        Ok(self.writer.append(name, bytes, file)?)
    }

    fn record_missing(&mut self, path: String, reason: String) {
        tracing::warn!(path, reason, "a file is missing from the backup");
        self.missing += 1;
        if self.named.len() < NAMED {
            self.named.push(MissingFile { path, reason });
        }
    }
}

/// The file extension of a media type.
pub(crate) fn ending(mime: &str) -> &'static str {
    PictureFormat::of_mime(mime).map_or("bin", PictureFormat::ending)
}
