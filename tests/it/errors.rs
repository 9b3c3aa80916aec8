//! Bad requests: each gets a problem with a stable code and a sentence, and the service goes on.

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
    slow_clients::{at_work, pending},
};

/// Codes that answers were checked for.
static HEARD: Mutex<BTreeSet<String>> = Mutex::new(BTreeSet::new());

/// An answer's problem, checked for what all problems have.
pub(crate) async fn problem(request: RequestBuilder, status: u16, code: &str) -> Value {
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
    HEARD.lock().unwrap_or_else(PoisonError::into_inner).insert(code.to_owned());
    body
}

/// Walks the table of errors: each code is an answer that a client has heard.
#[tokio::test]
async fn every_error_code_is_reachable() {
    let Some(collection) = trained_collection() else { return };
    every_bad_request_gets_its_problem().await;
    what_an_owner_asks_wrongly().await;
    what_is_not_there_yet(collection).await;
    what_breaks(collection).await;
    who_is_slow(collection).await;
    let document = serde_json::to_value(diptych::server::document()).expect("JSON");
    let table = document.pointer("/components/schemas/Problem/properties/code/enum").expect("the table");
    let table: BTreeSet<String> = serde_json::from_value(table.clone()).expect("codes");
    let heard = HEARD.lock().unwrap_or_else(PoisonError::into_inner).clone();
    assert_eq!(table.difference(&heard).collect::<Vec<_>>(), Vec::<&String>::new(), "never heard");
}

/// Items, tasks, models and keys.
async fn what_an_owner_asks_wrongly() {
    let Some(collection) = trained_collection() else { return };
    let data = copy_collection(collection);
    let server = Server::start(data.path()).await;
    let client = Client::new();
    let at = |method: Method, path: &str| client.request(method, format!("{}{path}", server.base));
    let item = json!({"id": "a", "captions": ["a door"]});
    let picture = json!({"id": "disc", "captions": []});
    assert_eq!(at(Method::POST, "/v1/items").json(&item).send().await.expect("a response").status(), 201);
    problem(at(Method::POST, "/v1/items").json(&item), 409, "item_exists").await;
    problem(at(Method::POST, "/v1/items").json(&picture), 422, "invalid_item").await;
    problem(at(Method::PATCH, "/v1/items/a").json(&json!({})).header("if-match", "\"x\""), 412, "precondition_failed")
        .await;
    problem(at(Method::POST, "/v1/items/batch").body("\n"), 422, "invalid_batch").await;
    let once = |body: &Value| at(Method::POST, "/v1/items").header("idempotency-key", "k").json(body);
    assert_eq!(once(&json!({"captions": ["b"]})).send().await.expect("a response").status(), 201);
    problem(once(&json!({"captions": ["c"]})), 422, "idempotency_key_reused").await;
    // Two at once: a picture takes long enough for the second one to come while the first is at work.
    let slow = json!({"image_base64": STANDARD.encode(drawn_picture())}).to_string();
    let lines = vec![slow.as_str(); 40].join("\n");
    let long = || at(Method::POST, "/v1/items/batch").header("idempotency-key", "long").body(lines.clone());
    let first = tokio::spawn(long().send());
    wait_for("the first to be at work", Duration::from_secs(10), async || {
        let at_work = "select count(*) from idempotency where key = 'long' and status is null";
        (count(data.path(), at_work).await == 1).then_some(())
    })
    .await;
    problem(long(), 409, "idempotency_in_progress").await;
    assert_eq!(first.await.expect("it ends").expect("a response").status(), 200);

    let settings = json!({"settings": {"colour": 1}});
    problem(at(Method::POST, "/v1/admin/train").json(&settings), 422, "invalid_settings").await;
    let training = at(Method::POST, "/v1/admin/train").send().await.expect("a response");
    let training: Value = training.json().await.expect("JSON");
    problem(at(Method::POST, "/v1/admin/train"), 409, "task_at_work").await;
    let cancel = format!("/v1/tasks/{}/cancel", training["id"]);
    assert_eq!(at(Method::POST, &cancel).send().await.expect("a response").status(), 200);
    let ended = at(Method::GET, &format!("/v1/tasks/{}?wait=25", training["id"])).send().await.expect("a response");
    assert_eq!(ended.json::<Value>().await.expect("JSON")["status"], "cancelled");
    problem(at(Method::POST, &cancel), 409, "task_ended").await;
    problem(at(Method::POST, "/v1/models/m-none/activate"), 404, "model_not_found").await;
    problem(at(Method::POST, "/v1/models/rollback"), 409, "no_model_before").await;

    let keys = |body: Value| at(Method::POST, "/v1/admin/keys").json(&body);
    problem(keys(json!({"scopes": []})), 422, "invalid_key_request").await;
    let made: Value = keys(json!({"scopes": ["search"]})).send().await.expect("a response").json().await.expect("JSON");
    problem(at(Method::GET, "/v1/labels"), 401, "missing_key").await;
    problem(at(Method::GET, "/v1/labels").bearer_auth("dpt_1_2"), 401, "invalid_key").await;
    let key = made["key"].as_str().expect("a key");
    problem(at(Method::GET, "/v1/tasks").bearer_auth(key), 403, "insufficient_scope").await;
}

/// A service without a model, and one that has only just been started.
async fn what_is_not_there_yet(collection: &std::path::Path) {
    let empty = tempfile::tempdir().expect("a folder");
    let server = Server::start_unready(empty.path(), &[]);
    let words = |base: &str| Client::new().post(format!("{base}/v1/search/text")).json(&json!({"query": "a bird"}));
    problem(words(&server.base), 503, "no_model").await;
    drop(server);
    let data = copy_collection(collection);
    let server = Server::start_unready(data.path(), &[]);
    let early = problem(words(&server.base), 503, "starting").await;
    assert!(early["detail"].as_str().expect("text").contains("starting"), "{early}");
}

/// A service with more to do than it can, and one whose files somebody has damaged under it.
async fn what_breaks(collection: &std::path::Path) {
    let data = copy_collection(collection);
    let server = Server::start(data.path()).await;
    let client = Client::new();
    let picture = |query: &str| {
        let address = format!("{}/v1/search/image{query}", server.base);
        client.post(address).header("content-type", "image/png").body(drawn_picture())
    };
    problem(picture("?timeout_ms=1"), 504, "timeout").await;
    let many = futures_util::future::join_all((0..300).map(|_| picture("").send())).await;
    let mut refused = None;
    for response in many {
        let response = response.expect("a response");
        match response.status().as_u16() {
            200 => (),
            503 => refused = Some(response),
            other => panic!("{other}"),
        }
    }
    let refused = refused.expect("three hundred are more than wait");
    assert!(refused.headers().contains_key("retry-after"));
    assert_eq!(refused.json::<Value>().await.expect("JSON")["code"], "overloaded");
    HEARD.lock().unwrap_or_else(PoisonError::into_inner).insert("overloaded".into());
    let form = reqwest::multipart::Form::new()
        .part("image", reqwest::multipart::Part::bytes(drawn_picture()))
        .text("item", r#"{"id": "disc"}"#);
    let made = client.post(format!("{}/v1/items", server.base)).multipart(form).send().await.expect("a response");
    assert_eq!(made.status(), 201);
    let path: String = query_scalar(data.path(), "select image_path from items where id = 'disc'").await;
    std::fs::remove_file(path).expect("it is there");
    problem(client.get(format!("{}/v1/items/disc/image", server.base)), 404, "image_unavailable").await;

    // What a damaged catalog says is for the log alone.
    execute_sql(data.path(), "drop table item_labels").await;
    let inside = problem(client.get(format!("{}/v1/labels", server.base)), 500, "internal").await;
    assert!(!inside.to_string().contains("item_labels"), "{inside}");
    let log = std::fs::read_to_string(data.path().join("serve.log")).expect("a log");
    assert!(log.contains("item_labels"), "{log}");
    assert!(client.get(format!("{}/healthz", server.base)).send().await.expect("a response").status().is_success());
}

/// A head that is too large, a body that does not come, and a service that ends meanwhile.
async fn who_is_slow(collection: &std::path::Path) {
    let data = copy_collection(collection);
    let server = Server::start_with(data.path(), &["--body-timeout=3s", "--drain-timeout=30s"]).await;
    let client = Client::new();
    let at = |path: &str| client.get(format!("{}{path}", server.base));
    problem(at("/healthz").header("x-long", "a".repeat(20_000)), 431, "head_too_large").await;
    let mut waiting = pending(&server.base, 1000).await;
    at_work(&server.base).await;
    server.request_shutdown();
    wait_for("draining", Duration::from_secs(2), async || {
        at("/readyz").send().await.is_ok_and(|response| response.status() == 503).then_some(())
    })
    .await;
    problem(at("/v1/labels"), 503, "draining").await;
    let said = waiting.read_response().await;
    assert!(said.starts_with("HTTP/1.1 408 ") && said.contains("\"body_too_slow\""), "{said}");
    HEARD.lock().unwrap_or_else(PoisonError::into_inner).insert("body_too_slow".into());
    assert!(server.wait().success());
}

async fn every_bad_request_gets_its_problem() {
    let Some(base) = shared_server().await else { return };
    let client = Client::new();
    let words = |body: &str| {
        let post = client.post(format!("{base}/v1/search/text")).header("content-type", "application/json");
        post.body(body.to_owned())
    };
    let picture =
        |bytes: Vec<u8>| client.post(format!("{base}/v1/search/image")).header("content-type", "image/png").body(bytes);
    let at = |method: Method, path: &str| client.request(method, format!("{base}{path}"));

    let detail = problem(words("{"), 400, "malformed_request").await;
    assert!(detail["detail"].as_str().expect("text").contains("line 1"), "{detail}");
    problem(words(r#"{"query": 7}"#), 400, "malformed_request").await;
    let detail = problem(words(r#"{"query": "x", "colour": "red"}"#), 400, "malformed_request").await;
    assert!(detail["detail"].as_str().expect("text").contains("colour"), "{detail}");
    let detail = problem(words(r#"{"q": "x"}"#), 400, "malformed_request").await;
    assert!(detail["detail"].as_str().expect("text").contains("did you mean `query`?"), "{detail}");
    assert_eq!(detail["errors"][0]["pointer"], "/q", "{detail}");
    problem(words(r#"["x"]"#), 400, "malformed_request").await;
    problem(words(r#"{"query": ""}"#), 422, "invalid_query").await;
    problem(words(r#"{"query": " \n "}"#), 422, "invalid_query").await;
    problem(words(&format!(r#"{{"query": "{}"}}"#, "a".repeat(500_000))), 422, "invalid_query").await;
    problem(words(&format!(r#"{{"query": "{}"}}"#, "a".repeat(2_000_000))), 413, "body_too_large").await;
    problem(words(r#"{"query": "x", "limit": 0}"#), 422, "invalid_query").await;
    let detail = problem(words(r#"{"query": "x", "limit": 1000}"#), 422, "invalid_query").await;
    assert!(detail["detail"].as_str().expect("text").contains("1 to 100"), "{detail}");
    problem(words(r#"{"query": "x", "min_relevance": 2}"#), 422, "invalid_query").await;
    problem(words(r#"{"query": "x", "target": "sound"}"#), 400, "malformed_request").await;
    let form = client.post(format!("{base}/v1/search/text")).header("content-type", "text/plain").body("x");
    problem(form, 415, "unsupported_media_type").await;

    let detail =
        problem(words(r#"{"query": "x", "filter": {"must": [{"key": "colour"}]}}"#), 422, "invalid_filter").await;
    assert_eq!(detail["errors"][0]["pointer"], "/filter/must/0/key", "{detail}");
    let unknown = r#"{"query": "x", "filter": {"must": [{"key": "meta.no_such", "match": {"value": 1}}]}}"#;
    problem(words(unknown), 422, "invalid_filter").await;
    problem(words(r#"{"query": "x", "cursor": "next"}"#), 422, "invalid_query").await;
    problem(words(&format!(r#"{{"query": "x", "cursor": "{:032x}.7"}}"#, 5)), 410, "cursor_expired").await;
    problem(words(r#"{"query": "x", "hybrid": {"keyword_weight": 2}}"#), 422, "invalid_query").await;
    problem(words(r#"{"query": "x", "hybrid": "yes"}"#), 400, "malformed_request").await;
    problem(words(r#"{"query": "x", "ef": 0}"#), 422, "invalid_query").await;
    problem(words(r#"{"query": "x", "timeout_ms": 0}"#), 422, "invalid_query").await;
    problem(words(r#"{"query": "x", "facets": ["colour"]}"#), 400, "malformed_request").await;
    problem(words(r#"{"query": "\ud800"}"#), 400, "malformed_request").await;
    problem(words(r#"{"query": "x", "min_relevance": NaN}"#), 400, "malformed_request").await;
    problem(words(r#"{"query": "x", "limit": 99999999999999999999}"#), 400, "malformed_request").await;
    problem(words(&"[".repeat(100_000)), 400, "malformed_request").await;
    let terms = |body: &str| {
        let post = client.post(format!("{base}/v1/search")).header("content-type", "application/json");
        post.body(body.to_owned())
    };
    let many = format!(r#"{{"terms": [{}0]}}"#, "0,".repeat(5_000_000));
    let detail = problem(terms(&many), 400, "malformed_request").await;
    assert!(detail["detail"].as_str().expect("text").contains("at most 100000"), "{detail}");
    problem(terms("{}"), 422, "invalid_query").await;
    problem(terms(r#"{"terms": []}"#), 422, "invalid_query").await;
    problem(terms(r#"{"terms": [{"text": "x", "weight": -1}]}"#), 422, "invalid_query").await;
    problem(terms(r#"{"terms": [{"text": "x", "weight": 1e30}]}"#), 422, "invalid_query").await;
    problem(terms(r#"{"terms": [{"text": "x"}, {"text": "x", "weight": -1}]}"#), 422, "invalid_query").await;
    problem(terms(r#"{"terms": [{"item": "no such"}]}"#), 404, "not_found").await;
    problem(terms(r#"{"terms": [{"sound": "x"}]}"#), 400, "malformed_request").await;
    let detail = problem(terms(r#"{"terms": [{"text": "x"}, {"image_base64": "?"}]}"#), 422, "bad_base64").await;
    assert_eq!(detail["errors"][0]["pointer"], "/terms/1/image_base64", "{detail}");
    problem(at(Method::GET, "/v1/search"), 422, "invalid_query").await;
    problem(at(Method::GET, "/v1/search?q=x&q=y"), 400, "malformed_request").await;
    problem(at(Method::GET, "/v1/search?q=x&limit=null"), 400, "malformed_request").await;
    problem(at(Method::GET, "/v1/search?q=x&limit=many"), 400, "malformed_request").await;
    problem(at(Method::GET, "/v1/items/no-such-item/similar"), 404, "not_found").await;
    problem(at(Method::GET, "/v1/facets?filter=%7B"), 422, "invalid_filter").await;

    problem(picture(Vec::new()), 422, "image_decode_failed").await;
    problem(picture(b"this is no picture".to_vec()), 422, "image_decode_failed").await;
    let mut torn = drawn_picture();
    torn.truncate(torn.len() / 2);
    problem(picture(torn), 422, "image_decode_failed").await;
    problem(picture(giant_png()), 422, "image_decode_failed").await;
    // The answer has to reach a client that is still sending; that it does by luck is what the repetition rules out.
    for _ in 0..8 {
        problem(picture(vec![0; 40 << 20]), 413, "body_too_large").await;
        let foreign = picture(vec![0; 40 << 20]).header("origin", "http://elsewhere.example");
        problem(foreign, 403, "foreign_origin").await;
    }
    let typed = client.post(format!("{base}/v1/search/image")).header("content-type", "text/html").body("x");
    let detail = problem(typed, 415, "unsupported_media_type").await;
    assert!(detail["detail"].as_str().expect("text").contains("multipart/form-data"), "{detail}");
    let empty =
        client.post(format!("{base}/v1/search/image")).multipart(reqwest::multipart::Form::new().text("params", "{}"));
    problem(empty, 400, "malformed_request").await;

    problem(at(Method::GET, "/v1/items/no-such-item"), 404, "not_found").await;
    problem(at(Method::GET, "/v1/items/no-such-item/image"), 404, "not_found").await;
    problem(at(Method::GET, "/v1/items/no-such-item/thumbnail?w=9"), 422, "invalid_query").await;
    problem(at(Method::GET, "/v1/tasks/99999"), 404, "not_found").await;
    problem(at(Method::GET, "/v1/tasks/first"), 400, "malformed_request").await;
    problem(at(Method::GET, "/nowhere"), 404, "not_found").await;
    problem(at(Method::GET, "/static/../Cargo.toml"), 404, "not_found").await;
    problem(at(Method::DELETE, "/v1/search/text"), 405, "method_not_allowed").await;
    let foreign = at(Method::POST, "/v1/admin/reindex").header("origin", "http://elsewhere.example");
    problem(foreign, 403, "foreign_origin").await;

    let response = words(r#"{"query": "still here"}"#).send().await.expect("a response");
    assert!(response.status().is_success());
}

/// A PNG of 30 000 × 30 000 pixels in a few bytes: a header that promises them.
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
