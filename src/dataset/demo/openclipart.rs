//! Openclipart 0.18: some 7500 drawings, each with title, description and keywords in its SVG metadata.

use std::{
    collections::{HashMap, HashSet},
    fs,
    path::{Path, PathBuf},
};

use walkdir::WalkDir;

use super::{
    captions::{self, normalized},
    item::Item,
    rules::OPENCLIPART,
    svg_metadata::{Metadata, shape_and_metadata},
};
use crate::dataset::Record;

struct Drawing {
    path: PathBuf,
    /// Folder relative to the collection's root, with `/`.
    folder: String,
    /// File name without its extension.
    name: String,
    metadata: Metadata,
}

/// The curated drawings under `root`, sorted by path.
pub(super) fn collect(root: &Path) -> Vec<Record> {
    let rules = &*OPENCLIPART;
    let drawings = read(root);
    let sets = Sets { titles: set_titles(&drawings), descriptions: set_descriptions(&drawings) };
    let mut variants: HashMap<(String, String), usize> = HashMap::new();
    let mut records = Vec::new();
    for drawing in drawings {
        let metadata = &drawing.metadata;
        let Some(label) = rules.label(&drawing.folder, &metadata.keywords, &metadata.title) else { continue };
        if is_excluded(&drawing) {
            continue;
        }
        let captions = match rules.captions.by_name.get(&drawing.name) {
            Some(captions) => captions.clone(),
            None => {
                let captions = captions(&drawing, label, &sets);
                if captions.is_empty() {
                    continue;
                }
                let seen = variants.entry((drawing.folder.clone(), without_counters(&drawing.name))).or_default();
                *seen += 1;
                if *seen > rules.max_variants(&drawing.name) {
                    continue;
                }
                captions
            }
        };
        let id = format!("openclipart/{}/{}", drawing.folder, drawing.name);
        let author = metadata.authors.first().cloned();
        records.push(Item { id, image: drawing.path, captions, label, source: "Openclipart", author }.into());
    }
    records
}

/// Every drawing in a folder that has a label, sorted by path. The same drawing is often in several folders, as a link
/// or with other keywords: one of them is kept, preferably from a folder that describes its content.
fn read(root: &Path) -> Vec<Drawing> {
    let rules = &*OPENCLIPART;
    let mut by_shape: HashMap<blake3::Hash, usize> = HashMap::new();
    let mut drawings: Vec<Drawing> = Vec::new();
    for entry in WalkDir::new(root).sort_by_file_name().into_iter().flatten() {
        let path = entry.path();
        let (Some(name), true) = (path.file_stem(), path.extension().is_some_and(|extension| extension == "svg"))
        else {
            continue;
        };
        let folder = path.parent().and_then(|parent| parent.strip_prefix(root).ok()).unwrap_or(Path::new(""));
        let folder = folder.to_string_lossy().replace('\\', "/");
        if rules.folders.label(&folder).is_none() || !path.is_file() {
            continue;
        }
        let Some((shape, metadata)) = fs::read(path).ok().and_then(|bytes| shape_and_metadata(&bytes)) else {
            continue;
        };
        let drawing = Drawing { path: path.to_owned(), folder, name: name.to_string_lossy().into_owned(), metadata };
        match by_shape.get(&shape) {
            None => {
                by_shape.insert(shape, drawings.len());
                drawings.push(drawing);
            }
            Some(&at) if rules.is_generic(&drawings[at].folder) && !rules.is_generic(&drawing.folder) => {
                drawings[at] = drawing;
            }
            Some(_) => {}
        }
    }
    drawings.sort_by(|a, b| a.path.cmp(&b.path));
    drawings
}

/// Titles and descriptions of whole sets of drawings, which do not describe any one of them; [`normalized`].
struct Sets {
    titles: HashSet<String>,
    descriptions: HashSet<String>,
}

/// Descriptions that many drawings share.
fn set_descriptions(drawings: &[Drawing]) -> HashSet<String> {
    const MIN_DRAWINGS: usize = 4;
    let mut counts: HashMap<String, usize> = HashMap::new();
    for drawing in drawings {
        *counts.entry(normalized(&drawing.metadata.description)).or_default() += 1;
    }
    counts.into_iter().filter(|&(_, count)| count >= MIN_DRAWINGS).map(|(description, _)| description).collect()
}

/// Titles that many drawings share whose file names differ from each other, or do not contain the title's beginning.
fn set_titles(drawings: &[Drawing]) -> HashSet<String> {
    const MIN_NAMES: usize = 4;
    const MIN_MISMATCHES: usize = 3;
    const PREFIX_CHARS: usize = 4;
    let mut by_title: HashMap<String, (HashSet<String>, usize)> = HashMap::new();
    for drawing in drawings {
        let title = normalized(&drawing.metadata.title);
        let prefix: String = title.chars().take(PREFIX_CHARS).collect();
        let is_mismatch = !normalized(&drawing.name).contains(&prefix);
        let (names, mismatches) = by_title.entry(title).or_default();
        names.insert(without_counters(&drawing.name));
        *mismatches += usize::from(is_mismatch);
    }
    let is_set =
        |(names, mismatches): &(HashSet<String>, usize)| names.len() >= MIN_NAMES || *mismatches >= MIN_MISMATCHES;
    by_title.into_iter().filter(|(_, uses)| is_set(uses)).map(|(title, _)| title).collect()
}

/// Title, description and keywords, without those that do not describe the drawing.
fn captions(drawing: &Drawing, label: &str, sets: &Sets) -> Vec<String> {
    let metadata = &drawing.metadata;
    let is_set = sets.titles.contains(&normalized(&metadata.title));
    let mut title = if is_set { None } else { captions::title(&metadata.title) };
    if is_italian(drawing) {
        title = captions::translate(&metadata.title);
    } else if title.is_none() {
        title = captions::title(&captions::words_of_name(&drawing.name, &metadata.authors));
    }
    if label == "flags" {
        title =
            title.map(|title| if title.to_lowercase().contains("flag") { title } else { format!("flag of {title}") });
    }
    let keywords = captions::keywords(&metadata.keywords, &metadata.authors);
    // The only keyword of a drawing without a title repeats the folder's name.
    if title.is_none() && keywords.len() < 2 {
        return Vec::new();
    }
    let is_set = sets.descriptions.contains(&normalized(&metadata.description));
    let description = if is_set { None } else { captions::description(&metadata.description) };
    let mut seen = HashSet::new();
    let mut captions: Vec<String> = [title, description, Some(keywords.join(", "))].into_iter().flatten().collect();
    captions.retain(|caption| !caption.is_empty() && seen.insert(normalized(caption)));
    captions
}

fn is_excluded(drawing: &Drawing) -> bool {
    let excluded = &OPENCLIPART.excluded;
    excluded.titles.match_any(&drawing.metadata.title.to_lowercase())
        || excluded.names.match_any(&drawing.name)
        || drawing.metadata.authors.iter().any(|author| excluded.authors.match_any(&author.to_lowercase()))
}

fn is_italian(drawing: &Drawing) -> bool {
    let italian = &OPENCLIPART.italian;
    let mut people = drawing.metadata.authors.iter().chain(&drawing.metadata.keywords);
    italian.names.match_any(&drawing.name) || people.any(|name| italian.people.match_any(&name.to_lowercase()))
}

/// `people_juliane_krug_03c` as `people_juliane_krug`.
fn without_counters(name: &str) -> String {
    let bare: String = name.chars().filter(|c| !c.is_ascii_digit()).collect();
    let bare = bare.trim_end_matches('_');
    match bare.rsplit_once(['_', '-']) {
        Some((front, last)) if last.len() <= 1 => front.trim_end_matches('_').to_owned(),
        _ => bare.to_owned(),
    }
}
