//! Every limit can be set, holds, and says what is allowed; what is not for everyone is not.

use reqwest::{Client, RequestBuilder, Response};
use serde_json::{Value, json};

use crate::{
    common::{Server, copy_collection, diptych, succeed, trained_collection},
    errors::problem,
    slow_clients::Line,
};

const FLAGS: &[&str] = &[
    "--max-body=4KiB",
    "--max-picture=64KiB",
    "--max-uploads=1MiB",
    "--max-head=2KiB",
    "--max-headers=20",
    "--max-text-chars=50",
    "--max-terms=2",
    "--max-results=5",
    "--max-batch=3",
    "--max-filter-depth=2",
    "--max-filter-conditions=3",
    "--max-picture-side=100",
    "--max-connections=300",
    "--request-timeout=20s",
    "--cors-origin=https://one.example,https://two.example",
    "--metrics-open=false",
];

/// An uncompressed picture without a colour in it.
pub(crate) fn black(width: u32, height: u32) -> Vec<u8> {
    let mut bytes = Vec::new();
    let picture = image::RgbImage::new(width, height);
    picture.write_to(&mut std::io::Cursor::new(&mut bytes), image::ImageFormat::Bmp).expect("a picture");
    bytes
}

/// The problem that a request gets; its detail names what is allowed.
async fn refused(request: RequestBuilder, status: u16, code: &str, allowed: &str) {
    let body = problem(request, status, code).await;
    assert!(body["detail"].as_str().is_some_and(|detail| detail.contains(allowed)), "{allowed} is not in {body}");
}

#[tokio::test]
async fn limits_refuse_and_say_what_is_allowed() {
    let Some(collection) = trained_collection() else { return };
    let data = copy_collection(collection);
    let server = Server::start_with(data.path(), FLAGS).await;
    let client = Client::new();
    let post = |path: &str| client.post(format!("{}{path}", server.base));
    let words = |body: Value| post("/v1/search/text").json(&body);
    let picture = |bytes: Vec<u8>| post("/v1/search/image").header("content-type", "image/bmp").body(bytes);

    let info: Value =
        client.get(format!("{}/v1/info", server.base)).send().await.expect("a response").json().await.expect("JSON");
    let limits = json!({
        "text_chars": 50, "results": 5, "terms": 2, "queue": 64, "picture_bytes": 65536, "picture_pixels": 64_000_000,
        "picture_side": 100, "body_bytes": 4096, "upload_bytes": 1 << 20, "head_bytes": 2048, "headers": 20, "batch": 3,
        "filter_depth": 2, "filter_conditions": 3, "requests": 256, "connections": 300, "head_timeout_ms": 15_000,
        "body_timeout_ms": 30_000, "request_timeout_ms": 20_000, "drain_timeout_ms": 10_000,
    });
    assert_eq!(info["limits"], limits);

    let long = |chars: usize| json!({"query": "a".repeat(chars)});
    assert_eq!(words(long(50)).send().await.expect("a response").status(), 200);
    refused(words(long(51)), 422, "invalid_query", "50 characters").await;
    refused(words(long(5000)), 413, "body_too_large", "at most 4096").await;
    refused(words(json!({"query": "x", "limit": 6})), 422, "invalid_query", "1 to 5").await;
    assert_eq!(picture(black(90, 90)).send().await.expect("a response").status(), 200);
    refused(picture(black(150, 150)), 413, "body_too_large", "at most 65536").await;
    refused(picture(black(101, 9)), 422, "image_decode_failed", "100").await;
    let term = json!({"text": "x"});
    refused(post("/v1/search").json(&json!({"terms": [term, term, term]})), 422, "invalid_query", "1 to 2").await;
    let inputs = json!({"inputs": vec![term; 6]});
    refused(post("/v1/embed").json(&inputs), 422, "invalid_query", "the maximum is 5").await;
    let line = json!({"id": "a", "captions": ["b"]}).to_string() + "\n";
    let task = post("/v1/items/batch").body(line.repeat(4)).send().await.expect("a response");
    assert_eq!(task.status(), 202, "more than a client should wait for is a task");
    let condition = json!({"key": "id", "match": {"value": "x"}});
    let deep = json!({"must": [{"must": [{"must": [condition]}]}]});
    refused(words(json!({"query": "x", "filter": deep})), 422, "invalid_filter", "2 deep").await;
    let many = json!({"must": vec![condition; 4]});
    refused(words(json!({"query": "x", "filter": many})), 422, "invalid_filter", "at most 3").await;

    let padded = words(json!({"query": "x"})).header("x-padding", "p".repeat(2048));
    refused(padded, 431, "head_too_large", "at most 20 and 2048").await;
    let mut crowded = words(json!({"query": "x"}));
    for n in 0..21 {
        crowded = crowded.header(format!("x-{n}"), "1");
    }
    refused(crowded, 431, "head_too_large", "at most 20").await;
    // Too long to be looked at: cut off, with the bare status.
    let flood = words(json!({"query": "x"})).header("x-padding", "p".repeat(200_000)).send().await;
    assert!(flood.is_err() || flood.is_ok_and(|response| response.status() == 431));

    // Announced alone: refused before a byte of it comes.
    let mut line = Line::open(&server.base).await;
    line.send(
        "POST /v1/search/image HTTP/1.1\r\nhost: x\r\ncontent-type: image/png\r\ncontent-length: 10000000000\r\n\r\n",
    )
    .await;
    let response = line.read_response().await;
    assert!(response.contains("413") && response.contains("10000000000 bytes; at most 65536"), "{response}");
    // Not announced: refused as soon as it is too long.
    let mut line = Line::open(&server.base).await;
    line.send(
        "POST /v1/search/image HTTP/1.1\r\nhost: x\r\ncontent-type: image/png\r\ntransfer-encoding: chunked\r\n\r\n",
    )
    .await;
    for _ in 0..3 {
        line.send(&format!("8000\r\n{}\r\n", "x".repeat(0x8000))).await;
    }
    line.send("0\r\n\r\n").await;
    let response = line.read_response().await;
    assert!(response.contains("413") && response.contains("body_too_large"), "{response}");
}

#[tokio::test]
async fn only_listed_origins_are_allowed_and_metrics_can_need_a_key() {
    let Some(collection) = trained_collection() else { return };
    let data = copy_collection(collection);
    let server = Server::start_with(data.path(), FLAGS).await;
    let client = Client::new();
    let search = format!("{}/v1/search/text", server.base);
    let allowed = |response: &Response| {
        response.headers().get("access-control-allow-origin").map(|v| v.to_str().expect("text").to_owned())
    };
    for (origin, listed) in [("https://two.example", true), ("https://three.example", false)] {
        let ask = client.request(reqwest::Method::OPTIONS, &search).header("origin", origin);
        let ask = ask
            .header("access-control-request-method", "POST")
            .header("access-control-request-headers", "authorization");
        let response = ask.send().await.expect("a response");
        assert_eq!(allowed(&response), listed.then(|| origin.to_owned()));
        let response = client.post(&search).header("origin", origin).json(&json!({"query": "a bird"})).send().await;
        let response = response.expect("a response");
        assert_eq!(response.status().as_u16(), if listed { 200 } else { 403 });
        assert_eq!(allowed(&response), listed.then(|| origin.to_owned()));
        // A page may read why it was refused.
        let response = client.post(&search).header("origin", origin).body("{").send().await.expect("a response");
        assert_eq!(allowed(&response), listed.then(|| origin.to_owned()));
    }

    let key = succeed(diptych(data.path()).args(["key", "create", "--scope", "admin", "--scope", "search"]));
    let key = key.lines().find(|line| line.starts_with("dpt_")).expect("a key").trim().to_owned();
    let metrics = format!("{}/metrics", server.base);
    problem(client.get(&metrics), 401, "missing_key").await;
    assert_eq!(client.get(&metrics).bearer_auth(&key).send().await.expect("a response").status(), 200);
    assert_eq!(client.get(format!("{}/readyz", server.base)).send().await.expect("a response").status(), 200);
}
