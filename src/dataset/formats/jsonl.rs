//! JSONL: one JSON object per line.

use std::{
    fs::File,
    io::{BufRead, BufReader, Read},
    path::{Path, PathBuf},
};

use serde_json::{Map, Value};

use super::utf16::refuse_utf16;
use crate::{
    dataset::{DatasetError, Limits, Origin, Record, Rejection, Split, record::resolve_image},
    util::json::kind,
};

pub(in crate::dataset) struct JsonlReader {
    path: PathBuf,
    folder: PathBuf,
    input: BufReader<File>,
    line: u64,
    done: u64,
    total: u64,
    broken: bool,
}

impl JsonlReader {
    pub(in crate::dataset) fn open(path: &Path) -> Result<Self, DatasetError> {
        let unreadable = |error| DatasetError::unreadable(path, &error);
        let file = File::open(path).map_err(unreadable)?;
        let total = file.metadata().map_err(unreadable)?.len();
        let mut input = BufReader::with_capacity(64 << 10, file);
        refuse_utf16(path, input.fill_buf().map_err(unreadable)?)?;
        let folder = path.parent().unwrap_or(Path::new("")).to_owned();
        Ok(Self { path: path.to_owned(), folder, input, line: 0, done: 0, total, broken: false })
    }

    /// Bytes read, and bytes in total.
    pub(in crate::dataset) fn bytes(&self) -> (u64, u64) {
        (self.done, self.total)
    }

    pub(in crate::dataset) fn next_record(&mut self, limits: &Limits) -> Option<Result<Record, Rejection>> {
        loop {
            if self.broken {
                return None;
            }
            let line = match self.next_line(limits.max_line_bytes) {
                Ok(line) => line?,
                Err(reason) => return Some(Err(Rejection::at(&self.path, self.line, reason))),
            };
            let text = match std::str::from_utf8(&line) {
                Ok(text) => text.trim(),
                Err(error) => {
                    let reason = format!("the line is not valid UTF-8 (at byte {})", error.valid_up_to());
                    return Some(Err(Rejection::at(&self.path, self.line, reason)));
                }
            };
            if !text.is_empty() {
                return Some(self.record(text).map_err(|reason| Rejection::at(&self.path, self.line, reason)));
            }
        }
    }

    /// The next line, of which at most `max_bytes` are held in memory; `Ok(None)` at the end.
    fn next_line(&mut self, max_bytes: usize) -> Result<Option<Vec<u8>>, String> {
        self.line += 1;
        let mut line = Vec::new();
        let failed = |error: std::io::Error| format!("reading the file failed: {error}");
        let read = (&mut self.input).take(max_bytes as u64 + 1).read_until(b'\n', &mut line);
        let read = read.inspect_err(|_| self.broken = true).map_err(failed)?;
        self.done += read as u64;
        if self.line == 1 && line.starts_with(b"\xef\xbb\xbf") {
            line.drain(..3);
        }
        if read <= max_bytes || line.ends_with(b"\n") {
            return Ok((read > 0).then_some(line));
        }
        // Skips the rest of the line.
        loop {
            let buffer = self.input.fill_buf().inspect_err(|_| self.broken = true).map_err(failed)?;
            let (step, is_end) = match buffer.iter().position(|&byte| byte == b'\n') {
                Some(end) => (end + 1, true),
                None => (buffer.len(), buffer.is_empty()),
            };
            self.input.consume(step);
            self.done += step as u64;
            if is_end {
                return Err(format!("the line is longer than {max_bytes} bytes, the maximum"));
            }
        }
    }

    fn record(&self, text: &str) -> Result<Record, String> {
        let value: Value = serde_json::from_str(text).map_err(|error| not_json(&error))?;
        let Value::Object(mut fields) = value else {
            return Err(format!("a line must be a JSON object; found {}", kind(&value)));
        };
        let written = optional_text(&mut fields, "image")?;
        let image = written.as_deref().map(|written| resolve_image(&self.folder, written)).transpose()?;
        let mut captions = texts(&mut fields, "captions")?;
        captions.extend(texts(&mut fields, "caption")?);
        let mut labels = texts(&mut fields, "labels")?;
        labels.extend(texts(&mut fields, "label")?);
        let split = optional_text(&mut fields, "split")?.as_deref().map(str::parse::<Split>).transpose()?;
        let id = match fields.remove("id") {
            None | Some(Value::Null) => written.unwrap_or_else(|| format!("line-{}", self.line)),
            Some(Value::String(id)) => id,
            Some(Value::Number(id)) => id.to_string(),
            Some(other) => return Err(format!("`id` must be a text or a number; found {}", kind(&other))),
        };
        let mut meta = match fields.remove("meta") {
            None | Some(Value::Null) => Map::new(),
            Some(Value::Object(meta)) => meta,
            Some(other) => return Err(format!("`meta` must be an object; found {}", kind(&other))),
        };
        for (field, value) in fields {
            if value.is_array() || value.is_object() {
                return Err(format!(
                    "unknown field `{field}` is {}; known fields are id, image, caption, captions, label, labels, \
                     split and meta, and others must have a single value",
                    kind(&value)
                ));
            }
            meta.entry(field).or_insert(value);
        }
        let origin = Origin { file: self.path.clone(), line: Some(self.line) };
        Ok(Record { id, origin, image, captions, labels, split, meta })
    }
}

fn optional_text(fields: &mut Map<String, Value>, name: &str) -> Result<Option<String>, String> {
    match fields.remove(name) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(Some(text.trim().to_owned()).filter(|text| !text.is_empty())),
        Some(other) => Err(format!("`{name}` must be a text; found {}", kind(&other))),
    }
}

/// A text or a list of texts.
fn texts(fields: &mut Map<String, Value>, name: &str) -> Result<Vec<String>, String> {
    let wrong = |found: &Value| format!("`{name}` must be a text or a list of texts; found {}", kind(found));
    match fields.remove(name) {
        None | Some(Value::Null) => Ok(Vec::new()),
        Some(Value::String(text)) => Ok(vec![text]),
        Some(Value::Array(list)) => {
            let text = |value| if let Value::String(text) = value { Ok(text) } else { Err(wrong(&value)) };
            list.into_iter().map(text).collect()
        }
        Some(other) => Err(wrong(&other)),
    }
}

/// Drops the line number of the parser, which received only one line.
fn not_json(error: &serde_json::Error) -> String {
    let text = error.to_string();
    let what = text.split(" at line ").next().unwrap_or(&text);
    format!("the line is not JSON: {what} at column {}", error.column())
}
