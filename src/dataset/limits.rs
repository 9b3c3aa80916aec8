//! How much one record may bring along.

use super::Record;

/// What one record may bring along. Checked while reading, before more memory is spent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of a line of JSONL, of a row of a table, of a caption file; 1 MiB by default.
    pub max_line_bytes: usize,
    /// Bytes of an id; 1024 by default.
    pub max_id_bytes: usize,
    /// Captions of one record; 100 by default.
    pub max_captions: usize,
    /// Characters of one caption; 10 000 by default.
    pub max_caption_chars: usize,
    /// Labels of one record; 100 by default.
    pub max_labels: usize,
    /// Characters of one label; 200 by default.
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
    /// Brings a record into the form that [`Record`] promises, or says why it cannot be.
    pub(super) fn admit(&self, mut record: Record) -> Result<Record, String> {
        record.id = record.id.trim().to_owned();
        if record.id.is_empty() {
            return Err("its id is empty".into());
        }
        if record.id.len() > self.max_id_bytes {
            return Err(format!("its id has {} bytes; at most {} are taken", record.id.len(), self.max_id_bytes));
        }
        tidy(&mut record.captions, "caption", self.max_captions, self.max_caption_chars)?;
        tidy(&mut record.labels, "label", self.max_labels, self.max_label_chars)?;
        match &record.image {
            None if record.captions.is_empty() => {
                Err("it has neither a picture nor a caption; at least one is needed".into())
            }
            Some(image) if !image.is_file() => Err(missing(image)),
            _ => Ok(record),
        }
    }
}

/// Trims, drops what is empty, and holds the limits. A caption that stands twice stays twice: it was written twice, and the
/// protocols of evaluation count it twice.
fn tidy(texts: &mut Vec<String>, what: &str, most: usize, longest: usize) -> Result<(), String> {
    let mut tidied: Vec<String> = Vec::with_capacity(texts.len().min(most));
    for text in texts.drain(..) {
        let text = text.trim();
        // A character has at least one byte: most texts need no counting.
        if text.len() > longest && text.chars().count() > longest {
            let found = text.chars().count();
            return Err(format!("a {what} has {found} characters; at most {longest} are taken"));
        }
        if !text.is_empty() {
            if tidied.len() == most {
                return Err(format!("it has more than {most} {what}s, which is the most that is taken"));
            }
            tidied.push(text.to_owned());
        }
    }
    *texts = tidied;
    Ok(())
}

fn missing(image: &std::path::Path) -> String {
    let path = image.display();
    if image.is_dir() { format!("its picture {path} is a folder") } else { format!("its picture {path} is not there") }
}
