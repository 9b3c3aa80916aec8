//! Rules that keep the source tree navigable, one test each, without exceptions.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
    sync::LazyLock,
};

use source::{Crate, cycles};

mod source;
mod source_tests;

/// Each top-level folder, lowest first, and the folders that it may import: only ones above it in this table.
const LAYERS: &[(&str, &[&str])] = &[
    ("util", &[]),
    ("core", &["util"]),
    ("compute", &["util", "core"]),
    ("config", &["util"]),
    ("telemetry", &["config"]),
    ("dataset", &["util", "core"]),
    ("catalog", &["util"]),
    ("evaluation", &["util", "core"]),
    ("index", &["util", "core", "compute"]),
    ("archive", &["util"]),
    ("encoders", &["util", "core", "compute"]),
    ("model", &["util", "core", "dataset", "evaluation", "encoders"]),
    ("collection", &["util", "core", "dataset", "catalog", "index", "archive", "encoders", "model"]),
    ("training", &["util", "core", "compute", "dataset", "catalog", "evaluation", "encoders", "model", "collection"]),
    ("maintenance", &["util", "compute", "dataset", "catalog", "index", "archive", "collection", "training"]),
    (
        "engine",
        &[
            "util",
            "core",
            "compute",
            "config",
            "dataset",
            "catalog",
            "evaluation",
            "index",
            "encoders",
            "model",
            "collection",
            "training",
            "maintenance",
        ],
    ),
    ("server", &["util", "config", "telemetry", "catalog", "index", "collection", "training", "engine"]),
    (
        "cli",
        &[
            "util",
            "core",
            "compute",
            "config",
            "telemetry",
            "dataset",
            "catalog",
            "evaluation",
            "index",
            "encoders",
            "model",
            "collection",
            "training",
            "maintenance",
            "engine",
            "server",
        ],
    ),
];

/// Crates that only some folders may use.
const CONFINED: &[(&[&str], &[&str])] = &[
    (&["config"], &["clap"]),
    (&["dataset"], &["image", "resvg", "csv"]),
    (&["encoders"], &["tokenizers", "candle_transformers"]),
    (&["index"], &["hnsw_rs", "memmap2"]),
    (&["catalog", "engine", "index"], &["roaring"]),
    (&["catalog"], &["sqlx"]),
    (&["archive"], &["tar"]),
    (&["server"], &["axum", "tower_http", "hyper", "hyper_util", "utoipa_axum"]),
    (&["telemetry"], &["metrics_exporter_prometheus"]),
    (&["cli"], &["indicatif"]),
];

/// The longest source file, in lines.
const MAX_LINES: usize = 400;

/// The widest line, in characters.
const MAX_COLUMNS: usize = 120;

/// Uninformative names of files and folders, which must not come back.
const RETIRED_FILES: &[&str] = &[
    "asked.rs",
    "ask.rs",
    "bars.rs",
    "commit.rs",
    "course.rs",
    "crowd.rs",
    "cut.rs",
    "everyday.rs",
    "examine.rs",
    "given.rs",
    "kept.rs",
    "linger.rs",
    "once.rs",
    "options.rs",
    "plain.rs",
    "probe.rs",
    "put.rs",
    "shown.rs",
    "texts.rs",
    "twins.rs",
    "walk.rs",
    "workplace.rs",
    "src/search",
    "intake.js",
    "key.js",
    "static/map.js",
    "map-classes.js",
    "map-hand.js",
    "question.js",
    "sheet.js",
    "shelf.js",
    "words.js",
];

/// Uninformative names of types, which must not come back.
const RETIRED_TYPES: &[&str] = &[
    "Alone",
    "Asked",
    "Bars",
    "Commits",
    "Course",
    "Cut",
    "Cutter",
    "Everyday",
    "Examination",
    "GivenFeatures",
    "Gone",
    "House",
    "Kept",
    "Library",
    "Once",
    "Options",
    "PictureRow",
    "Probe",
    "Put",
    "Reach",
    "Run",
    "Shown",
    "TextNetwork",
    "Texts",
    "Twin",
    "Twins",
    "Wishes",
    "WordRow",
    "Workplace",
];

/// Uninformative names of functions and fields, which must not come back.
const RETIRED_NAMES: &[&str] = &["came_to", "take_over", "take_up"];

static CRATE: LazyLock<Crate> = LazyLock::new(|| {
    Crate::read(Path::new("src/lib.rs"), &|path| {
        fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).ok()
    })
});

/// All files below a folder with one of these endings, relative to the repository's root.
fn files(folder: &str, endings: &[&str]) -> Vec<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut found = Vec::new();
    let mut folders = vec![root.join(folder)];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).expect("a folder") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|ending| endings.iter().any(|known| ending == *known)) {
                found.push(path.strip_prefix(root).expect("below the root").to_owned());
            }
        }
    }
    found.sort();
    found
}

fn text(file: &Path) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(file)).expect("a source file")
}

fn display(file: &Path) -> String {
    file.to_string_lossy().into_owned()
}

/// Panics with all violations of a rule, if there are any.
fn assert_rule(rule: &str, found: BTreeMap<String, String>) {
    let faults: Vec<String> = found.iter().map(|(key, detail)| format!("  {key}: {detail}")).collect();
    assert!(faults.is_empty(), "{rule}, but:\n{}", faults.join("\n"));
}

#[test]
fn layers_are_listed_in_order() {
    for (n, (folder, imports)) in LAYERS.iter().enumerate() {
        for import in *imports {
            assert!(
                LAYERS[..n].iter().any(|(lower, _)| lower == import),
                "{folder} may import {import}, which is not below"
            );
        }
    }
    let folders = &CRATE.modules[&Vec::new()].children;
    let unknown: Vec<_> = folders.iter().filter(|folder| !LAYERS.iter().any(|(known, _)| known == folder)).collect();
    assert!(unknown.is_empty(), "not in the table of layers: {unknown:?}");
}

#[test]
fn no_import_runs_up() {
    let mut found = BTreeMap::new();
    for (path, module) in CRATE.modules.iter().filter(|(path, _)| !path.is_empty()) {
        let folder = path[0].as_str();
        let (_, allowed) = LAYERS.iter().find(|(known, _)| *known == folder).expect("a folder of the table");
        for import in CRATE.folders_named(path) {
            if import != folder && !allowed.contains(&import.as_str()) {
                found.insert(
                    format!("{} → {import}", display(&module.file)),
                    "is not allowed by the table of layers".into(),
                );
            }
        }
    }
    assert_rule("Folders import only folders of lower layers", found);
}

#[test]
fn crates_are_used_only_where_they_belong() {
    let mut found = BTreeMap::new();
    for (path, module) in CRATE.modules.iter().filter(|(path, _)| !path.is_empty()) {
        let used = CRATE.externals_named(path);
        for (owners, crates) in CONFINED.iter().filter(|(owners, _)| !owners.contains(&path[0].as_str())) {
            for name in crates.iter().filter(|name| used.contains(**name)) {
                found.insert(
                    format!("{} uses {name}", display(&module.file)),
                    format!("it is for {}", owners.join(", ")),
                );
            }
        }
    }
    assert_rule("Some crates are confined to folders", found);
}

#[test]
fn files_do_not_depend_on_each_other_in_circles() {
    let mut found = BTreeMap::new();
    for cycle in cycles(&CRATE.dependencies()) {
        let route = cycle.iter().map(|file| display(file)).collect::<Vec<_>>().join(" → ");
        found.extend(cycle.iter().map(|file| (display(file), route.clone())));
    }
    assert_rule("No file depends on itself through others", found);
}

#[test]
fn source_files_are_short() {
    let mut found = BTreeMap::new();
    for file in files("src", &["rs"]).into_iter().filter(|file| !file.ends_with("tests.rs")) {
        let lines = text(&file).lines().count();
        if lines > MAX_LINES {
            found.insert(display(&file), format!("has {lines} lines, the maximum is {MAX_LINES}"));
        }
    }
    assert_rule("Source files are short", found);
}

#[test]
fn lines_are_narrow() {
    let mut found = BTreeMap::new();
    for file in ["src", "tests", "benches"].iter().flat_map(|folder| files(folder, &["rs"])) {
        let text = text(&file);
        let wide: Vec<String> = (1..)
            .zip(text.lines())
            .filter(|(_, line)| line.chars().count() > MAX_COLUMNS)
            .map(|(n, _)| n.to_string())
            .collect();
        if !wide.is_empty() {
            found.insert(display(&file), format!("is wider than {MAX_COLUMNS} columns in lines {}", wide.join(", ")));
        }
    }
    assert_rule("No line is too wide", found);
}

#[test]
fn architecture_document_names_every_folder_and_only_files_that_exist() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let document = text(Path::new("ARCHITECTURE.md"));
    let quoted: BTreeSet<&str> = document.split('`').skip(1).step_by(2).collect();
    for folder in &CRATE.modules[&Vec::new()].children {
        let file = format!("{folder}.rs");
        assert!(quoted.contains(folder.as_str()) || quoted.contains(file.as_str()), "{folder} is not in the table");
    }
    let names_file = |name: &&&str| {
        let ending = [".rs", ".js", ".json", ".toml", ".snap"].iter().any(|ending| name.ends_with(ending));
        ending && name.contains('/') && !name.contains(['{', ' ', '*'])
    };
    let files: Vec<&&str> = quoted.iter().filter(names_file).collect();
    assert!(files.len() > 30, "{files:?}");
    let gone = files.into_iter().filter(|name| !root.join("src").join(name).exists() && !root.join(name).exists());
    assert_eq!(gone.collect::<Vec<_>>(), Vec::<&&str>::new(), "ARCHITECTURE.md names files that do not exist");
}

/// The question with which the documentation of a module opens.
fn opening_question(text: &str) -> Option<String> {
    let comment = text.lines().map_while(|line| line.strip_prefix("//!")).map(str::trim);
    let comment = comment.take_while(|line| !line.is_empty()).collect::<Vec<_>>().join(" ");
    let (end, sign) = comment.char_indices().find(|(at, sign)| {
        matches!(sign, '.' | '?' | '!') && comment[at + 1..].chars().next().is_none_or(char::is_whitespace)
    })?;
    (sign == '?').then(|| comment[..=end].to_owned())
}

#[test]
fn every_folder_opens_with_its_question() {
    let mut folders: BTreeMap<PathBuf, Vec<PathBuf>> = BTreeMap::new();
    for file in files("src", &["rs"]) {
        folders.entry(file.parent().expect("a folder").to_owned()).or_default().push(file);
    }
    folders.remove(Path::new("src"));
    // Next to `name.rs`, a folder `name` may hold its tests.
    folders.retain(|_, files| files.iter().any(|file| !file.ends_with("tests.rs")));
    let table = text(Path::new("ARCHITECTURE.md"));
    let mut found = BTreeMap::new();
    for folder in folders.keys() {
        let file = folder.join("mod.rs");
        if !Path::new(env!("CARGO_MANIFEST_DIR")).join(&file).exists() {
            found.insert(display(folder), "has no mod.rs".into());
            continue;
        }
        let name = folder.strip_prefix("src").expect("below src").display().to_string();
        match opening_question(&text(&file)) {
            None => _ = found.insert(display(folder), "its mod.rs does not open with a question".into()),
            Some(question) if !name.contains('/') && !table.contains(&format!("| `{name}` | {question}")) => {
                found.insert(display(folder), format!("ARCHITECTURE.md has another question than {question:?}"));
            }
            Some(_) => {}
        }
    }
    assert_rule("Every folder opens with its question", found);
}

#[test]
fn retired_file_names_are_gone() {
    let mut found = BTreeMap::new();
    for file in [files("src", &["rs"]), files("static", &["js"])].concat() {
        for name in RETIRED_FILES.iter().filter(|name| match name.contains('/') {
            true => file.starts_with(name),
            false => file.ends_with(name),
        }) {
            found.insert(display(&file), format!("{name} is a retired name"));
        }
    }
    assert_rule("Retired names of files are gone", found);
}

#[test]
fn retired_type_and_function_names_are_gone() {
    let mut found = BTreeMap::new();
    for module in CRATE.modules.values() {
        let types = module.types.iter().filter(|name| RETIRED_TYPES.contains(&name.as_str()));
        let functions = module.identifiers.iter().filter(|name| RETIRED_NAMES.contains(&name.as_str()));
        for name in types.chain(functions) {
            found.insert(format!("{} {name}", display(&module.file)), "is a retired name".into());
        }
    }
    assert_rule("Retired names are gone", found);
}

#[test]
#[should_panic(expected = "rule, but:\n  a.rs: is wrong")]
fn broken_rules_fail() {
    assert_rule("rule", BTreeMap::from([("a.rs".to_owned(), "is wrong".to_owned())]));
}

#[test]
fn only_a_first_sentence_with_a_question_mark_is_a_question() {
    let question = Some("Which points are near this one?".to_owned());
    assert_eq!(opening_question("//! Which points are near this one? Exactly, or by\n//! a graph.\n"), question);
    assert_eq!(opening_question("//! Which points are\n//! near this one?\n\nmod a;\n"), question);
    for text in ["//! Points (near?).\n", "mod a;\n", "//! Near points.\n//!\n//! Which?\n", "// Which?\n", ""] {
        assert_eq!(opening_question(text), None, "{text}");
    }
}
