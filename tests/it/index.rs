//! The command `diptych index`.

use std::{collections::BTreeMap, fs, path::Path};

use diptych::index::GenerationStore;
use serde_json::{Value, json};

use crate::common::{copy_collection, diptych, query_scalar, set_property, succeed, trained_collection};

/// The parameters that tuning stores.
const STORED_PARAMETERS: &str = "select value from facts where name = 'index_parameters'";

#[tokio::test]
async fn index_is_built_with_tuned_parameters_and_passes_check() {
    let Some(collection) = trained_collection() else { return };
    let data = copy_collection(collection);
    let index = |arguments: &[&str]| succeed(diptych(data.path()).arg("index").args(arguments));

    let output = index(&["tune"]);
    // One row per number of candidates below half of the points.
    let tried = output.lines().filter(|line| line.starts_with("| captions |")).count();
    assert!((1..=5).contains(&tried) && output.contains("stored for the next index"), "{output}");
    let stored: Value =
        serde_json::from_str(&query_scalar::<String>(data.path(), STORED_PARAMETERS).await).expect("JSON");
    let stored_ef = stored["graph"]["ef_search"].as_u64().expect("a number");
    assert!(output.contains(&format!("| {stored_ef} |")), "one of the candidates: {output}");
    assert!(stored["exact_up_to"].as_u64().expect("a number") > 0, "{stored}");

    let built = index(&[]);
    let checked = index(&["check"]);
    let rows =
        |output: &str| output.lines().filter(|line| line.starts_with('|')).map(str::to_owned).collect::<Vec<_>>();
    assert_eq!(rows(&built).len(), 4, "{built}");
    assert_eq!(rows(&built), rows(&checked), "the index that was built is the one that is opened");
}

/// Content of the files of the current generation, by name.
fn index_files(data: &Path) -> BTreeMap<String, Vec<u8>> {
    let index = data.join("index");
    let numbers = GenerationStore::new(&index).numbers().expect("the folder can be read");
    let entries =
        fs::read_dir(index.join(numbers[0].to_string())).expect("a folder").map(|entry| entry.expect("an entry"));
    entries
        .map(|entry| (entry.file_name().into_string().expect("UTF-8"), fs::read(entry.path()).expect("a file")))
        .collect()
}

#[tokio::test]
async fn reproducible_index_is_byte_identical() {
    let Some(collection) = trained_collection() else { return };
    let data = copy_collection(collection);
    let graph = json!({"links": 8, "ef_construction": 50, "ef_search": 100, "traversal": "byte", "threads": 2});
    set_property(data.path(), "index_parameters", &json!({"exact_up_to": 10, "graph": graph}).to_string()).await;
    let build = || {
        succeed(diptych(data.path()).args(["index", "--reproducible"]));
        index_files(data.path())
    };
    let (one, other) = (build(), build());
    assert!(one.contains_key("captions.links") && one.contains_key("pictures.codes"), "graphs were built");
    for (name, bytes) in &one {
        assert!(other[name] == *bytes, "{name} differs");
    }
}
