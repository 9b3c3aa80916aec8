//! Limits on the size of one record.

use std::path::Path;

use super::Record;

/// Limits on the size of one record, checked while reading, before more memory is allocated.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// Maximum bytes of a JSONL line, a CSV row or a caption file; 1 MiB by default.
    pub max_line_bytes: usize,
    /// Maximum bytes of an id; 1024 by default.
    pub max_id_bytes: usize,
    /// Maximum number of captions of a record; 100 by default.
    pub max_captions: usize,
    /// Maximum characters of a caption; 10 000 by default.
    pub max_caption_chars: usize,
    /// Maximum number of labels of a record; 100 by default.
    pub max_labels: usize,
    /// Maximum characters of a label; 200 by default.
    pub max_label_chars: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            max_line_bytes: 1 << 20,
            max_id_bytes: 1024,
            max_captions: 100,
            max_caption_chars: 10_000,
            max_labels: 100,
            max_label_chars: 200,
        }
    }
}

impl Limits {
    /// Normalises a record to the form that [`Record`] documents. The error is the reason for its rejection.
    pub(super) fn admit(&self, mut record: Record) -> Result<Record, String> {
        record.id = record.id.trim().to_owned();
        if record.id.is_empty() {
            return Err("its id is empty".into());
        }
        if record.id.len() > self.max_id_bytes {
            return Err(format!("its id has {} bytes; the maximum is {}", record.id.len(), self.max_id_bytes));
        }
        trim_all(&mut record.captions, "caption", self.max_captions, self.max_caption_chars)?;
        trim_all(&mut record.labels, "label", self.max_labels, self.max_label_chars)?;
        match &record.image {
            None if record.captions.is_empty() => {
                Err("it has neither an image nor a caption; at least one is required".into())
            }
            Some(image) if !image.is_file() => Err(not_a_file(image)),
            _ => Ok(record),
        }
    }
}

/// Trims texts, drops empty ones, and checks the limits. Duplicates are kept, because evaluation protocols count them.
fn trim_all(texts: &mut Vec<String>, what: &str, max_count: usize, max_chars: usize) -> Result<(), String> {
    let mut trimmed: Vec<String> = Vec::with_capacity(texts.len().min(max_count));
    for text in texts.drain(..) {
        let text = text.trim();
        // A character has at least one byte, so most texts need not be counted.
        if text.len() > max_chars && text.chars().count() > max_chars {
            let found = text.chars().count();
            return Err(format!("a {what} has {found} characters; the maximum is {max_chars}"));
        }
        if !text.is_empty() {
            if trimmed.len() == max_count {
                return Err(format!("it has more than {max_count} {what}s, the maximum"));
            }
            trimmed.push(text.to_owned());
        }
    }
    *texts = trimmed;
    Ok(())
}

fn not_a_file(image: &Path) -> String {
    let path = image.display();
    if image.is_dir() { format!("its image {path} is a folder") } else { format!("its image {path} does not exist") }
}
