//! Clients that are slow, many, or in the middle of something when the service ends.

use std::time::{Duration, Instant};

use reqwest::Client;
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpSocket, TcpStream},
};

use crate::{
    common::{Server, copy_collection, trained_collection, wait_for},
    errors::problem,
    limits::black,
};

/// A connection whose every byte the test decides.
pub(crate) struct Line(TcpStream);

impl Line {
    pub(crate) async fn open(base: &str) -> Self {
        let address = base.strip_prefix("http://").expect("a base");
        Self(TcpStream::connect(address).await.expect("a connection"))
    }

    pub(crate) async fn send(&mut self, text: &str) {
        self.0.write_all(text.as_bytes()).await.expect("the line stands");
    }

    /// All that comes until the service closes.
    pub(crate) async fn read_response(&mut self) -> String {
        let mut response = Vec::new();
        let read = tokio::time::timeout(Duration::from_secs(30), self.0.read_to_end(&mut response)).await;
        // A reset after the answer is an end as well.
        let _ = read.expect("the service closes");
        String::from_utf8_lossy(&response).into_owned()
    }

    /// Sends a byte now and then until the service closes or has answered. What it said, and how long that took.
    async fn dribble(mut self, byte: &str) -> (String, Duration) {
        let began = Instant::now();
        let mut response = [0; 4096];
        loop {
            assert!(began.elapsed() < Duration::from_secs(20), "the service has endless patience");
            match tokio::time::timeout(Duration::from_millis(100), self.0.read(&mut response)).await {
                Ok(Ok(read)) => return (String::from_utf8_lossy(&response[..read]).into_owned(), began.elapsed()),
                Ok(Err(_)) => return (String::new(), began.elapsed()),
                Err(_) => {
                    let _ = self.0.write_all(byte.as_bytes()).await;
                }
            }
        }
    }
}

/// A search that takes its place and then waits for its body.
pub(crate) async fn pending(base: &str, bytes: usize) -> Line {
    let mut line = Line::open(base).await;
    let head = "POST /v1/search/image HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-type: image/bmp\r\n";
    line.send(&format!("{head}content-length: {bytes}\r\n\r\n")).await;
    line
}

/// Waits until a search or a change has its place.
pub(crate) async fn at_work(base: &str) {
    wait_for("a request to be at work", Duration::from_secs(10), async || {
        let stats: Value = reqwest::get(format!("{base}/v1/stats")).await.ok()?.json().await.ok()?;
        (stats["requests_at_work"] == 1).then_some(())
    })
    .await;
}

#[tokio::test]
async fn slow_clients_are_disconnected() {
    let Some(collection) = trained_collection() else { return };
    let data = copy_collection(collection);
    let server = Server::start_with(data.path(), &["--head-timeout=700ms", "--body-timeout=1s"]).await;

    let soon = Duration::from_secs(8);
    let silent = Line::open(&server.base).await.dribble("").await;
    assert!(silent.0.is_empty() && silent.1 < soon, "{silent:?}");
    let mut line = Line::open(&server.base).await;
    line.send("GET /healthz HTTP/1.1\r\nx-long: ").await;
    let head = line.dribble("x").await;
    assert!(head.0.is_empty() && head.1 < soon, "{head:?}");

    let (said, took) = pending(&server.base, 5000).await.dribble("x").await;
    assert!(said.starts_with("HTTP/1.1 408 ") && said.contains("\"body_too_slow\"") && took < soon, "{said} {took:?}");
    // However quick, a body has to come to its end.
    let mut line = pending(&server.base, 50_000_000).await;
    line.send(&"x".repeat(1000)).await;
    assert!(line.read_response().await.contains("413"));

    // An answer of 30 MB that nobody reads: the connection is given up, so that what is read later is not all of it.
    let item = reqwest::multipart::Part::bytes(black(3100, 3300));
    let form = reqwest::multipart::Form::new().part("image", item).text("item", json!({"id": "large"}).to_string());
    let client = Client::new();
    let taken = client.post(format!("{}/v1/items", server.base)).multipart(form).send().await.expect("a response");
    assert_eq!(taken.status(), 201);
    let socket = TcpSocket::new_v4().expect("a socket");
    socket.set_recv_buffer_size(8 << 10).expect("a small buffer");
    let address = server.base.strip_prefix("http://").expect("a base").parse().expect("an address");
    let mut line = Line(socket.connect(address).await.expect("a connection"));
    line.send("GET /v1/items/large/image HTTP/1.1\r\nhost: x\r\n\r\n").await;
    tokio::time::sleep(Duration::from_secs(5)).await;
    let read = line.read_response().await.len();
    assert!(read < 30_000_000, "{read} bytes were kept for a client that did not read");
}

#[tokio::test]
async fn full_service_answers_503_and_serves_probes_and_owners() {
    let Some(collection) = trained_collection() else { return };
    let data = copy_collection(collection);
    let flags =
        ["--max-requests=2", "--max-connections=12", "--max-uploads=1MiB", "--max-picture=1MiB", "--head-timeout=8s"];
    let server = Server::start_with(data.path(), &flags).await;
    // A connection for each request, so that none is kept from before.
    let client = Client::builder().pool_max_idle_per_host(0).build().expect("a client");
    let search = || client.post(format!("{}/v1/search/text", server.base)).json(&json!({"query": "a bird"}));
    let overloaded = async |why: &str| {
        let response = search().send().await.expect("a response");
        assert_eq!((response.status().as_u16(), response.headers()["retry-after"].to_str().ok()), (503, Some("1")));
        let body: Value = response.json().await.expect("JSON");
        assert!(body["code"] == "overloaded" && body["detail"].as_str().is_some_and(|d| d.contains(why)), "{body}");
    };
    let answered = async || {
        for path in ["/healthz", "/readyz", "/metrics", "/v1/info", "/v1/tasks", "/v1/models", "/v1/admin/keys"] {
            let response = client.get(format!("{}{path}", server.base)).send().await.expect("a response");
            assert_eq!(response.status(), 200, "{path}");
        }
    };
    let again = async || {
        wait_for("a response", Duration::from_secs(60), async || {
            search().send().await.is_ok_and(|response| response.status() == 200).then_some(())
        })
        .await;
    };

    // Whoever comes while a search of ours has a place is refused like others, so more come until all places are taken.
    let taken_by = async |bytes: usize| {
        let mut held = Vec::new();
        wait_for("every place to be taken", Duration::from_secs(60), async || {
            held.push(pending(&server.base, bytes).await);
            search().send().await.is_ok_and(|response| response.status() == 503).then_some(())
        })
        .await;
        held
    };

    let places = taken_by(1000).await;
    overloaded("2 concurrent searches and writes").await;
    answered().await;
    drop(places);
    again().await;

    let memory = taken_by(1 << 20).await;
    overloaded("1048576 bytes together").await;
    answered().await;
    drop(memory);
    again().await;

    let mut idle = Vec::new();
    for _ in 0..12 {
        idle.push(Line::open(&server.base).await);
    }
    overloaded("12 connections").await;
    answered().await;
    // They have said nothing for too long by now, or will have in a moment.
    again().await;
}

#[tokio::test]
async fn draining_service_completes_requests_and_answers_probes() {
    let Some(collection) = trained_collection() else { return };
    let data = copy_collection(collection);
    let server = Server::start_with(data.path(), &["--drain-timeout=30s"]).await;
    let client = Client::new();
    let at = |path: &str| client.get(format!("{}{path}", server.base));
    let picture = black(50, 50);
    let mut running = pending(&server.base, picture.len()).await;
    at_work(&server.base).await;
    server.request_shutdown();
    let draining = wait_for("draining", Duration::from_secs(20), async || {
        let response = at("/readyz").send().await.ok()?;
        (response.status() == 503).then_some(response)
    })
    .await;
    assert_eq!(draining.json::<Value>().await.expect("JSON")["code"], "draining");
    problem(at("/v1/search?q=bird"), 503, "draining").await;
    problem(at("/v1/tasks"), 503, "draining").await;
    assert_eq!(at("/healthz").send().await.expect("a response").status(), 200);
    running.0.write_all(&picture).await.expect("the line stands");
    let response = running.read_response().await;
    assert!(response.starts_with("HTTP/1.1 200 ") && response.contains("\"results\""), "{response}");
    assert!(server.wait().success());

    // Whoever does not come to an end is not waited for.
    let server = Server::start_with(data.path(), &["--drain-timeout=1s"]).await;
    let _running = pending(&server.base, 1000).await;
    at_work(&server.base).await;
    let began = Instant::now();
    assert!(server.terminate().success());
    assert!((Duration::from_millis(900)..Duration::from_secs(10)).contains(&began.elapsed()), "{:?}", began.elapsed());
}
