//! A folder of images, with subfolders as labels.

use std::{
    ffi::OsStr,
    fs::{self, File},
    io::Read,
    path::{Path, PathBuf},
};

use walkdir::{DirEntry, WalkDir};

use super::caption_from_filename;
use crate::dataset::{DatasetError, Limits, Origin, PictureFormat, Record, Rejection};

pub(in crate::dataset) struct ImageFolder {
    root: PathBuf,
    entries: Box<dyn Iterator<Item = walkdir::Result<DirEntry>> + Send>,
}

impl ImageFolder {
    pub(in crate::dataset) fn open(root: &Path) -> Result<Self, DatasetError> {
        fs::read_dir(root).map_err(|error| DatasetError::unreadable(root, &error))?;
        let walk = WalkDir::new(root).min_depth(1).follow_links(true).sort_by_file_name().into_iter();
        Ok(Self { root: root.to_owned(), entries: Box::new(walk.filter_entry(is_included)) })
    }

    pub(in crate::dataset) fn next_record(&mut self, limits: &Limits) -> Option<Result<Record, Rejection>> {
        loop {
            match self.entries.next()? {
                Ok(entry) if entry.file_type().is_file() && is_image(entry.path()) => {
                    return Some(self.record(entry.into_path(), limits));
                }
                Ok(_) => {}
                Err(error) => return Some(Err(self.rejection(&error))),
            }
        }
    }

    fn record(&self, image: PathBuf, limits: &Limits) -> Result<Record, Rejection> {
        let below = image.strip_prefix(&self.root).unwrap_or(&image);
        let parts: Vec<String> = below.iter().map(|part| part.to_string_lossy().into_owned()).collect();
        let labels = if parts.len() > 1 { vec![parts[0].clone()] } else { Vec::new() };
        let captions = match sidecar_captions(&image, limits)? {
            Some(captions) if !captions.is_empty() => captions,
            _ => vec![caption_from_filename::words(&image.file_stem().unwrap_or_default().to_string_lossy())],
        };
        Ok(Record {
            id: parts.join("/"),
            origin: Origin { file: image.clone(), line: None },
            image: Some(image),
            captions,
            labels,
            ..Record::default()
        })
    }

    fn rejection(&self, error: &walkdir::Error) -> Rejection {
        let file = error.path().unwrap_or(&self.root).to_owned();
        let reason = match (error.loop_ancestor(), error.io_error()) {
            (Some(ancestor), _) => {
                format!("this link points to its ancestor {} and was not followed", ancestor.display())
            }
            (None, Some(io)) => format!("it cannot be read: {io}"),
            (None, None) => error.to_string(),
        };
        Rejection { origin: Origin { file, line: None }, reason }
    }
}

/// Excludes hidden files and the metadata folders of archivers.
fn is_included(entry: &DirEntry) -> bool {
    let name = entry.file_name();
    !name.to_string_lossy().starts_with('.') && name != OsStr::new("__MACOSX")
}

fn is_image(path: &Path) -> bool {
    let Some(extension) = path.extension() else { return false };
    let extension = extension.to_string_lossy().to_lowercase();
    PictureFormat::EXTENSIONS.contains(&extension.as_str())
}

/// The non-empty lines of the text file with the same name; `None` if there is no such file.
fn sidecar_captions(image: &Path, limits: &Limits) -> Result<Option<Vec<String>>, Rejection> {
    let path = image.with_extension("txt");
    let Ok(file) = File::open(&path) else { return Ok(None) };
    let mut bytes = Vec::new();
    let rejected = |reason: String| Rejection { origin: Origin { file: path.clone(), line: None }, reason };
    file.take(limits.max_line_bytes as u64 + 1)
        .read_to_end(&mut bytes)
        .map_err(|error| rejected(format!("this caption file cannot be read: {error}")))?;
    if bytes.len() > limits.max_line_bytes {
        return Err(rejected(format!("this caption file has more than {} bytes, the maximum", limits.max_line_bytes)));
    }
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&bytes);
    let lines = bytes.split(|&byte| byte == b'\n').enumerate().map(|(index, line)| {
        let invalid = |error: std::str::Utf8Error| {
            Rejection::at(
                &path,
                index as u64 + 1,
                format!("this caption is not valid UTF-8 (at byte {})", error.valid_up_to()),
            )
        };
        std::str::from_utf8(line).map(|line| line.trim().to_owned()).map_err(invalid)
    });
    let lines: Vec<String> = lines.collect::<Result<_, _>>()?;
    Ok(Some(lines.into_iter().filter(|line| !line.is_empty()).collect()))
}
