//! An index on disk that is not what was written leads to the same answers, a reason, and a new index.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde_json::json;

use crate::common::{copy_collection, diptych, models, set_property, succeed, trained_collection};

/// Damages of one file, each tried in the hands of a child process.
const TRIALS: usize = 520;

/// Damages that one child looks at; a process for each would spend its time on loading encoders.
const OF_A_CHILD: usize = 20;

const QUERY: &str = "a bird on a branch";

/// What a child says of one damaged folder: ids and scores of the answer, and whether the index was used.
async fn response(data: &Path) -> String {
    use diptych::{
        collection::{Collection, Encoders},
        config::Limits,
        dataset::PictureLimits,
        encoders::Registry,
        engine::{Engine, Query, Target},
    };
    let collection = Collection::open(data, PictureLimits::default()).await.expect("the catalog is whole");
    static ENCODERS: std::sync::OnceLock<Encoders> = std::sync::OnceLock::new();
    let encoders = ENCODERS.get_or_init(|| {
        let registry = Registry::open(models()).expect("manifests");
        let defaults = registry.defaults();
        let image = registry.open_image(&defaults.image).expect("weights");
        Encoders { image, text: registry.open_text(&defaults.text).expect("weights") }
    });
    let catalog = collection.catalog.clone();
    let engine = Engine::new(collection, encoders.clone(), Limits::default()).expect("threads");
    let (_, due) = engine.serving().open().await.expect("it opens, whatever is on disk");
    let query = Query { exact: true, ..Query::text(QUERY, Target::Image, 10) };
    let response = engine.queries().search(query).await.expect("it answers, whatever is on disk");
    catalog.close().await;
    let found: Vec<_> = response.results.iter().map(|r| json!([r.item.id, (r.score * 1e4).round()])).collect();
    json!({ "found": found, "index": if due { "scanned" } else { "opened" } }).to_string()
}

/// Not a test of its own: what children run. They are told by the environment which folders to open.
#[tokio::test]
async fn child() {
    let Ok(folders) = std::env::var("DIPTYCH_DAMAGED") else { return };
    for folder in folders.split(':') {
        println!("ANSWER {}", response(Path::new(folder)).await);
    }
}

fn ask(folders: &[PathBuf]) -> Vec<String> {
    let list = folders.iter().map(|f| f.display().to_string()).collect::<Vec<_>>().join(":");
    let output = Command::new(std::env::current_exe().expect("this test"))
        .args(["--exact", "corrupt_index::child", "--nocapture"])
        .env("DIPTYCH_DAMAGED", list)
        .output()
        .expect("it starts");
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success(),
        "a child ended with {}:\n{said}\n{}",
        output.status,
        String::from_utf8_lossy(&output.stderr)
    );
    said.lines().filter_map(|l| l.split_once("ANSWER ").map(|(_, response)| response.to_owned())).collect()
}

/// One way to damage a file, for better or worse.
fn damage(index: &Path, files: &[PathBuf], trial: usize, rng: &mut ChaCha8Rng) -> String {
    let file = index.join(&files[trial % files.len()]);
    let mut bytes = fs::read(&file).expect("a file");
    let name = file.file_name().expect("a name").to_string_lossy().into_owned();
    let what = match trial / files.len() % 7 {
        0 => {
            fs::remove_file(&file).expect("removed");
            return format!("{name} removed");
        }
        1 => {
            bytes.clear();
            "emptied".to_owned()
        }
        2 | 3 => {
            let length = rng.random_range(0..bytes.len().max(1));
            bytes.truncate(length);
            format!("cut to {length}")
        }
        4 => {
            let other = &files[rng.random_range(0..files.len())];
            bytes = fs::read(index.join(other)).expect("a file");
            format!("replaced by {}", other.display())
        }
        5 => {
            bytes.extend_from_slice(b"more");
            "lengthened".to_owned()
        }
        _ => {
            let at = rng.random_range(0..bytes.len().max(1));
            if let Some(byte) = bytes.get_mut(at) {
                *byte ^= 1 << rng.random_range(0..8);
            }
            format!("flipped at {at}")
        }
    };
    fs::write(&file, bytes).expect("written");
    format!("{name} {what}")
}

fn files_below(root: &Path, folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            files_below(root, &path, found);
        } else if path.file_name().is_some_and(|name| name != "LOCK") {
            found.push(path.strip_prefix(root).expect("below").to_owned());
        }
    }
}

#[test]
fn corrupt_index_neither_crashes_nor_answers() {
    let Some(collection) = trained_collection() else { return };
    let whole = copy_collection(collection);
    let graph = json!({"links": 8, "ef_construction": 40, "ef_search": 200, "traversal": "byte", "threads": 2});
    let parameters = json!({"exact_up_to": 50, "graph": graph}).to_string();
    tokio::runtime::Runtime::new().expect("a runtime").block_on(set_property(
        whole.path(),
        "index_parameters",
        &parameters,
    ));
    // A service that other tests share may have written a generation already; beside a newer one nobody would miss it.
    let index = whole.path().join("index");
    if index.exists() {
        fs::remove_dir_all(&index).expect("removed");
    }
    succeed(diptych(whole.path()).arg("index"));
    let [truth] = &ask(&[whole.path().to_owned()])[..] else { panic!("one answer") };
    assert!(truth.contains("opened"), "{truth}");

    let mut files = Vec::new();
    files_below(&index, &index, &mut files);
    files.sort();
    assert!(files.len() >= 8, "{files:?}");
    let mut rng = ChaCha8Rng::seed_from_u64(5);
    let mut scanned = 0;
    for first in (0..TRIALS).step_by(OF_A_CHILD) {
        let copies: Vec<_> = (first..first + OF_A_CHILD)
            .map(|trial| {
                let copy = copy_collection(whole.path());
                let what = damage(&copy.path().join("index"), &files, trial, &mut rng);
                (copy, what)
            })
            .collect();
        let responses = ask(&copies.iter().map(|(copy, _)| copy.path().to_owned()).collect::<Vec<_>>());
        assert_eq!(responses.len(), copies.len());
        for (response, (_, what)) in responses.iter().zip(&copies) {
            assert_eq!(response.replace("scanned", "opened"), *truth, "{what}");
            scanned += usize::from(response.contains("scanned"));
        }
    }
    // A file that was replaced by itself is whole; nothing else is.
    assert!(scanned > TRIALS * 9 / 10, "{scanned} of {TRIALS} were found out");
}
