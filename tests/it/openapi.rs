//! The document of the API: what changes in it is seen in review, and the service sends this very one.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::support::shared_server;

fn document() -> Value {
    serde_json::to_value(diptych::server::document()).expect("JSON")
}

/// `INSTA_UPDATE=always cargo test --test it openapi` accepts a change.
#[test]
fn the_document_is_the_one_that_was_reviewed() {
    insta::with_settings!({ prepend_module_to_snapshot => false, omit_expression => true }, {
        insta::assert_snapshot!("openapi", diptych::server::document().to_pretty_json().expect("JSON"));
    });
}

/// Every `$ref` below a value.
fn references(value: &Value, found: &mut BTreeSet<String>) {
    match value {
        Value::Object(fields) => {
            if let Some(Value::String(to)) = fields.get("$ref") {
                found.insert(to.clone());
            }
            fields.values().for_each(|value| references(value, found));
        }
        Value::Array(values) => values.iter().for_each(|value| references(value, found)),
        _ => (),
    }
}

#[test]
fn everything_that_is_named_is_there_and_says_what_it_is() {
    let document = document();
    assert!(document["openapi"].as_str().is_some_and(|version| version.starts_with("3.1")));
    let mut named = BTreeSet::new();
    references(&document, &mut named);
    for name in &named {
        assert!(document.pointer(name.trim_start_matches('#')).is_some(), "{name} is nowhere");
    }
    for (path, item) in document["paths"].as_object().expect("paths") {
        for (method, operation) in item.as_object().expect("operations") {
            let at = format!("{method} {path}");
            assert!(operation["summary"].as_str().is_some_and(|text| text.len() > 5), "{at} has no summary");
            assert!(operation["responses"]["default"].is_object(), "{at} does not say what can go wrong");
            assert_eq!(operation["tags"].as_array().map(Vec::len), Some(1), "{at}");
        }
    }
}

#[tokio::test]
async fn the_service_sends_its_document_and_a_page_of_it() {
    let Some(base) = shared_server().await else { return };
    let sent = reqwest::get(format!("{base}/openapi.json")).await.expect("an answer");
    assert_eq!(sent.json::<Value>().await.expect("JSON"), document());
    let page = reqwest::get(format!("{base}/docs")).await.expect("an answer");
    assert!(page.headers()["content-security-policy"].to_str().expect("text").contains("default-src 'self'"));
    assert!(page.text().await.expect("a page").contains("/static/docs/index.js"));
}
