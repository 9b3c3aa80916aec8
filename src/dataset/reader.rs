//! Detects the format of a collection and reads its records as one stream.

use std::{collections::HashMap, fs, path::Path};

use super::{
    DatasetError, Limits, Record, Rejection,
    formats::{csv::CsvReader, image_folder::ImageFolder, jsonl::JsonlReader},
};

/// File that is read in place of the folder's images.
const LIST: &str = "data.jsonl";

/// Reads a collection with the default [`Limits`].
///
/// - **A folder**: every image in it or its subfolders is a record. Its label is the topmost subfolder, its captions
///   are the lines of the `.txt` file with the same name, or else the words of its file name, and its id is the path
///   relative to the folder. Hidden files and files with other extensions are ignored. If the folder contains a
///   `data.jsonl`, that is read instead.
/// - **`.jsonl`**: one object per line,
///   `{"id","image","captions":[…]|"caption","labels":[…]|"label","split","meta":{…}}`. Only an image or a caption is
///   required. `image` is relative to the file. The id defaults to the value of `image`, else to `line-N`. Other fields
///   with a single value are stored in `meta`; a list or an object is rejected, because it is more likely a misspelt
///   `captions`.
/// - **`.csv`, `.tsv`**: a header with `image`, `caption` (repeatable), `captions` (separated by `|`), `label`,
///   `labels` (separated by `|`), `id`, `split`; other columns are stored in `meta` as text. A `.csv` without a comma
///   in its header is read with semicolons.
///
/// An error means that nothing could be read. An error in one record is a [`Rejection`] in the stream, and reading
/// continues.
pub fn read(path: &Path) -> Result<Reader, DatasetError> {
    read_with(path, Limits::default())
}

/// Like [`read`], with the given limits.
pub fn read_with(path: &Path, limits: Limits) -> Result<Reader, DatasetError> {
    let unreadable = |error| DatasetError::unreadable(path, &error);
    // Made absolute once, so that images stay valid if the process changes its working directory.
    let path = &std::path::absolute(path).map_err(unreadable)?;
    let metadata = fs::metadata(path).map_err(unreadable)?;
    let source = if metadata.is_dir() {
        let list = path.join(LIST);
        if list.is_file() {
            Source::Jsonl(JsonlReader::open(&list)?)
        } else {
            Source::ImageFolder(ImageFolder::open(path)?)
        }
    } else {
        let extension = path.extension().unwrap_or_default().to_string_lossy().to_lowercase();
        match extension.as_str() {
            "jsonl" | "ndjson" => Source::Jsonl(JsonlReader::open(path)?),
            "csv" => Source::Csv(CsvReader::open(path, b',', &limits)?),
            "tsv" => Source::Csv(CsvReader::open(path, b'\t', &limits)?),
            _ => {
                let found = if extension.is_empty() {
                    "file without an extension".into()
                } else {
                    format!(".{extension} file")
                };
                return Err(DatasetError::NotACollection { path: path.display().to_string(), found });
            }
        }
    };
    Ok(Reader { source, limits, ids: HashMap::new() })
}

/// A stream of records and rejections in the order of the file, or of the names in a folder. Holds one record at a
/// time, and 32 bytes for each id.
pub struct Reader {
    source: Source,
    limits: Limits,
    /// Line of the first occurrence of each id, by a hash of the id, because there may be millions.
    ids: HashMap<[u8; 16], u64>,
}

enum Source {
    ImageFolder(ImageFolder),
    Jsonl(JsonlReader),
    Csv(CsvReader),
}

impl Reader {
    /// Fraction of the collection that has been read; `None` for a folder, whose size is unknown until its end.
    pub fn progress(&self) -> Option<f64> {
        let (done, total) = match &self.source {
            Source::ImageFolder(_) => return None,
            Source::Jsonl(lines) => lines.bytes(),
            Source::Csv(table) => table.bytes(),
        };
        Some(if total == 0 { 1.0 } else { (done as f64 / total as f64).min(1.0) })
    }

    fn admit(&mut self, record: Record) -> Result<Record, Rejection> {
        let origin = record.origin.clone();
        let record = self.limits.admit(record).map_err(|reason| Rejection { origin: origin.clone(), reason })?;
        // In a folder of images the id is the path, and so unique.
        if let Some(line) = origin.line {
            let hash = blake3::hash(record.id.as_bytes());
            let key = hash.as_bytes()[..16].try_into().expect("a hash has 32 bytes");
            if let Some(first) = self.ids.get(&key) {
                let reason = format!("the id `{}` is already used in line {first}; ids must be unique", record.id);
                return Err(Rejection { origin, reason });
            }
            self.ids.insert(key, line);
        }
        Ok(record)
    }
}

impl Iterator for Reader {
    type Item = Result<Record, Rejection>;

    fn next(&mut self) -> Option<Self::Item> {
        let next = match &mut self.source {
            Source::ImageFolder(tree) => tree.next_record(&self.limits),
            Source::Jsonl(lines) => lines.next_record(&self.limits),
            Source::Csv(table) => table.next_record(&self.limits),
        }?;
        Some(next.and_then(|record| self.admit(record)))
    }
}

#[cfg(test)]
mod tests;
