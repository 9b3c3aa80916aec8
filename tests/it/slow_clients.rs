//! Clients that are slow, too many, or still sending when the service shuts down.

use std::time::{Duration, Instant};

use reqwest::Client;
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpSocket, TcpStream},
};

use crate::{
    common::{Server, copy_collection, trained_collection, wait_for},
    errors::expect_problem,
    limits::black_image,
};

/// A TCP connection on which the test writes the bytes of its requests itself.
pub(crate) struct RawConnection(TcpStream);

impl RawConnection {
    pub(crate) async fn open(base: &str) -> Self {
        let address = base.strip_prefix("http://").expect("a base");
        Self(TcpStream::connect(address).await.expect("a connection"))
    }

    pub(crate) async fn send(&mut self, text: &str) {
        self.0.write_all(text.as_bytes()).await.expect("the connection is open");
    }

    /// Reads until the service closes the connection.
    pub(crate) async fn read_response(&mut self) -> String {
        let mut response = Vec::new();
        let read = tokio::time::timeout(Duration::from_secs(30), self.0.read_to_end(&mut response)).await;
        // The connection may be reset after the response.
        let _ = read.expect("the service closes");
        String::from_utf8_lossy(&response).into_owned()
    }

    /// Sends `byte` every 100 ms until the service responds or closes the connection. Returns the response and the time
    /// until then.
    async fn trickle(mut self, byte: &str) -> (String, Duration) {
        let began = Instant::now();
        let mut response = [0; 4096];
        loop {
            assert!(began.elapsed() < Duration::from_secs(20), "the service did not time out");
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

/// Sends the head of a search that is admitted and then waits for `bytes` bytes of body.
pub(crate) async fn start_upload(base: &str, bytes: usize) -> RawConnection {
    let mut connection = RawConnection::open(base).await;
    let head = "POST /v1/search/image HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-type: image/bmp\r\n";
    connection.send(&format!("{head}content-length: {bytes}\r\n\r\n")).await;
    connection
}

/// Waits until exactly one search or write is in progress.
pub(crate) async fn wait_for_request_in_progress(base: &str) {
    wait_for("a request in progress", Duration::from_secs(10), async || {
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

    let deadline = Duration::from_secs(8);
    let silent = RawConnection::open(&server.base).await.trickle("").await;
    assert!(silent.0.is_empty() && silent.1 < deadline, "{silent:?}");
    let mut connection = RawConnection::open(&server.base).await;
    connection.send("GET /healthz HTTP/1.1\r\nx-long: ").await;
    let head = connection.trickle("x").await;
    assert!(head.0.is_empty() && head.1 < deadline, "{head:?}");

    let (text, elapsed) = start_upload(&server.base, 5000).await.trickle("x").await;
    assert!(
        text.starts_with("HTTP/1.1 408 ") && text.contains("\"body_too_slow\"") && elapsed < deadline,
        "{text} {elapsed:?}"
    );
    // A body above the limit is refused without waiting for it.
    let mut connection = start_upload(&server.base, 50_000_000).await;
    connection.send(&"x".repeat(1000)).await;
    assert!(connection.read_response().await.contains("413"));

    // The client does not read a response of 30 MB: the service closes the connection before it has sent all of it.
    let item = reqwest::multipart::Part::bytes(black_image(3100, 3300));
    let form = reqwest::multipart::Form::new().part("image", item).text("item", json!({"id": "large"}).to_string());
    let client = Client::new();
    let created = client.post(format!("{}/v1/items", server.base)).multipart(form).send().await.expect("a response");
    assert_eq!(created.status(), 201);
    let socket = TcpSocket::new_v4().expect("a socket");
    socket.set_recv_buffer_size(8 << 10).expect("a small buffer");
    let address = server.base.strip_prefix("http://").expect("a base").parse().expect("an address");
    let mut connection = RawConnection(socket.connect(address).await.expect("a connection"));
    connection.send("GET /v1/items/large/image HTTP/1.1\r\nhost: x\r\n\r\n").await;
    tokio::time::sleep(Duration::from_secs(5)).await;
    let read = connection.read_response().await.len();
    assert!(read < 30_000_000, "{read} bytes were sent to a client that did not read");
}

#[tokio::test]
async fn full_service_answers_503_and_serves_probes_and_admin_requests() {
    let Some(collection) = trained_collection() else { return };
    let data = copy_collection(collection);
    let flags =
        ["--max-requests=2", "--max-connections=12", "--max-uploads=1MiB", "--max-picture=1MiB", "--head-timeout=8s"];
    let server = Server::start_with(data.path(), &flags).await;
    // One connection per request: idle connections would count as well.
    let client = Client::builder().pool_max_idle_per_host(0).build().expect("a client");
    let search = || client.post(format!("{}/v1/search/text", server.base)).json(&json!({"query": "a bird"}));
    let expect_overloaded = async |why: &str| {
        let response = search().send().await.expect("a response");
        assert_eq!((response.status().as_u16(), response.headers()["retry-after"].to_str().ok()), (503, Some("1")));
        let body: Value = response.json().await.expect("JSON");
        assert!(body["code"] == "overloaded" && body["detail"].as_str().is_some_and(|d| d.contains(why)), "{body}");
    };
    let expect_probes_served = async || {
        for path in ["/healthz", "/readyz", "/metrics", "/v1/info", "/v1/tasks", "/v1/models", "/v1/admin/keys"] {
            let response = client.get(format!("{}{path}", server.base)).send().await.expect("a response");
            assert_eq!(response.status(), 200, "{path}");
        }
    };
    let wait_until_served = async || {
        wait_for("a response", Duration::from_secs(60), async || {
            search().send().await.is_ok_and(|response| response.status() == 200).then_some(())
        })
        .await;
    };

    // A search of this loop may take a slot and get an upload refused, so open uploads until the search is refused.
    let fill_service = async |bytes: usize| {
        let mut uploads = Vec::new();
        wait_for("every slot to be taken", Duration::from_secs(60), async || {
            uploads.push(start_upload(&server.base, bytes).await);
            search().send().await.is_ok_and(|response| response.status() == 503).then_some(())
        })
        .await;
        uploads
    };

    let uploads = fill_service(1000).await;
    expect_overloaded("2 concurrent searches and writes").await;
    expect_probes_served().await;
    drop(uploads);
    wait_until_served().await;

    let uploads = fill_service(1 << 20).await;
    expect_overloaded("1048576 bytes together").await;
    expect_probes_served().await;
    drop(uploads);
    wait_until_served().await;

    let mut idle = Vec::new();
    for _ in 0..12 {
        idle.push(RawConnection::open(&server.base).await);
    }
    expect_overloaded("12 connections").await;
    expect_probes_served().await;
    // The idle connections reach the head timeout.
    wait_until_served().await;
}

#[tokio::test]
async fn draining_service_completes_requests_and_answers_probes() {
    let Some(collection) = trained_collection() else { return };
    let data = copy_collection(collection);
    let server = Server::start_with(data.path(), &["--drain-timeout=30s"]).await;
    let client = Client::new();
    let at = |path: &str| client.get(format!("{}{path}", server.base));
    let picture = black_image(50, 50);
    let mut running = start_upload(&server.base, picture.len()).await;
    wait_for_request_in_progress(&server.base).await;
    server.request_shutdown();
    let draining = wait_for("draining", Duration::from_secs(20), async || {
        let response = at("/readyz").send().await.ok()?;
        (response.status() == 503).then_some(response)
    })
    .await;
    assert_eq!(draining.json::<Value>().await.expect("JSON")["code"], "draining");
    expect_problem(at("/v1/search?q=bird"), 503, "draining").await;
    expect_problem(at("/v1/tasks"), 503, "draining").await;
    assert_eq!(at("/healthz").send().await.expect("a response").status(), 200);
    running.0.write_all(&picture).await.expect("the connection is open");
    let response = running.read_response().await;
    assert!(response.starts_with("HTTP/1.1 200 ") && response.contains("\"results\""), "{response}");
    assert!(server.wait().success());

    // A request that does not finish within the drain timeout is dropped.
    let server = Server::start_with(data.path(), &["--drain-timeout=1s"]).await;
    let _running = start_upload(&server.base, 1000).await;
    wait_for_request_in_progress(&server.base).await;
    let began = Instant::now();
    assert!(server.terminate().success());
    assert!((Duration::from_millis(900)..Duration::from_secs(10)).contains(&began.elapsed()), "{:?}", began.elapsed());
}
