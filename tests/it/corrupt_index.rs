//! A corrupt index on disk is detected: queries fall back to a scan, with the same results.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde_json::json;

use crate::common::{copy_collection, diptych, models, set_property, succeed, trained_collection};

/// Number of corruptions, each of one file, that are tested in child processes.
const TRIALS: usize = 520;

/// Corruptions per child process; a process for each would spend its time on loading encoders.
const TRIALS_PER_CHILD: usize = 20;

const QUERY: &str = "a bird on a branch";

/// Opens a folder and returns ids and scores of a query's results, and whether the index was opened.
async fn query_folder(data: &Path) -> String {
    use diptych::{
        collection::{Collection, Encoders},
        config::Limits,
        dataset::PictureLimits,
        encoders::Registry,
        engine::{Engine, Query, Target},
    };
    let collection = Collection::open(data, PictureLimits::default()).await.expect("the catalog is intact");
    static ENCODERS: std::sync::OnceLock<Encoders> = std::sync::OnceLock::new();
    let encoders = ENCODERS.get_or_init(|| {
        let registry = Registry::open(models()).expect("manifests");
        let defaults = registry.defaults();
        let image = registry.open_image(&defaults.image).expect("weights");
        Encoders { image, text: registry.open_text(&defaults.text).expect("weights") }
    });
    let catalog = collection.catalog.clone();
    let engine = Engine::new(collection, encoders.clone(), Limits::default()).expect("threads");
    let (_, rebuild_due) = engine.serving().open().await.expect("it opens, whatever the state of the index");
    let query = Query { exact: true, ..Query::text(QUERY, Target::Image, 10) };
    let response = engine.queries().search(query).await.expect("it answers, whatever the state of the index");
    catalog.close().await;
    let found: Vec<_> = response.results.iter().map(|r| json!([r.item.id, (r.score * 1e4).round()])).collect();
    json!({ "found": found, "index": if rebuild_due { "scanned" } else { "opened" } }).to_string()
}

/// The entry point of child processes, not a test. `DIPTYCH_DAMAGED` lists the folders to open.
#[tokio::test]
async fn open_corrupt_folders() {
    let Ok(folders) = std::env::var("DIPTYCH_DAMAGED") else { return };
    for folder in folders.split(':') {
        println!("ANSWER {}", query_folder(Path::new(folder)).await);
    }
}

fn run_child(folders: &[PathBuf]) -> Vec<String> {
    let list = folders.iter().map(|f| f.display().to_string()).collect::<Vec<_>>().join(":");
    let output = Command::new(std::env::current_exe().expect("this test"))
        .args(["--exact", "corrupt_index::open_corrupt_folders", "--nocapture"])
        .env("DIPTYCH_DAMAGED", list)
        .output()
        .expect("the child starts");
    let stdout = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success(),
        "a child exited with {}:\n{stdout}\n{}",
        output.status,
        String::from_utf8_lossy(&output.stderr)
    );
    stdout.lines().filter_map(|l| l.split_once("ANSWER ").map(|(_, response)| response.to_owned())).collect()
}

/// Corrupts one file, in a way that depends on the trial, and returns a description.
fn corrupt(index: &Path, files: &[PathBuf], trial: usize, rng: &mut ChaCha8Rng) -> String {
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
fn corrupt_index_is_detected_and_replaced_by_a_scan() {
    let Some(collection) = trained_collection() else { return };
    let original = copy_collection(collection);
    let graph = json!({"links": 8, "ef_construction": 40, "ef_search": 200, "traversal": "byte", "threads": 2});
    let parameters = json!({"exact_up_to": 50, "graph": graph}).to_string();
    tokio::runtime::Runtime::new().expect("a runtime").block_on(set_property(
        original.path(),
        "index_parameters",
        &parameters,
    ));
    // The shared service may have written a generation already, to which a corrupt one would fall back.
    let index = original.path().join("index");
    if index.exists() {
        fs::remove_dir_all(&index).expect("removed");
    }
    succeed(diptych(original.path()).arg("index"));
    let [expected] = &run_child(&[original.path().to_owned()])[..] else { panic!("one line of output") };
    assert!(expected.contains("opened"), "{expected}");

    let mut files = Vec::new();
    files_below(&index, &index, &mut files);
    files.sort();
    assert!(files.len() >= 8, "{files:?}");
    let mut rng = ChaCha8Rng::seed_from_u64(5);
    let mut scanned = 0;
    for first in (0..TRIALS).step_by(TRIALS_PER_CHILD) {
        let copies: Vec<_> = (first..first + TRIALS_PER_CHILD)
            .map(|trial| {
                let copy = copy_collection(original.path());
                let what = corrupt(&copy.path().join("index"), &files, trial, &mut rng);
                (copy, what)
            })
            .collect();
        let responses = run_child(&copies.iter().map(|(copy, _)| copy.path().to_owned()).collect::<Vec<_>>());
        assert_eq!(responses.len(), copies.len());
        for (response, (_, what)) in responses.iter().zip(&copies) {
            assert_eq!(response.replace("scanned", "opened"), *expected, "{what}");
            scanned += usize::from(response.contains("scanned"));
        }
    }
    // Only a file that was replaced by itself is intact.
    assert!(scanned > TRIALS * 9 / 10, "{scanned} of {TRIALS} corruptions were detected");
}
