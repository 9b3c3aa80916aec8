//! Who may import whom: the table of rooms, held by reading every `use crate::`.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

/// Each room and the rooms that it may import.
const TABLE: &[(&str, &[&str])] = &[
    ("util", &[]),
    ("config", &[]),
    ("telemetry", &["config"]),
    ("compute", &[]),
    ("core", &[]),
    ("dataset", &["core"]),
    ("encoders", &["compute", "core"]),
    ("model", &["dataset", "encoders", "evaluation", "core"]),
    ("evaluation", &["core"]),
    ("index", &["compute", "core"]),
    ("catalog", &[]),
    ("archive", &[]),
    ("collection", &["archive", "catalog", "core", "dataset", "model", "encoders", "index"]),
    ("training", &["collection", "catalog", "compute", "core", "dataset", "model", "encoders", "evaluation"]),
    ("maintenance", &["collection", "training", "archive", "catalog", "compute", "dataset", "index"]),
    (
        "engine",
        &[
            "collection",
            "training",
            "maintenance",
            "compute",
            "core",
            "dataset",
            "encoders",
            "model",
            "evaluation",
            "index",
            "catalog",
        ],
    ),
    ("server", &["engine", "collection", "config", "telemetry", "catalog", "index"]),
    (
        "cli",
        &[
            "config",
            "telemetry",
            "compute",
            "core",
            "dataset",
            "encoders",
            "evaluation",
            "model",
            "index",
            "catalog",
            "collection",
            "training",
            "maintenance",
            "engine",
            "server",
        ],
    ),
];

/// Crates that some rooms alone may use.
const ALONE: &[(&[&str], &[&str])] = &[
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

fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).expect("src can be read") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|e| e == "rs") {
            found.push(path);
        }
    }
}

/// The room of a file: its first folder below `src`, or its own name.
fn room(src: &Path, file: &Path) -> String {
    let first = file.strip_prefix(src).expect("below src").components().next().expect("a name");
    first.as_os_str().to_string_lossy().trim_end_matches(".rs").to_owned()
}

/// Every name that stands directly behind `crate::`, alone or in braces.
fn imports(code: &str) -> BTreeSet<String> {
    let name = |text: &str| text.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect::<String>();
    let mut found = BTreeSet::new();
    for (at, _) in code.match_indices("crate::") {
        let rest = &code[at + "crate::".len()..];
        if !rest.starts_with('{') {
            found.insert(name(rest));
            continue;
        }
        let mut depth = 0;
        let mut begins = false;
        for (i, c) in rest.char_indices() {
            match c {
                '{' => depth += 1,
                '}' => depth -= 1,
                _ => (),
            }
            if depth == 0 {
                break;
            }
            if depth == 1 && begins && !c.is_whitespace() {
                found.insert(name(&rest[i..]));
                begins = false;
            }
            if depth == 1 && (c == '{' || c == ',') {
                begins = true;
            }
        }
    }
    found.remove("");
    found
}

#[test]
fn imports_are_found_in_every_form() {
    let code = "use crate::{\n    catalog::{Item, Task},\n    index,\n};\nuse crate::vector::dot; let x = crate::compute::cores();";
    let found: Vec<String> = imports(code).into_iter().collect();
    assert_eq!(found, ["catalog", "compute", "index", "vector"]);
}

#[test]
fn no_room_reaches_past_its_doors() {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    sources(&src, &mut files);
    let mut faults = Vec::new();
    for file in files {
        let room = room(&src, &file);
        if ["main", "lib", "build"].contains(&room.as_str()) {
            continue;
        }
        let code = fs::read_to_string(&file).expect("a source file");
        // Documentation may point anywhere.
        let code: String = code.lines().filter(|l| !l.trim_start().starts_with("//")).collect::<Vec<_>>().join("\n");
        let Some((_, allowed)) = TABLE.iter().find(|(name, _)| *name == room) else {
            faults.push(format!("{} belongs to no room of the table", file.display()));
            continue;
        };
        for import in imports(&code) {
            if import != room && import != "util" && !allowed.contains(&import.as_str()) {
                faults.push(format!("{} imports crate::{import}", file.display()));
            }
        }
        for (owners, crates) in ALONE.iter().filter(|(owners, _)| !owners.contains(&room.as_str())) {
            for name in *crates {
                let used = [format!("{name}::"), format!("use {name};")].iter().any(|form| {
                    code.match_indices(form.as_str())
                        .any(|(at, _)| !code[..at].ends_with(|c: char| c.is_alphanumeric() || c == '_' || c == ':'))
                });
                if used {
                    faults.push(format!("{} uses {name}, which is for {} alone", file.display(), owners.join(", ")));
                }
            }
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}
