//! Openclipart 0.18: some 7500 drawings, each with title, description and keywords in its SVG metadata.

use std::{
    collections::{HashMap, HashSet},
    fs,
    path::{Path, PathBuf},
};

use resvg::usvg::roxmltree::Node;
use walkdir::WalkDir;

use super::{classes, italian, record, wording};
use crate::dataset::{
    Record,
    formats::caption_from_filename,
    image::{svg_text, svg_xml},
};

/// Of a drawing with numbered variants (`smiley001` to `smiley120`) so many are kept.
const VARIANTS: usize = 10;

struct Drawing {
    path: PathBuf,
    /// Folder below the collection's root, with `/`.
    folder: String,
    stem: String,
    said: Metadata,
}

#[derive(Default)]
struct Metadata {
    title: String,
    description: String,
    keywords: Vec<String>,
    authors: Vec<String>,
}

/// The curated drawings under `root`, sorted by path.
pub(super) fn collect(root: &Path) -> Vec<Record> {
    let drawings = read(root);
    let sets = Sets { titles: set_titles(&drawings), descriptions: set_descriptions(&drawings) };
    let mut variants: HashMap<(String, String), usize> = HashMap::new();
    let mut records = Vec::new();
    for drawing in drawings {
        let Some(mut class) = classes::openclipart(&drawing.folder, &drawing.said.keywords) else { continue };
        let title = drawing.said.title.to_lowercase();
        if title.contains("road signs") {
            class = "signs";
        } else if title.contains("map of") || title.contains("map and") {
            class = "maps";
        }
        if is_left_out(&drawing) {
            continue;
        }
        let captions = captions(&drawing, class, &sets);
        if captions.is_empty() {
            continue;
        }
        if playing_card(&drawing).is_none() {
            // AIGA's signs come twice, the second time white on black.
            let most = if drawing.stem.starts_with("aiga_") { 1 } else { VARIANTS };
            let seen = variants.entry((drawing.folder.clone(), without_counters(&drawing.stem))).or_default();
            *seen += 1;
            if *seen > most {
                continue;
            }
        }
        let id = format!("openclipart/{}/{}", drawing.folder, drawing.stem);
        let author = drawing.said.authors.first().cloned();
        records.push(record(id, drawing.path, captions, class, "Openclipart", author));
    }
    records
}

/// Every drawing of a folder that has a class, sorted by path. The same drawing often stands in several folders, as a link
/// or with other keywords: it is taken once, from the folder that says most of it.
fn read(root: &Path) -> Vec<Drawing> {
    let mut places: HashMap<blake3::Hash, usize> = HashMap::new();
    let mut drawings: Vec<Drawing> = Vec::new();
    for entry in WalkDir::new(root).sort_by_file_name().into_iter().flatten() {
        let path = entry.path();
        let (Some(stem), true) = (path.file_stem(), path.extension().is_some_and(|extension| extension == "svg"))
        else {
            continue;
        };
        let folder = path.parent().and_then(|parent| parent.strip_prefix(root).ok()).unwrap_or(Path::new(""));
        let folder = folder.to_string_lossy().replace('\\', "/");
        if classes::openclipart(&folder, &[]).is_none() || !path.is_file() {
            continue;
        }
        let Some((shape, said)) = fs::read(path).ok().and_then(|bytes| shape_and_metadata(&bytes)) else { continue };
        let stem = stem.to_string_lossy().into_owned();
        let drawing = Drawing { path: path.to_owned(), folder, stem, said };
        match places.get(&shape) {
            None => {
                places.insert(shape, drawings.len());
                drawings.push(drawing);
            }
            Some(&place) if classes::is_vague(&drawings[place].folder) && !classes::is_vague(&drawing.folder) => {
                drawings[place] = drawing;
            }
            Some(_) => {}
        }
    }
    drawings.sort_by(|a, b| a.path.cmp(&b.path));
    drawings
}

/// A hash of the drawing without what is said of it, and that; `None` if it is no drawing at all.
fn shape_and_metadata(bytes: &[u8]) -> Option<(blake3::Hash, Metadata)> {
    let text = svg_text(bytes).ok()?;
    let xml = svg_xml(&text).ok()?;
    let named = |name: &'static str| xml.descendants().find(|node| node.tag_name().name() == name);
    let draws = xml.descendants().any(|node| {
        matches!(node.tag_name().name(), "path" | "rect" | "circle" | "ellipse" | "polygon" | "polyline" | "line")
    });
    let root = xml.root_element().range();
    let said = named("metadata").map_or(root.end..root.end, |node| node.range());
    let mut shape = blake3::Hasher::new();
    shape.update(text[root.start..said.start.max(root.start)].trim_end().as_bytes());
    shape.update(text[said.end..].trim_start().as_bytes());
    draws.then(|| (shape.finalize(), named("Work").map(said_in).unwrap_or_default()))
}

fn said_in(work: Node<'_, '_>) -> Metadata {
    let child = |name: &str| work.children().find(|node| node.tag_name().name() == name);
    let all_text = |node: Node<'_, '_>| {
        node.descendants().filter(Node::is_text).filter_map(|part| part.text()).collect::<Vec<_>>().join(" ")
    };
    let texts = |node: Option<Node<'_, '_>>, name: &str| {
        let found = node.into_iter().flat_map(|node| node.descendants()).filter(|node| node.tag_name().name() == name);
        found.map(|node| node.text().unwrap_or_default().trim().to_owned()).filter(|text| !text.is_empty()).collect()
    };
    Metadata {
        title: child("title").map(all_text).unwrap_or_default(),
        description: child("description").map(all_text).unwrap_or_default(),
        keywords: texts(child("subject"), "li"),
        authors: texts(child("creator"), "title"),
    }
}

/// What is said of a whole set of drawings and so of none of them, as [`wording::key`]s.
struct Sets {
    titles: HashSet<String>,
    descriptions: HashSet<String>,
}

/// Descriptions that stand on many drawings.
fn set_descriptions(drawings: &[Drawing]) -> HashSet<String> {
    const MANY: usize = 4;
    let mut counts: HashMap<String, usize> = HashMap::new();
    for drawing in drawings {
        *counts.entry(wording::key(&drawing.said.description)).or_default() += 1;
    }
    counts.into_iter().filter(|&(_, count)| count >= MANY).map(|(description, _)| description).collect()
}

/// Titles that name a set, not a drawing: they stand on many drawings whose file names differ, or are quite other.
fn set_titles(drawings: &[Drawing]) -> HashSet<String> {
    const MANY: usize = 4;
    const STRANGERS: usize = 3;
    const ALIKE: usize = 4;
    let mut names: HashMap<String, (HashSet<String>, usize)> = HashMap::new();
    for drawing in drawings {
        let title = wording::key(&drawing.said.title);
        let start: String = title.chars().take(ALIKE).collect();
        let is_stranger = !wording::key(&drawing.stem).contains(&start);
        let (stems, strangers) = names.entry(title).or_default();
        stems.insert(without_counters(&drawing.stem));
        *strangers += usize::from(is_stranger);
    }
    let is_set = |(stems, strangers): &(HashSet<String>, usize)| stems.len() >= MANY || *strangers >= STRANGERS;
    names.into_iter().filter(|(_, name)| is_set(name)).map(|(title, _)| title).collect()
}

/// Title, description and keywords, as far as each says something.
fn captions(drawing: &Drawing, class: &str, sets: &Sets) -> Vec<String> {
    if let Some(card) = playing_card(drawing) {
        return vec![card, "playing card".into()];
    }
    let said = &drawing.said;
    let is_set = sets.titles.contains(&wording::key(&said.title));
    let mut title = if is_set { None } else { wording::title(&said.title) };
    if italian::is_italian(&drawing.stem, &said.authors, &said.keywords) {
        title = italian::translate(&said.title);
    } else if title.is_none() {
        title = wording::title(&file_words(drawing));
    }
    if class == "flags" {
        title =
            title.map(|title| if title.to_lowercase().contains("flag") { title } else { format!("flag of {title}") });
    }
    let keywords = wording::keywords(&said.keywords, &said.authors);
    // One keyword on a drawing without a title is its folder's name again.
    if title.is_none() && keywords.len() < 2 {
        return Vec::new();
    }
    let mut captions = Vec::new();
    let mut keys = HashSet::new();
    let is_set = sets.descriptions.contains(&wording::key(&said.description));
    let description = if is_set { None } else { wording::description(&said.description) };
    for caption in [title, description, Some(keywords.join(", "))].into_iter().flatten() {
        if !caption.is_empty() && keys.insert(wording::key(&caption)) {
            captions.push(caption);
        }
    }
    captions
}

/// Icon themes that lie outside the icons' folder, one uploader's safety signs in French, symbols for floor plans and
/// games, and drawings of nothing.
fn is_left_out(drawing: &Drawing) -> bool {
    const TITLES: &[&str] = &["iconset", "svg theme", "rpg map", "map symbols", "mpcad", "pattern", "crop marks"];
    const STEMS: &[&str] = &[
        // White, or beside the page.
        "light_bulb_karl_bartel_01",
        "badminton_racket_brice_b_01",
        "football_pitch__andy_bur_01",
        "teschio_fabio_olivo_01",
        // Of a set about satellites, but of something else.
        "building_zazou",
        "residential_house_zazou",
        "munch_student_zazou",
        "teacher_zazou",
    ];
    let title = drawing.said.title.to_lowercase();
    TITLES.iter().any(|part| title.contains(part))
        || title == "advertising"
        || STEMS.contains(&drawing.stem.as_str())
        || drawing.said.authors.iter().any(|author| author.to_lowercase().contains("guillou"))
}

/// The file's name in words, up to the author's name that its uploader put behind it.
fn file_words(drawing: &Drawing) -> String {
    let words = caption_from_filename::words(&drawing.stem);
    let authors: Vec<String> = drawing
        .said
        .authors
        .iter()
        .flat_map(|author| author.split(|c: char| !c.is_alphanumeric()))
        .map(str::to_lowercase)
        .filter(|name| name.len() >= 3)
        .collect();
    let own = words.split(' ').take_while(|word| !authors.contains(&word.to_lowercase()));
    let noise = ["aiga", "gnome", "fs", "dev", "zazou", "aj", "ganson", "md"];
    own.filter(|word| !noise.contains(word) && !word.starts_with("opencl"))
        .map(|word| if word == "bw" { "black and white" } else { word })
        .collect::<Vec<_>>()
        .join(" ")
}

/// `people_juliane_krug_03c` without what counts it.
fn without_counters(stem: &str) -> String {
    let bare: String = stem.chars().filter(|c| !c.is_ascii_digit()).collect();
    let bare = bare.trim_end_matches('_');
    match bare.rsplit_once(['_', '-']) {
        Some((front, last)) if last.len() <= 1 => front.trim_end_matches('_').to_owned(),
        _ => bare.to_owned(),
    }
}

/// The deck's files are called by suit and rank: `white_d_5`.
fn playing_card(drawing: &Drawing) -> Option<String> {
    let (suit, rank) = drawing.stem.strip_prefix("white_")?.split_once('_')?;
    if suit == "jk" {
        return Some(format!("{} joker", if rank == "r" { "red" } else { "black" }));
    }
    let suit = match suit {
        "c" => "clubs",
        "d" => "diamonds",
        "h" => "hearts",
        "s" => "spades",
        _ => return None,
    };
    let rank = match rank {
        "a" => "ace",
        "k" => "king",
        "q" => "queen",
        "j" => "jack",
        "2" => "two",
        "3" => "three",
        "4" => "four",
        "5" => "five",
        "6" => "six",
        "7" => "seven",
        "8" => "eight",
        "9" => "nine",
        "10" => "ten",
        _ => return None,
    };
    Some(format!("{rank} of {suit}"))
}
