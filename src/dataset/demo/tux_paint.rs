//! Tux Paint's stamps: some 950 photos and drawings, each with a sentence in many languages, English first.

use std::{fs, path::Path};

use walkdir::WalkDir;

use super::{classes, record, wording};
use crate::dataset::Record;

/// The curated stamps under `root`, sorted by path. A stamp is its text; mirrored copies have none.
pub(super) fn collect(root: &Path) -> Vec<Record> {
    let mut records = Vec::new();
    for entry in WalkDir::new(root).sort_by_file_name().into_iter().flatten() {
        let text = entry.path();
        if text.extension().is_none_or(|extension| extension != "txt") {
            continue;
        }
        let Ok(folder) = text.parent().unwrap_or(root).strip_prefix(root) else { continue };
        let folder = folder.to_string_lossy().replace('\\', "/");
        let Some(class) = classes::tux_paint(&folder) else { continue };
        // A stamp that has both is the same drawing twice.
        let picture =
            ["png", "svg"].map(|extension| text.with_extension(extension)).into_iter().find(|path| path.is_file());
        let (Some(picture), Some(caption)) = (picture, english(text)) else { continue };
        let stem = text.file_stem().unwrap_or_default().to_string_lossy();
        // A white lightning bolt, which nobody sees on white.
        if stem.ends_with("_mirror") || stem.ends_with("_flip") || stem == "lightningbolt" {
            continue;
        }
        let id = format!("tuxpaint/{folder}/{stem}");
        records.push(record(id, picture, vec![caption], class, "Tux Paint", None));
    }
    records
}

/// The first line; the translations after it begin with their language and `=`.
fn english(path: &Path) -> Option<String> {
    let bytes = fs::read(path).ok()?;
    let text = String::from_utf8_lossy(&bytes);
    let line = wording::plain(text.lines().next()?.trim_start_matches('\u{feff}'));
    let is_translation = line.split_once('=').is_some_and(|(language, _)| language.ends_with(".utf8"));
    (!line.is_empty() && !is_translation).then_some(line)
}
