//! Bad requests: each gets a problem document with a stable code and a detail, and the service keeps running.

use std::{
    collections::BTreeSet,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use reqwest::{Client, Method, RequestBuilder};
use serde_json::{Value, json};

use crate::{
    common::{Server, copy_collection, count, execute_sql, query_scalar, shared_server, trained_collection, wait_for},
    search::drawn_picture,
    slow_clients::{start_upload, wait_for_request_in_progress},
};

/// Error codes that a response had.
static CHECKED_CODES: Mutex<BTreeSet<String>> = Mutex::new(BTreeSet::new());

/// Sends a request and checks that the response is a well-formed problem with this status and code.
pub(crate) async fn expect_problem(request: RequestBuilder, status: u16, code: &str) -> Value {
    let response = request.send().await.expect("a response");
    let found = response.status().as_u16();
    let mime = response.headers()["content-type"].to_str().expect("text").to_owned();
    let id = response.headers()["x-request-id"].to_str().expect("text").to_owned();
    let body: Value = response.json().await.expect("JSON");
    assert_eq!(
        (found, mime.as_str(), body["code"].as_str()),
        (status, "application/problem+json", Some(code)),
        "{body}"
    );
    assert_eq!(body["status"], status);
    assert_eq!(body["type"], format!("/problems/{code}"));
    assert_eq!(body["request_id"], id);
    assert!(body["detail"].as_str().is_some_and(|d| d.len() > 5), "{body}");
    assert!(body["title"].as_str().is_some_and(|t| t.len() > 5), "{body}");
    CHECKED_CODES.lock().unwrap_or_else(PoisonError::into_inner).insert(code.to_owned());
    body
}

/// Provokes every code of the error table.
#[tokio::test]
async fn every_error_code_is_reachable() {
    let Some(collection) = trained_collection() else { return };
    check_bad_requests().await;
    check_admin_and_item_errors().await;
    check_unready_services(collection).await;
    check_overload_and_damage(collection).await;
    check_slow_clients(collection).await;
    let document = serde_json::to_value(diptych::server::document()).expect("JSON");
    let table = document.pointer("/components/schemas/Problem/properties/code/enum").expect("the table");
    let table: BTreeSet<String> = serde_json::from_value(table.clone()).expect("codes");
    let checked = CHECKED_CODES.lock().unwrap_or_else(PoisonError::into_inner).clone();
    assert_eq!(table.difference(&checked).collect::<Vec<_>>(), Vec::<&String>::new(), "codes that no request provoked");
}

/// Errors of items, tasks, models and keys.
async fn check_admin_and_item_errors() {
    let Some(collection) = trained_collection() else { return };
    let data = copy_collection(collection);
    let server = Server::start(data.path()).await;
    let client = Client::new();
    let at = |method: Method, path: &str| client.request(method, format!("{}{path}", server.base));
    let item = json!({"id": "a", "captions": ["a door"]});
    let empty_item = json!({"id": "disc", "captions": []});
    assert_eq!(at(Method::POST, "/v1/items").json(&item).send().await.expect("a response").status(), 201);
    expect_problem(at(Method::POST, "/v1/items").json(&item), 409, "item_exists").await;
    expect_problem(at(Method::POST, "/v1/items").json(&empty_item), 422, "invalid_item").await;
    expect_problem(
        at(Method::PATCH, "/v1/items/a").json(&json!({})).header("if-match", "\"x\""),
        412,
        "precondition_failed",
    )
    .await;
    expect_problem(at(Method::POST, "/v1/items/batch").body("\n"), 422, "invalid_batch").await;
    let create_idempotent = |body: &Value| at(Method::POST, "/v1/items").header("idempotency-key", "k").json(body);
    assert_eq!(create_idempotent(&json!({"captions": ["b"]})).send().await.expect("a response").status(), 201);
    expect_problem(create_idempotent(&json!({"captions": ["c"]})), 422, "idempotency_key_reused").await;
    // A batch of pictures takes long enough for a second request to arrive while the first is in progress.
    let slow = json!({"image_base64": STANDARD.encode(drawn_picture())}).to_string();
    let lines = vec![slow.as_str(); 40].join("\n");
    let slow_batch = || at(Method::POST, "/v1/items/batch").header("idempotency-key", "long").body(lines.clone());
    let first = tokio::spawn(slow_batch().send());
    wait_for("the first request to be in progress", Duration::from_secs(10), async || {
        let unfinished = "select count(*) from idempotency where key = 'long' and status is null";
        (count(data.path(), unfinished).await == 1).then_some(())
    })
    .await;
    expect_problem(slow_batch(), 409, "idempotency_in_progress").await;
    assert_eq!(first.await.expect("the task joins").expect("a response").status(), 200);

    let settings = json!({"settings": {"colour": 1}});
    expect_problem(at(Method::POST, "/v1/admin/train").json(&settings), 422, "invalid_settings").await;
    let training = at(Method::POST, "/v1/admin/train").send().await.expect("a response");
    let training: Value = training.json().await.expect("JSON");
    expect_problem(at(Method::POST, "/v1/admin/train"), 409, "task_at_work").await;
    let cancel = format!("/v1/tasks/{}/cancel", training["id"]);
    assert_eq!(at(Method::POST, &cancel).send().await.expect("a response").status(), 200);
    let ended = at(Method::GET, &format!("/v1/tasks/{}?wait=25", training["id"])).send().await.expect("a response");
    assert_eq!(ended.json::<Value>().await.expect("JSON")["status"], "cancelled");
    expect_problem(at(Method::POST, &cancel), 409, "task_ended").await;
    expect_problem(at(Method::POST, "/v1/models/m-none/activate"), 404, "model_not_found").await;
    expect_problem(at(Method::POST, "/v1/models/rollback"), 409, "no_model_before").await;

    let keys = |body: Value| at(Method::POST, "/v1/admin/keys").json(&body);
    expect_problem(keys(json!({"scopes": []})), 422, "invalid_key_request").await;
    let created: Value =
        keys(json!({"scopes": ["search"]})).send().await.expect("a response").json().await.expect("JSON");
    expect_problem(at(Method::GET, "/v1/labels"), 401, "missing_key").await;
    expect_problem(at(Method::GET, "/v1/labels").bearer_auth("dpt_1_2"), 401, "invalid_key").await;
    let key = created["key"].as_str().expect("a key");
    expect_problem(at(Method::GET, "/v1/tasks").bearer_auth(key), 403, "insufficient_scope").await;
}

/// Errors of a service without a model, and of one that is still starting.
async fn check_unready_services(collection: &std::path::Path) {
    let empty = tempfile::tempdir().expect("a folder");
    let server = Server::start_unready(empty.path(), &[]);
    let search_text =
        |base: &str| Client::new().post(format!("{base}/v1/search/text")).json(&json!({"query": "a bird"}));
    expect_problem(search_text(&server.base), 503, "no_model").await;
    drop(server);
    let data = copy_collection(collection);
    let server = Server::start_unready(data.path(), &[]);
    let problem = expect_problem(search_text(&server.base), 503, "starting").await;
    assert!(problem["detail"].as_str().expect("text").contains("starting"), "{problem}");
}

/// Errors of an overloaded service, and of one whose files are deleted or damaged while it runs.
async fn check_overload_and_damage(collection: &std::path::Path) {
    let data = copy_collection(collection);
    let server = Server::start(data.path()).await;
    let client = Client::new();
    let search_image = |query: &str| {
        let address = format!("{}/v1/search/image{query}", server.base);
        client.post(address).header("content-type", "image/png").body(drawn_picture())
    };
    expect_problem(search_image("?timeout_ms=1"), 504, "timeout").await;
    let responses = futures_util::future::join_all((0..300).map(|_| search_image("").send())).await;
    let mut refused = None;
    for response in responses {
        let response = response.expect("a response");
        match response.status().as_u16() {
            200 => (),
            503 => refused = Some(response),
            other => panic!("{other}"),
        }
    }
    let refused = refused.expect("three hundred requests exceed the queue");
    assert!(refused.headers().contains_key("retry-after"));
    assert_eq!(refused.json::<Value>().await.expect("JSON")["code"], "overloaded");
    CHECKED_CODES.lock().unwrap_or_else(PoisonError::into_inner).insert("overloaded".into());
    let form = reqwest::multipart::Form::new()
        .part("image", reqwest::multipart::Part::bytes(drawn_picture()))
        .text("item", r#"{"id": "disc"}"#);
    let created = client.post(format!("{}/v1/items", server.base)).multipart(form).send().await.expect("a response");
    assert_eq!(created.status(), 201);
    let path: String = query_scalar(data.path(), "select image_path from items where id = 'disc'").await;
    std::fs::remove_file(path).expect("the picture exists");
    expect_problem(client.get(format!("{}/v1/items/disc/image", server.base)), 404, "image_unavailable").await;

    // Database errors go to the log only.
    execute_sql(data.path(), "drop table item_labels").await;
    let internal = expect_problem(client.get(format!("{}/v1/labels", server.base)), 500, "internal").await;
    assert!(!internal.to_string().contains("item_labels"), "{internal}");
    let log = std::fs::read_to_string(data.path().join("serve.log")).expect("a log");
    assert!(log.contains("item_labels"), "{log}");
    assert!(client.get(format!("{}/healthz", server.base)).send().await.expect("a response").status().is_success());
}

/// A head that is too large, and a body that is not sent, on a service that is shutting down.
async fn check_slow_clients(collection: &std::path::Path) {
    let data = copy_collection(collection);
    let server = Server::start_with(data.path(), &["--body-timeout=3s", "--drain-timeout=30s"]).await;
    let client = Client::new();
    let at = |path: &str| client.get(format!("{}{path}", server.base));
    expect_problem(at("/healthz").header("x-long", "a".repeat(20_000)), 431, "head_too_large").await;
    let mut waiting = start_upload(&server.base, 1000).await;
    wait_for_request_in_progress(&server.base).await;
    server.request_shutdown();
    wait_for("draining", Duration::from_secs(2), async || {
        at("/readyz").send().await.is_ok_and(|response| response.status() == 503).then_some(())
    })
    .await;
    expect_problem(at("/v1/labels"), 503, "draining").await;
    let text = waiting.read_response().await;
    assert!(text.starts_with("HTTP/1.1 408 ") && text.contains("\"body_too_slow\""), "{text}");
    CHECKED_CODES.lock().unwrap_or_else(PoisonError::into_inner).insert("body_too_slow".into());
    assert!(server.wait().success());
}

async fn check_bad_requests() {
    let Some(base) = shared_server().await else { return };
    let client = Client::new();
    let search_text = |body: &str| {
        let post = client.post(format!("{base}/v1/search/text")).header("content-type", "application/json");
        post.body(body.to_owned())
    };
    let search_image =
        |bytes: Vec<u8>| client.post(format!("{base}/v1/search/image")).header("content-type", "image/png").body(bytes);
    let at = |method: Method, path: &str| client.request(method, format!("{base}{path}"));

    let detail = expect_problem(search_text("{"), 400, "malformed_request").await;
    assert!(detail["detail"].as_str().expect("text").contains("line 1"), "{detail}");
    expect_problem(search_text(r#"{"query": 7}"#), 400, "malformed_request").await;
    let detail = expect_problem(search_text(r#"{"query": "x", "colour": "red"}"#), 400, "malformed_request").await;
    assert!(detail["detail"].as_str().expect("text").contains("colour"), "{detail}");
    let detail = expect_problem(search_text(r#"{"q": "x"}"#), 400, "malformed_request").await;
    assert!(detail["detail"].as_str().expect("text").contains("did you mean `query`?"), "{detail}");
    assert_eq!(detail["errors"][0]["pointer"], "/q", "{detail}");
    expect_problem(search_text(r#"["x"]"#), 400, "malformed_request").await;
    expect_problem(search_text(r#"{"query": ""}"#), 422, "invalid_query").await;
    expect_problem(search_text(r#"{"query": " \n "}"#), 422, "invalid_query").await;
    expect_problem(search_text(&format!(r#"{{"query": "{}"}}"#, "a".repeat(500_000))), 422, "invalid_query").await;
    expect_problem(search_text(&format!(r#"{{"query": "{}"}}"#, "a".repeat(2_000_000))), 413, "body_too_large").await;
    expect_problem(search_text(r#"{"query": "x", "limit": 0}"#), 422, "invalid_query").await;
    let detail = expect_problem(search_text(r#"{"query": "x", "limit": 1000}"#), 422, "invalid_query").await;
    assert!(detail["detail"].as_str().expect("text").contains("1 to 100"), "{detail}");
    expect_problem(search_text(r#"{"query": "x", "min_relevance": 2}"#), 422, "invalid_query").await;
    expect_problem(search_text(r#"{"query": "x", "target": "sound"}"#), 400, "malformed_request").await;
    let form = client.post(format!("{base}/v1/search/text")).header("content-type", "text/plain").body("x");
    expect_problem(form, 415, "unsupported_media_type").await;

    let detail = expect_problem(
        search_text(r#"{"query": "x", "filter": {"must": [{"key": "colour"}]}}"#),
        422,
        "invalid_filter",
    )
    .await;
    assert_eq!(detail["errors"][0]["pointer"], "/filter/must/0/key", "{detail}");
    let unknown = r#"{"query": "x", "filter": {"must": [{"key": "meta.no_such", "match": {"value": 1}}]}}"#;
    expect_problem(search_text(unknown), 422, "invalid_filter").await;
    expect_problem(search_text(r#"{"query": "x", "cursor": "next"}"#), 422, "invalid_query").await;
    expect_problem(search_text(&format!(r#"{{"query": "x", "cursor": "{:032x}.7"}}"#, 5)), 410, "cursor_expired").await;
    expect_problem(search_text(r#"{"query": "x", "hybrid": {"keyword_weight": 2}}"#), 422, "invalid_query").await;
    expect_problem(search_text(r#"{"query": "x", "hybrid": "yes"}"#), 400, "malformed_request").await;
    expect_problem(search_text(r#"{"query": "x", "ef": 0}"#), 422, "invalid_query").await;
    expect_problem(search_text(r#"{"query": "x", "timeout_ms": 0}"#), 422, "invalid_query").await;
    expect_problem(search_text(r#"{"query": "x", "facets": ["colour"]}"#), 400, "malformed_request").await;
    expect_problem(search_text(r#"{"query": "\ud800"}"#), 400, "malformed_request").await;
    expect_problem(search_text(r#"{"query": "x", "min_relevance": NaN}"#), 400, "malformed_request").await;
    expect_problem(search_text(r#"{"query": "x", "limit": 99999999999999999999}"#), 400, "malformed_request").await;
    expect_problem(search_text(&"[".repeat(100_000)), 400, "malformed_request").await;
    let search_terms = |body: &str| {
        let post = client.post(format!("{base}/v1/search")).header("content-type", "application/json");
        post.body(body.to_owned())
    };
    let many_terms = format!(r#"{{"terms": [{}0]}}"#, "0,".repeat(5_000_000));
    let detail = expect_problem(search_terms(&many_terms), 400, "malformed_request").await;
    assert!(detail["detail"].as_str().expect("text").contains("at most 100000"), "{detail}");
    expect_problem(search_terms("{}"), 422, "invalid_query").await;
    expect_problem(search_terms(r#"{"terms": []}"#), 422, "invalid_query").await;
    expect_problem(search_terms(r#"{"terms": [{"text": "x", "weight": -1}]}"#), 422, "invalid_query").await;
    expect_problem(search_terms(r#"{"terms": [{"text": "x", "weight": 1e30}]}"#), 422, "invalid_query").await;
    expect_problem(search_terms(r#"{"terms": [{"text": "x"}, {"text": "x", "weight": -1}]}"#), 422, "invalid_query")
        .await;
    expect_problem(search_terms(r#"{"terms": [{"item": "no such"}]}"#), 404, "not_found").await;
    expect_problem(search_terms(r#"{"terms": [{"sound": "x"}]}"#), 400, "malformed_request").await;
    let detail =
        expect_problem(search_terms(r#"{"terms": [{"text": "x"}, {"image_base64": "?"}]}"#), 422, "bad_base64").await;
    assert_eq!(detail["errors"][0]["pointer"], "/terms/1/image_base64", "{detail}");
    expect_problem(at(Method::GET, "/v1/search"), 422, "invalid_query").await;
    expect_problem(at(Method::GET, "/v1/search?q=x&q=y"), 400, "malformed_request").await;
    expect_problem(at(Method::GET, "/v1/search?q=x&limit=null"), 400, "malformed_request").await;
    expect_problem(at(Method::GET, "/v1/search?q=x&limit=many"), 400, "malformed_request").await;
    expect_problem(at(Method::GET, "/v1/items/no-such-item/similar"), 404, "not_found").await;
    expect_problem(at(Method::GET, "/v1/facets?filter=%7B"), 422, "invalid_filter").await;

    expect_problem(search_image(Vec::new()), 422, "image_decode_failed").await;
    expect_problem(search_image(b"this is not a picture".to_vec()), 422, "image_decode_failed").await;
    let mut torn = drawn_picture();
    torn.truncate(torn.len() / 2);
    expect_problem(search_image(torn), 422, "image_decode_failed").await;
    expect_problem(search_image(giant_png()), 422, "image_decode_failed").await;
    // The response has to reach a client that is still sending. Repeated, because it can arrive by chance.
    for _ in 0..8 {
        expect_problem(search_image(vec![0; 40 << 20]), 413, "body_too_large").await;
        let foreign = search_image(vec![0; 40 << 20]).header("origin", "http://elsewhere.example");
        expect_problem(foreign, 403, "foreign_origin").await;
    }
    let typed = client.post(format!("{base}/v1/search/image")).header("content-type", "text/html").body("x");
    let detail = expect_problem(typed, 415, "unsupported_media_type").await;
    assert!(detail["detail"].as_str().expect("text").contains("multipart/form-data"), "{detail}");
    let empty =
        client.post(format!("{base}/v1/search/image")).multipart(reqwest::multipart::Form::new().text("params", "{}"));
    expect_problem(empty, 400, "malformed_request").await;

    expect_problem(at(Method::GET, "/v1/items/no-such-item"), 404, "not_found").await;
    expect_problem(at(Method::GET, "/v1/items/no-such-item/image"), 404, "not_found").await;
    expect_problem(at(Method::GET, "/v1/items/no-such-item/thumbnail?w=9"), 422, "invalid_query").await;
    expect_problem(at(Method::GET, "/v1/tasks/99999"), 404, "not_found").await;
    expect_problem(at(Method::GET, "/v1/tasks/first"), 400, "malformed_request").await;
    expect_problem(at(Method::GET, "/nowhere"), 404, "not_found").await;
    expect_problem(at(Method::GET, "/static/../Cargo.toml"), 404, "not_found").await;
    expect_problem(at(Method::DELETE, "/v1/search/text"), 405, "method_not_allowed").await;
    let foreign = at(Method::POST, "/v1/admin/reindex").header("origin", "http://elsewhere.example");
    expect_problem(foreign, 403, "foreign_origin").await;

    let response = search_text(r#"{"query": "still here"}"#).send().await.expect("a response");
    assert!(response.status().is_success());
}

/// A PNG that consists of a header for 30 000 × 30 000 pixels only.
pub(crate) fn giant_png() -> Vec<u8> {
    let mut header = b"IHDR".to_vec();
    header.extend_from_slice(&30_000u32.to_be_bytes());
    header.extend_from_slice(&30_000u32.to_be_bytes());
    header.extend_from_slice(&[8, 2, 0, 0, 0]);
    let mut png = b"\x89PNG\r\n\x1a\n\0\0\0\r".to_vec();
    let crc = crc32(&header);
    png.extend_from_slice(&header);
    png.extend_from_slice(&crc.to_be_bytes());
    png
}

/// The checksum of PNG's chunks (ISO 3309).
fn crc32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(!0u32, |crc, &byte| {
        (0..8).fold(crc ^ u32::from(byte), |crc, _| if crc & 1 == 1 { (crc >> 1) ^ 0xEDB8_8320 } else { crc >> 1 })
    })
}
