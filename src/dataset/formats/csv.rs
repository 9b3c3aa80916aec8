//! CSV with a header, separated by commas, semicolons or tabs.

use std::{
    fs::File,
    io::{self, BufRead, BufReader, Read, Seek, SeekFrom},
    path::{Path, PathBuf},
};

use csv::{ByteRecord, Position, ReaderBuilder};
use serde_json::{Map, Value};

use super::utf16::refuse_utf16;
use crate::dataset::{DatasetError, Limits, Origin, Record, Rejection, Split, record::resolve_image};

/// Buffer size of the CSV reader.
const BUFFER: usize = 64 << 10;
/// The columns, for messages.
const COLUMNS: &str =
    "id, image, caption (repeatable), captions (separated by |), label, labels (separated by |) and split";

pub(in crate::dataset) struct CsvReader {
    path: PathBuf,
    folder: PathBuf,
    columns: Vec<Column>,
    rows: csv::Reader<Bounded>,
    row: ByteRecord,
    total: u64,
    /// Whether lines end with CRLF. The CSV reader ends a row at the carriage return and counts the line feed as part
    /// of the next one.
    is_crlf: bool,
    ends_in_newline: bool,
    broken: bool,
}

#[derive(Debug, PartialEq, Eq)]
enum Column {
    Id,
    Image,
    Caption,
    Captions,
    Label,
    Labels,
    Split,
    Meta(String),
}

impl CsvReader {
    pub(in crate::dataset) fn open(path: &Path, delimiter: u8, limits: &Limits) -> Result<Self, DatasetError> {
        let unreadable = |error| DatasetError::unreadable(path, &error);
        let bad = |reason: String| DatasetError::BadHeader { path: path.display().to_string(), reason };
        let mut file = File::open(path).map_err(unreadable)?;
        let total = file.metadata().map_err(unreadable)?.len();
        let mut last = [0];
        if total > 0 {
            file.seek(SeekFrom::End(-1)).and_then(|_| file.read_exact(&mut last)).map_err(unreadable)?;
            file.rewind().map_err(unreadable)?;
        }
        let mut head = Vec::new();
        BufReader::new(&file).take(limits.max_line_bytes as u64).read_until(b'\n', &mut head).map_err(unreadable)?;
        refuse_utf16(path, &head)?;
        let is_semicolons = delimiter == b',' && !head.contains(&b',') && head.contains(&b';');
        let delimiter = if is_semicolons { b';' } else { delimiter };
        let mut input = Bounded { file, at: 0, until: 0 };
        input.seek(SeekFrom::Start(0)).map_err(unreadable)?;
        input.until = (limits.max_line_bytes + BUFFER) as u64;
        let mut rows =
            ReaderBuilder::new().delimiter(delimiter).flexible(true).buffer_capacity(BUFFER).from_reader(input);
        let header = rows.headers().map_err(|error| bad(format!("the header cannot be read: {error}")))?;
        let columns = columns(header.iter()).map_err(bad)?;
        Ok(Self {
            path: path.to_owned(),
            folder: path.parent().unwrap_or(Path::new("")).to_owned(),
            columns,
            rows,
            row: ByteRecord::new(),
            total,
            is_crlf: head.ends_with(b"\r\n"),
            ends_in_newline: last == *b"\n",
            broken: false,
        })
    }

    /// Bytes read, and bytes in total.
    pub(in crate::dataset) fn bytes(&self) -> (u64, u64) {
        (self.rows.position().byte(), self.total)
    }

    pub(in crate::dataset) fn next_record(&mut self, limits: &Limits) -> Option<Result<Record, Rejection>> {
        if self.broken {
            return None;
        }
        let start = self.rows.position().clone();
        self.rows.get_mut().until = start.byte() + (limits.max_line_bytes + BUFFER) as u64;
        match self.rows.read_byte_record(&mut self.row) {
            Ok(false) => None,
            Ok(true) => {
                let line = self.line();
                let bytes = self.rows.position().byte() - start.byte();
                if bytes > limits.max_line_bytes as u64 {
                    return Some(Err(self.skip_row(start, line, limits.max_line_bytes)));
                }
                Some(self.record(line).map_err(|reason| Rejection::at(&self.path, line, reason)))
            }
            Err(error) if is_too_long(&error) => {
                let line = start.line() + u64::from(self.is_crlf);
                Some(Err(self.skip_row(start, line, limits.max_line_bytes)))
            }
            Err(error) => {
                self.broken = true;
                Some(Err(Rejection::at(&self.path, start.line(), format!("reading the file failed: {error}"))))
            }
        }
    }

    /// The line in which the current row begins.
    fn line(&self) -> u64 {
        let end = self.rows.position();
        let within = self.row.as_slice().iter().filter(|&&byte| byte == b'\n').count() as u64;
        let is_unterminated = end.byte() >= self.total && !self.ends_in_newline;
        end.line().saturating_sub(within + u64::from(!self.is_crlf && !is_unterminated)).max(1)
    }

    /// Skips a row that is too long, mostly because of an unclosed quotation mark, and continues with the next line.
    fn skip_row(&mut self, start: Position, line: u64, max_bytes: usize) -> Rejection {
        let rejection = Rejection::at(
            &self.path,
            line,
            format!("the row is longer than {max_bytes} bytes, the maximum (is a quotation mark not closed?)"),
        );
        let mut next = start;
        let resumed = next_line(&self.path, next.byte()).and_then(|byte| {
            next.set_byte(byte).set_line(line + 1);
            self.rows.get_mut().until = u64::MAX;
            self.rows.seek_raw(SeekFrom::Start(byte), next).map_err(io::Error::other)
        });
        self.broken = resumed.is_err();
        rejection
    }

    fn record(&self, line: u64) -> Result<Record, String> {
        if self.row.len() != self.columns.len() {
            return Err(format!("the row has {} fields, the header has {}", self.row.len(), self.columns.len()));
        }
        let (mut id, mut image, mut split) = (None, None, None);
        let (mut captions, mut labels, mut meta) = (Vec::new(), Vec::new(), Map::new());
        for (index, (column, field)) in self.columns.iter().zip(self.row.iter()).enumerate() {
            let text = std::str::from_utf8(field)
                .map_err(|error| format!("field {} is not valid UTF-8 (at byte {})", index + 1, error.valid_up_to()))?
                .trim();
            let parts = || text.split('|').map(str::to_owned);
            match column {
                _ if text.is_empty() => {}
                Column::Id => id = Some(text.to_owned()),
                Column::Image => image = Some(text),
                Column::Caption => captions.push(text.to_owned()),
                Column::Captions => captions.extend(parts()),
                Column::Label => labels.push(text.to_owned()),
                Column::Labels => labels.extend(parts()),
                Column::Split => split = Some(text.parse::<Split>()?),
                Column::Meta(name) => {
                    meta.insert(name.clone(), Value::from(text));
                }
            }
        }
        let id = id.or(image.map(str::to_owned)).unwrap_or_else(|| format!("line-{line}"));
        let image = image.map(|written| resolve_image(&self.folder, written)).transpose()?;
        let origin = Origin { file: self.path.clone(), line: Some(line) };
        Ok(Record { id, origin, image, captions, labels, split, meta })
    }
}

fn columns<'a>(header: impl Iterator<Item = &'a str>) -> Result<Vec<Column>, String> {
    let mut columns: Vec<Column> = Vec::new();
    let mut names = Vec::new();
    for name in header {
        let name = name.trim();
        let column = match name.to_lowercase().as_str() {
            "id" => Column::Id,
            "image" => Column::Image,
            "caption" => Column::Caption,
            "captions" => Column::Captions,
            "label" => Column::Label,
            "labels" => Column::Labels,
            "split" => Column::Split,
            _ => Column::Meta(name.to_owned()),
        };
        if column != Column::Caption && columns.contains(&column) {
            return Err(format!("the column `{name}` is repeated; only `caption` may be"));
        }
        columns.push(column);
        names.push(name.to_owned());
    }
    if columns.iter().any(|column| matches!(column, Column::Image | Column::Caption | Column::Captions)) {
        return Ok(columns);
    }
    let found = if names.is_empty() { "none".into() } else { names.join(", ") };
    Err(format!(
        "a column `image` or `caption` is required; found: {found}; known columns are {COLUMNS}, others are \
         stored in meta"
    ))
}

/// Start of the line after the one at `byte`.
fn next_line(path: &Path, byte: u64) -> io::Result<u64> {
    let mut file = File::open(path)?;
    file.seek(SeekFrom::Start(byte))?;
    let mut input = BufReader::with_capacity(BUFFER, file);
    let mut at = byte;
    // The position of the reader may be before the line end of the previous row.
    let mut in_line = false;
    loop {
        let buffer = input.fill_buf()?;
        if buffer.is_empty() {
            return Ok(at);
        }
        for &byte in buffer {
            at += 1;
            match byte {
                b'\n' if in_line => return Ok(at),
                b'\n' | b'\r' => {}
                _ => in_line = true,
            }
        }
        let read = buffer.len();
        input.consume(read);
    }
}

/// A file that returns an error after `until` bytes, when a row is too long.
struct Bounded {
    file: File,
    at: u64,
    until: u64,
}

#[derive(Debug, thiserror::Error)]
#[error("the row is too long")]
struct TooLong;

impl Read for Bounded {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.at >= self.until {
            return Err(io::Error::other(TooLong));
        }
        let read = self.file.read(buffer)?;
        self.at += read as u64;
        Ok(read)
    }
}

impl Seek for Bounded {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        self.at = self.file.seek(to)?;
        Ok(self.at)
    }
}

fn is_too_long(error: &csv::Error) -> bool {
    matches!(error.kind(), csv::ErrorKind::Io(io) if io.get_ref().is_some_and(|inner| inner.is::<TooLong>()))
}
