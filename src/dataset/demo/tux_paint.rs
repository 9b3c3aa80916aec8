//! Tux Paint's stamps: some 950 photos and drawings, each with a sentence in many languages, English first.

use std::{fs, path::Path};

use walkdir::WalkDir;

use super::{captions, item::Item, rules::TUX_PAINT};
use crate::dataset::Record;

/// The curated stamps under `root`, sorted by path. Each stamp has one text file; mirrored copies have none.
pub(super) fn collect(root: &Path) -> Vec<Record> {
    let rules = &*TUX_PAINT;
    let mut records = Vec::new();
    for entry in WalkDir::new(root).sort_by_file_name().into_iter().flatten() {
        let text = entry.path();
        if text.extension().is_none_or(|extension| extension != "txt") {
            continue;
        }
        let Ok(folder) = text.parent().unwrap_or(root).strip_prefix(root) else { continue };
        let folder = folder.to_string_lossy().replace('\\', "/");
        let Some(label) = rules.folders.label(&folder) else { continue };
        // A stamp with both files has the same drawing twice.
        let image =
            ["png", "svg"].map(|extension| text.with_extension(extension)).into_iter().find(|path| path.is_file());
        let (Some(image), Some(caption)) = (image, english(text)) else { continue };
        let name = text.file_stem().unwrap_or_default().to_string_lossy();
        if rules.excluded_names.match_any(&name) {
            continue;
        }
        let id = format!("tuxpaint/{folder}/{name}");
        let captions = vec![caption];
        records.push(Item { id, image, captions, label, source: "Tux Paint", author: None }.into());
    }
    records
}

/// The first line of a stamp's text file; the translations after it begin with their language and `=`.
fn english(path: &Path) -> Option<String> {
    let bytes = fs::read(path).ok()?;
    let text = String::from_utf8_lossy(&bytes);
    let line = captions::plain_text(text.lines().next()?.trim_start_matches('\u{feff}'));
    let is_translation = line.split_once('=').is_some_and(|(language, _)| language.ends_with(".utf8"));
    (!line.is_empty() && !is_translation).then_some(line)
}
