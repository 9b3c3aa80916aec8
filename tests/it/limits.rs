//! Every limit can be configured and is enforced with a message that names it; CORS and the metrics can be restricted.

use reqwest::{Client, RequestBuilder, Response};
use serde_json::{Value, json};

use crate::{
    common::{Server, copy_collection, diptych, succeed, trained_collection},
    errors::expect_problem,
    slow_clients::RawConnection,
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

/// An all-black, uncompressed picture.
pub(crate) fn black_image(width: u32, height: u32) -> Vec<u8> {
    let mut bytes = Vec::new();
    let picture = image::RgbImage::new(width, height);
    picture.write_to(&mut std::io::Cursor::new(&mut bytes), image::ImageFormat::Bmp).expect("a picture");
    bytes
}

/// Sends a request that exceeds a limit; the detail of the problem has to name what is `allowed`.
async fn expect_refusal(request: RequestBuilder, status: u16, code: &str, allowed: &str) {
    let body = expect_problem(request, status, code).await;
    assert!(body["detail"].as_str().is_some_and(|detail| detail.contains(allowed)), "{allowed:?} is not in {body}");
}

#[tokio::test]
async fn limits_refuse_and_say_what_is_allowed() {
    let Some(collection) = trained_collection() else { return };
    let data = copy_collection(collection);
    let server = Server::start_with(data.path(), FLAGS).await;
    let client = Client::new();
    let post = |path: &str| client.post(format!("{}{path}", server.base));
    let search_text = |body: Value| post("/v1/search/text").json(&body);
    let search_image = |bytes: Vec<u8>| post("/v1/search/image").header("content-type", "image/bmp").body(bytes);

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
    assert_eq!(search_text(long(50)).send().await.expect("a response").status(), 200);
    expect_refusal(search_text(long(51)), 422, "invalid_query", "50 characters").await;
    expect_refusal(search_text(long(5000)), 413, "body_too_large", "at most 4096").await;
    expect_refusal(search_text(json!({"query": "x", "limit": 6})), 422, "invalid_query", "1 to 5").await;
    assert_eq!(search_image(black_image(90, 90)).send().await.expect("a response").status(), 200);
    expect_refusal(search_image(black_image(150, 150)), 413, "body_too_large", "at most 65536").await;
    expect_refusal(search_image(black_image(101, 9)), 422, "image_decode_failed", "100").await;
    let term = json!({"text": "x"});
    expect_refusal(post("/v1/search").json(&json!({"terms": [term, term, term]})), 422, "invalid_query", "1 to 2")
        .await;
    let inputs = json!({"inputs": vec![term; 6]});
    expect_refusal(post("/v1/embed").json(&inputs), 422, "invalid_query", "the maximum is 5").await;
    let line = json!({"id": "a", "captions": ["b"]}).to_string() + "\n";
    let task = post("/v1/items/batch").body(line.repeat(4)).send().await.expect("a response");
    assert_eq!(task.status(), 202, "a batch above the limit becomes a task");
    let condition = json!({"key": "id", "match": {"value": "x"}});
    let deep = json!({"must": [{"must": [{"must": [condition]}]}]});
    expect_refusal(search_text(json!({"query": "x", "filter": deep})), 422, "invalid_filter", "2 deep").await;
    let many = json!({"must": vec![condition; 4]});
    expect_refusal(search_text(json!({"query": "x", "filter": many})), 422, "invalid_filter", "at most 3").await;

    let large_header = search_text(json!({"query": "x"})).header("x-padding", "p".repeat(2048));
    expect_refusal(large_header, 431, "head_too_large", "at most 20 and 2048").await;
    let mut many_headers = search_text(json!({"query": "x"}));
    for n in 0..21 {
        many_headers = many_headers.header(format!("x-{n}"), "1");
    }
    expect_refusal(many_headers, 431, "head_too_large", "at most 20").await;
    // Beyond the buffer of the HTTP parser: an empty 431, or a closed connection.
    let flood = search_text(json!({"query": "x"})).header("x-padding", "p".repeat(200_000)).send().await;
    assert!(flood.is_err() || flood.is_ok_and(|response| response.status() == 431));

    // With a Content-Length the body is refused before any of it is sent.
    let mut connection = RawConnection::open(&server.base).await;
    connection.send(
        "POST /v1/search/image HTTP/1.1\r\nhost: x\r\ncontent-type: image/png\r\ncontent-length: 10000000000\r\n\r\n",
    )
    .await;
    let response = connection.read_response().await;
    assert!(response.contains("413") && response.contains("10000000000 bytes; at most 65536"), "{response}");
    // Without one it is refused as soon as it exceeds the limit.
    let mut connection = RawConnection::open(&server.base).await;
    connection.send(
        "POST /v1/search/image HTTP/1.1\r\nhost: x\r\ncontent-type: image/png\r\ntransfer-encoding: chunked\r\n\r\n",
    )
    .await;
    for _ in 0..3 {
        connection.send(&format!("8000\r\n{}\r\n", "x".repeat(0x8000))).await;
    }
    connection.send("0\r\n\r\n").await;
    let response = connection.read_response().await;
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
        let preflight = client.request(reqwest::Method::OPTIONS, &search).header("origin", origin);
        let preflight = preflight
            .header("access-control-request-method", "POST")
            .header("access-control-request-headers", "authorization");
        let response = preflight.send().await.expect("a response");
        assert_eq!(allowed(&response), listed.then(|| origin.to_owned()));
        let response = client.post(&search).header("origin", origin).json(&json!({"query": "a bird"})).send().await;
        let response = response.expect("a response");
        assert_eq!(response.status().as_u16(), if listed { 200 } else { 403 });
        assert_eq!(allowed(&response), listed.then(|| origin.to_owned()));
        // Error responses have the CORS headers too.
        let response = client.post(&search).header("origin", origin).body("{").send().await.expect("a response");
        assert_eq!(allowed(&response), listed.then(|| origin.to_owned()));
    }

    let key = succeed(diptych(data.path()).args(["key", "create", "--scope", "admin", "--scope", "search"]));
    let key = key.lines().find(|line| line.starts_with("dpt_")).expect("a key").trim().to_owned();
    let metrics = format!("{}/metrics", server.base);
    expect_problem(client.get(&metrics), 401, "missing_key").await;
    assert_eq!(client.get(&metrics).bearer_auth(&key).send().await.expect("a response").status(), 200);
    assert_eq!(client.get(format!("{}/readyz", server.base)).send().await.expect("a response").status(), 200);
}
