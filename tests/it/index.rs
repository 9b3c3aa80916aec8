//! The owner's verbs for the index.

use serde_json::Value;

use crate::support::{diptych, found, own_copy, succeed, trained_collection};

/// What a tuning keeps.
const KEPT: &str = "select value from facts where name = 'index_parameters'";

#[tokio::test]
async fn an_index_is_tuned_built_by_what_was_measured_and_checked() {
    let Some(collection) = trained_collection() else { return };
    let data = own_copy(collection);
    let index = |verb: &[&str]| succeed(diptych(data.path()).arg("index").args(verb));

    let said = index(&["tune"]);
    // Header and line, then every number of candidates that is less than half of the points.
    let tried = said.lines().filter(|line| line.starts_with("| captions |")).count();
    assert!((1..=5).contains(&tried) && said.contains("kept for the next index"), "{said}");
    let kept: Value = serde_json::from_str(&found::<String>(data.path(), KEPT).await).expect("JSON");
    let kept_ef = kept["graph"]["ef_search"].as_u64().expect("a number");
    assert!(said.contains(&format!("| {kept_ef} |")), "one of those that were tried: {said}");
    assert!(kept["exact_up_to"].as_u64().expect("a number") > 0, "{kept}");

    let built = index(&[]);
    let checked = index(&["check"]);
    let rows = |said: &str| said.lines().filter(|line| line.starts_with('|')).map(str::to_owned).collect::<Vec<_>>();
    assert_eq!(rows(&built).len(), 4, "{built}");
    assert_eq!(rows(&built), rows(&checked), "what was built is what was opened");
}
