//! The OpenAPI document: a snapshot shows changes in review, and the service serves the same document.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::common::shared_server;

fn document() -> Value {
    serde_json::to_value(diptych::server::document()).expect("JSON")
}

/// `INSTA_UPDATE=always cargo test --test it openapi` accepts a change.
#[test]
fn openapi_document_matches_its_snapshot() {
    insta::with_settings!({ prepend_module_to_snapshot => false, omit_expression => true }, {
        insta::assert_snapshot!("openapi", diptych::server::document().to_pretty_json().expect("JSON"));
    });
}

/// Collects every `$ref` in a value.
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

/// Whether a body, or the schema it references, has an example.
fn has_example(document: &Value, content: &Value) -> bool {
    let schema = &content["schema"];
    let referenced = schema["oneOf"].as_array().and_then(|any| any.iter().find(|one| one["$ref"].is_string()));
    let reference = referenced.unwrap_or(schema)["$ref"].as_str().unwrap_or_default();
    let referenced = document.pointer(reference.trim_start_matches('#')).unwrap_or(&Value::Null);
    ["example", "examples"].iter().any(|name| !content[name].is_null() || !referenced[name].is_null())
}

#[test]
fn openapi_references_resolve_and_have_descriptions() {
    let document = document();
    assert!(document["openapi"].as_str().is_some_and(|version| version.starts_with("3.1")));
    let mut named = BTreeSet::new();
    references(&document, &mut named);
    for name in &named {
        assert!(document.pointer(name.trim_start_matches('#')).is_some(), "{name} does not exist");
    }
    let mut ids = BTreeSet::new();
    for (path, item) in document["paths"].as_object().expect("paths") {
        for (method, operation) in item.as_object().expect("operations") {
            let at = format!("{method} {path}");
            assert!(operation["summary"].as_str().is_some_and(|text| text.len() > 5), "{at} has no summary");
            assert!(operation["responses"]["default"].is_object(), "{at} has no default response");
            assert_eq!(operation["tags"].as_array().map(Vec::len), Some(1), "{at}");
            let id = operation["operationId"].as_str().expect("an operation id");
            assert!(ids.insert(id.to_owned()), "{at}: the operation id {id} is not unique");
            for (media_type, content) in operation["requestBody"]["content"].as_object().into_iter().flatten() {
                if media_type == "application/json" {
                    assert!(has_example(&document, content), "{at} has no example of {media_type}");
                }
            }
        }
    }
}

#[tokio::test]
async fn service_serves_openapi_document_and_docs_page() {
    let Some(base) = shared_server().await else { return };
    let sent = reqwest::get(format!("{base}/openapi.json")).await.expect("a response");
    assert_eq!(sent.json::<Value>().await.expect("JSON"), document());
    let page = reqwest::get(format!("{base}/docs")).await.expect("a response");
    assert!(page.headers()["content-security-policy"].to_str().expect("text").contains("default-src 'self'"));
    assert!(page.text().await.expect("a page").contains("/static/docs/index.js"));
}

#[tokio::test]
async fn each_error_code_has_a_page_that_explains_it() {
    let Some(base) = shared_server().await else { return };
    let document = document();
    for error in document["x-errors"].as_array().expect("errors") {
        let (code, title) = (error["code"].as_str().expect("a code"), error["title"].as_str().expect("a title"));
        let page = reqwest::get(format!("{base}/problems/{code}")).await.expect("a response");
        assert_eq!(
            (page.status().as_u16(), &page.headers()["content-type"]),
            (200, &"text/html; charset=utf-8".parse().expect("a value"))
        );
        let page = page.text().await.expect("a page");
        assert!(page.contains(title) && page.contains("What to do"), "{page}");
    }
    assert_eq!(reqwest::get(format!("{base}/problems/nonsense")).await.expect("a response").status(), 404);
}
