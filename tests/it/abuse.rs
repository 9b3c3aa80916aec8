//! Hostile requests: each gets a well-formed error, none leaks memory, and the service keeps running.

use std::{
    io::{Read, Write},
    net::TcpStream,
    time::{Duration, Instant},
};

use reqwest::{Client, RequestBuilder};
use serde_json::{Value, json};

use crate::common::{Server, copy_collection, trained_collection, wait_for};

/// Sends raw bytes and reads until the response is complete, the service closes, or twenty seconds have passed.
fn send_raw(base: &str, request: &[u8]) -> String {
    let mut stream = TcpStream::connect(base.trim_start_matches("http://")).expect("a connection");
    stream.set_read_timeout(Some(Duration::from_secs(20))).expect("a timeout");
    // The service may close the connection before it has read everything.
    let _ = stream.write_all(request);
    let (mut response, mut buffer) = (Vec::new(), [0; 4096]);
    while let Ok(count @ 1..) = stream.read(&mut buffer) {
        response.extend_from_slice(&buffer[..count]);
        if is_complete(&response) {
            break;
        }
    }
    String::from_utf8_lossy(&response).into_owned()
}

/// Whether the body of a response is as long as its Content-Length.
fn is_complete(response: &[u8]) -> bool {
    let text = String::from_utf8_lossy(response);
    let Some((head, body)) = text.split_once("\r\n\r\n") else { return false };
    let length = head.lines().find_map(|line| line.to_ascii_lowercase().strip_prefix("content-length: ")?.parse().ok());
    length.is_some_and(|length: usize| body.len() >= length)
}

fn status(response: &str) -> u16 {
    response.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or_default()
}

fn multipart_request(parts: &str) -> Vec<u8> {
    let head = format!(
        "POST /v1/search/image HTTP/1.1\r\nHost: x\r\nContent-Type: multipart/form-data; \
            boundary=b\r\nContent-Length: {}\r\n\r\n",
        parts.len()
    );
    [head.as_bytes(), parts.as_bytes()].concat()
}

async fn memory_bytes(base: &str) -> u64 {
    let stats: Value = reqwest::get(format!("{base}/v1/stats")).await.expect("a response").json().await.expect("JSON");
    stats["memory_bytes"].as_u64().expect("a number")
}

/// Sends a request and returns its status, which must be below 500; errors must have a problem document.
async fn checked_status(request: RequestBuilder, what: &str) -> u16 {
    let response = request.send().await.unwrap_or_else(|e| panic!("{what}: {e}"));
    let status = response.status().as_u16();
    assert!(status < 500, "{what}: {status} {}", response.text().await.unwrap_or_default());
    if status >= 400 {
        let body: Value = response.json().await.expect("JSON");
        assert_eq!(body["status"], status, "{what}: {body}");
        assert!(body["code"].is_string(), "{what}: {body}");
    }
    status
}

#[tokio::test]
async fn service_survives_hostile_input() {
    let Some(collection) = trained_collection() else { return };
    let data = copy_collection(collection);
    let server = Server::start(data.path()).await;
    let base = server.base.clone();
    let client = Client::new();
    // The first round fills caches and buffers that are kept; the second must not need more memory.
    send_hostile_requests(&client, &base).await;
    let before = memory_bytes(&base).await;
    send_hostile_requests(&client, &base).await;
    wait_for(&format!("memory of about {before} bytes"), Duration::from_secs(10), async || {
        (memory_bytes(&base).await < before + (64 << 20)).then_some(())
    })
    .await;
    let log = std::fs::read_to_string(data.path().join("serve.log")).expect("a log");
    assert!(!log.contains("panicked"), "{log}");
    let search = client.post(format!("{base}/v1/search/text")).json(&json!({"query": "a bird"}));
    assert_eq!(checked_status(search, "search").await, 200);
}

async fn send_hostile_requests(client: &Client, base: &str) {
    let address = base.to_owned();
    tokio::task::spawn_blocking(move || send_malformed_bodies(&address)).await.expect("every request gets a response");
    send_hostile_texts(client, base).await;
    send_hostile_ids(client, base).await;
    send_oversized_filters(client, base).await;
}

/// Bodies that do not match their headers.
fn send_malformed_bodies(base: &str) {
    let image_announcement = "POST /v1/search/image HTTP/1.1\r\nHost: x\r\nContent-Type: image/png\r\nContent-Length: \
        10737418240\r\n\r\nxyz";
    let started = Instant::now();
    assert_eq!(
        status(&send_raw(base, image_announcement.as_bytes())),
        413,
        "ten gigabytes are refused by their Content-Length"
    );
    assert!(started.elapsed() < Duration::from_secs(9), "refused without waiting for the body");
    let search = "POST /v1/search/text HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: \
        10737418240\r\n\r\n{";
    assert_eq!(status(&send_raw(base, search.as_bytes())), 413);

    let head =
        "POST /v1/search/image HTTP/1.1\r\nHost: x\r\nContent-Type: image/png\r\nTransfer-Encoding: chunked\r\n\r\n";
    let chunk = [b"100000\r\n".as_slice(), &vec![b'x'; 0x10_0000], b"\r\n"].concat();
    let oversized = [head.as_bytes(), &chunk.repeat(40), b"0\r\n\r\n"].concat();
    assert_eq!(status(&send_raw(base, &oversized)), 413, "a chunked body is refused beyond the limit");
    let nonsense = [head.as_bytes(), b"this is not a chunk\r\n"].concat();
    assert_eq!(status(&send_raw(base, &nonsense)) / 100, 4);

    let part = "--b\r\nContent-Disposition: form-data; name=\"image\"\r\n\r\nxyz";
    for (parts, why) in [
        (part.to_owned(), "no end"),
        (format!("{part}\r\n--b"), "half an end"),
        ("--b--\r\n".to_owned(), "nothing"),
        ("--b\r\n\r\nxyz\r\n--b--\r\n".to_owned(), "no name"),
        ("--b\r\nContent-Disposition: form-data; name=\"picture\"\r\n\r\nxyz\r\n--b--\r\n".to_owned(), "another name"),
        (
            format!("{part}\r\n--b\r\nContent-Disposition: form-data; name=\"params\"\r\n\r\n{{\r\n--b--\r\n"),
            "bad params",
        ),
        ("no boundary at all".to_owned(), "no boundary"),
    ] {
        let response = send_raw(base, &multipart_request(&parts));
        assert_eq!(status(&response), 400, "{why}: {response}");
        assert!(response.contains("malformed_request"), "{why}: {response}");
    }
    let without_boundary = "POST /v1/search/image HTTP/1.1\r\nHost: x\r\nContent-Type: multipart/form-data\r\n\
        Content-Length: 3\r\n\r\nxyz";
    assert_eq!(status(&send_raw(base, without_boundary.as_bytes())), 400);

    assert_eq!(status(&send_raw(base, b"this is not HTTP\r\n\r\n")) / 100, 4);
    let long = format!("GET /healthz HTTP/1.1\r\nHost: x\r\nX-Long: {}\r\n\r\n", "a".repeat(2 << 20));
    assert_eq!(status(&send_raw(base, long.as_bytes())), 431, "the size of headers is limited");
    let many: String = (0..5000).map(|n| format!("X-{n}: a\r\n")).collect();
    assert_eq!(status(&send_raw(base, format!("GET /healthz HTTP/1.1\r\nHost: x\r\n{many}\r\n").as_bytes())), 431);
}

/// Texts with the syntax of SQL, FTS5, HTML, format strings and the like, and unusual Unicode.
async fn send_hostile_texts(client: &Client, base: &str) {
    for text in [
        "'; drop table items; --",
        "\" OR 1=1 --",
        "a* NEAR(b, 2) AND NOT c OR \"d",
        "captions:bird ^bird {a b}: - + ( ) \"",
        "%s %n %x ${jndi:ldap://x} {{7*7}}",
        "<script>alert(1)</script>",
        "\u{0}\u{1}\u{7f}\u{202e}\u{feff}",
        "𝔟𝔦𝔯𝔡 \u{1F426}\u{200D}\u{1F525} a\u{301}\u{301}\u{301}",
        &"a\u{301}".repeat(3000),
        &"- ".repeat(4000),
        &"bird ".repeat(1999),
    ] {
        let hybrid = json!({"keyword_weight": 0.5});
        let body = json!({"query": text, "hybrid": hybrid, "target": "any", "facets": ["label"], "explain": true});
        let search = client.post(format!("{base}/v1/search/text")).json(&body);
        assert_eq!(checked_status(search, text).await, 200, "{text:?}");
        let address = reqwest::Url::parse_with_params(&format!("{base}/v1/search"), [("q", text)]).expect("an address");
        // The URL is part of the head, whose size is limited.
        let expected = if address.as_str().len() < 16_000 { 200 } else { 431 };
        assert_eq!(checked_status(client.get(address), text).await, expected, "{text:?}");
    }
    for body in [
        r#"{"query": "a", "limit": 1e400}"#,
        r#"{"query": "a", "limit": -1}"#,
        r#"{"query": "a", "limit": 1.5}"#,
        r#"{"query": "a", "ef": 340282366920938463463374607431768211456}"#,
        r#"{"query": "a", "min_relevance": 1e39}"#,
        r#"{"query": "a", "min_relevance": Infinity}"#,
        r#"{"query": "a", "timeout_ms": 18446744073709551616}"#,
        r#"{"query": "\ud800\udbff"}"#,
        r#"{"query": ["a"]}"#,
        r#"{"query": null}"#,
        r#"{"query": "a", "query": "b", "limit": {}}"#,
        "null",
        "[]",
        "\"a\"",
        "",
        "\u{feff}{}",
    ] {
        let search = client.post(format!("{base}/v1/search/text")).header("content-type", "application/json");
        assert!(checked_status(search.body(body), body).await >= 400, "{body}");
    }
    let latin = client.post(format!("{base}/v1/search/text")).header("content-type", "application/json");
    assert_eq!(checked_status(latin.body(b"{\"query\": \"\xe9\xff\"}".to_vec()), "not UTF-8").await, 400);
}

/// Ids and paths with a special meaning in file systems or URLs.
async fn send_hostile_ids(client: &Client, base: &str) {
    let long = "a".repeat(20_000);
    for id in [
        "..%2f..%2f..%2fetc%2fpasswd",
        "%2e%2e",
        "..",
        "%00",
        "%ff%fe",
        "a%0d%0aSet-Cookie:%20x",
        "%252e%252e%252f",
        "con",
        "-",
        "%F0%9F%90%A6",
        &long,
    ] {
        for rest in ["", "/image", "/thumbnail", "/similar"] {
            let status = checked_status(client.get(format!("{base}/v1/items/{id}{rest}")), id).await;
            assert!([400, 404, 414, 431].contains(&status) || status == 200 && id == "..", "{id}{rest}: {status}");
        }
    }
    for path in [
        "/static/..%2f..%2fCargo.toml",
        "/static/%2e%2e/Cargo.toml",
        "//etc/passwd",
        "/v1/models/..%2f..%2fx/report?format=html",
    ] {
        assert_eq!(checked_status(client.get(format!("{base}{path}")), path).await, 404, "{path}");
    }
    for id in ["../x", "a/b", "x\u{0}", " ", "", "..", "batch", "\u{202e}gpj.exe", "é\u{301}"] {
        let item = client.post(format!("{base}/v1/items")).json(&json!({"id": id, "captions": ["a door"]}));
        let status = checked_status(item, id).await;
        assert!([201, 422].contains(&status), "{id:?}: {status}");
        if status == 201 {
            let mut address = reqwest::Url::parse(&format!("{base}/v1/items/")).expect("an address");
            address.path_segments_mut().expect("segments").pop().push(id);
            assert_eq!(checked_status(client.get(address.clone()), id).await, 200, "{id:?} is found under its URL");
            assert_eq!(client.delete(address).send().await.expect("a response").status(), 204);
        }
    }
}

/// Filters that are too deep, too long or invalid.
async fn send_oversized_filters(client: &Client, base: &str) {
    let nested = |depth: usize| (0..depth).fold(json!({}), |inner, _| json!({"must": [inner]}));
    let condition = json!({"key": "label", "match": {"value": "birds"}});
    for (filter, what) in [
        (nested(50), "nested 50 deep"),
        (json!({"must": vec![condition; 10_000]}), "ten thousand conditions"),
        (json!({"must": [{"key": "label", "match": {"any": vec!["x"; 20_000]}}]}), "twenty thousand values"),
        (json!({"must": [{"key": "meta.a\" or 1=1 --", "match": {"value": 1}}]}), "SQL in a name"),
        (json!({"must": [{"key": format!("meta.{}", "a.".repeat(20_000)), "match": {"value": 1}}]}), "a long name"),
        (json!({"must": [{"key": "meta.x", "range": {"gte": {}}}]}), "a bound that is an object"),
        (json!([]), "a list"),
    ] {
        let search = client.post(format!("{base}/v1/search/text")).json(&json!({"query": "a", "filter": filter}));
        assert_eq!(checked_status(search, what).await, 422, "{what}");
    }
    // Deeper than any JSON may be nested.
    let deep = client.post(format!("{base}/v1/search/text")).json(&json!({"query": "a", "filter": nested(100)}));
    assert_eq!(checked_status(deep, "nested 100 deep").await, 400);
}
