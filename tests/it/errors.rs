//! Bad requests: each gets a problem with a stable code and a sentence, and the service goes on.

use reqwest::{Method, RequestBuilder};
use serde_json::Value;

use crate::support::shared_server;

/// An answer's problem, checked for what all problems have.
async fn problem(request: RequestBuilder, status: u16, code: &str) -> Value {
    let answer = request.send().await.expect("an answer");
    let found = answer.status().as_u16();
    let mime = answer.headers()["content-type"].to_str().expect("text").to_owned();
    let id = answer.headers()["x-request-id"].to_str().expect("text").to_owned();
    let body: Value = answer.json().await.expect("JSON");
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
    body
}

#[tokio::test]
async fn every_bad_request_gets_its_problem() {
    let Some(base) = shared_server().await else { return };
    let client = reqwest::Client::new();
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
    problem(terms("{}"), 400, "malformed_request").await;
    problem(terms(r#"{"terms": []}"#), 422, "invalid_query").await;
    problem(terms(r#"{"terms": [{"text": "x", "weight": -1}]}"#), 422, "invalid_query").await;
    problem(terms(r#"{"terms": [{"text": "x", "weight": 1e30}]}"#), 422, "invalid_query").await;
    problem(terms(r#"{"terms": [{"text": "x"}, {"text": "x", "weight": -1}]}"#), 422, "invalid_query").await;
    problem(terms(r#"{"terms": [{"item": "no such"}]}"#), 404, "not_found").await;
    problem(terms(r#"{"terms": [{"sound": "x"}]}"#), 400, "malformed_request").await;
    let detail = problem(terms(r#"{"terms": [{"text": "x"}, {"image_base64": "?"}]}"#), 422, "bad_base64").await;
    assert_eq!(detail["errors"][0]["pointer"], "/terms/1/image_base64", "{detail}");
    problem(at(Method::GET, "/v1/search"), 400, "malformed_request").await;
    problem(at(Method::GET, "/v1/search?q=x&limit=many"), 400, "malformed_request").await;
    problem(at(Method::GET, "/v1/items/no-such-item/similar"), 404, "not_found").await;
    problem(at(Method::GET, "/v1/facets?filter=%7B"), 422, "invalid_filter").await;

    problem(picture(Vec::new()), 422, "image_decode_failed").await;
    problem(picture(b"this is no picture".to_vec()), 422, "image_decode_failed").await;
    let mut torn = crate::search::drawn_picture();
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

    let answer = words(r#"{"query": "still here"}"#).send().await.expect("an answer");
    assert!(answer.status().is_success());
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
