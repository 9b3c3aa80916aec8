//! Which kind of collection a path is, and one stream of records from any of them.

use std::{collections::HashMap, fs, path::Path};

use super::{
    DatasetError, Limits, Record, Rejection,
    formats::{csv::CsvReader, image_folder::ImageFolder, jsonl::JsonlReader},
};

/// In a folder, the file that is read instead of the folder's pictures.
const LIST: &str = "data.jsonl";

/// Reads a collection with the default [`Limits`].
///
/// - **A folder**: every picture below it is a record. Its label is the first folder below the root, its captions are
///   the lines of the `.txt` file beside it, else its name in words; its id is its path below the root. Hidden files
///   and files with other extensions are passed over. If the folder holds a `data.jsonl`, that is read instead.
/// - **`.jsonl`**: an object a line, `{"id","image","captions":[…]|"caption","labels":[…]|"label","split","meta":{…}}`,
///   nothing required but a picture or a caption. `image` is relative to the file. The id defaults to the image as
///   written, else to `line-N`. Other fields go to `meta` if they hold one value; a list or an object is refused, for
///   it is more likely a misspelt `captions` than something to remember.
/// - **`.csv`, `.tsv`**: a header with `image`, `caption` (as often as wanted), `captions` (separated by `|`), `label`,
///   `labels` (separated by `|`), `id`, `split`; other columns go to `meta` as text. A `.csv` without a comma in its
///   header is read with semicolons.
///
/// An error means that nothing could be read; everything that is wrong with one record is a [`Rejection`] in the stream,
/// and the rest goes on.
pub fn read(path: &Path) -> Result<Reader, DatasetError> {
    read_with(path, Limits::default())
}

/// [`read`] with limits of the caller's choice.
pub fn read_with(path: &Path, limits: Limits) -> Result<Reader, DatasetError> {
    let unreadable = |error| DatasetError::unreadable(path, &error);
    // Links are resolved once, here; relative pictures are then absolute whatever the process does later.
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

/// A stream of records and of what could not be taken, in the order in which they stand; a folder tree in the order of
/// its names. Holds one record at a time, and 32 bytes for each id that was seen.
pub struct Reader {
    source: Source,
    limits: Limits,
    /// Where an id was seen first. Of an id its hash is kept, for there may be millions.
    ids: HashMap<[u8; 16], u64>,
}

enum Source {
    ImageFolder(ImageFolder),
    Jsonl(JsonlReader),
    Csv(CsvReader),
}

impl Reader {
    /// How much of the collection is read, from 0 to 1; `None` for a folder, whose size is known at its end.
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
        // In a tree the id is the path: it cannot come twice.
        if let Some(line) = origin.line {
            let hash = blake3::hash(record.id.as_bytes());
            let key = hash.as_bytes()[..16].try_into().expect("a hash has 32 bytes");
            if let Some(first) = self.ids.get(&key) {
                let reason = format!("the id `{}` stands already in line {first}; an id may come once", record.id);
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
